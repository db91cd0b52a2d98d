//! What a page is about: which page, and its values.

use super::language::Language;
use minijinja::{Value, context};
use waiting_room_domain::Moment;

/// Without a script the waiting page is not loaded more often than this, in seconds.
const REFRESH_MIN: u64 = 2;
/// Nor one that waits for a moment seldomer than this: somebody may have changed it.
const REFRESH_MAX: u64 = 300;
/// A page that waits for something without a date looks again after this.
const REFRESH_SHUT: u64 = 20;
/// And one that got no answer after this.
const REFRESH_UNAVAILABLE: u64 = 3;

/// Why nobody can line up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// It is too early.
    Early {
        /// From when on one can line up.
        prequeue_opens: Moment,
        /// When people are let in.
        doors_open: Moment,
        /// What time it is.
        now: Moment,
    },
    /// It is over.
    Closed,
    /// Nothing is left for whoever comes now.
    SoldOut,
    /// The shop is being worked on.
    Maintenance,
    /// The line takes nobody else.
    Draining,
    /// Nobody is let in here, ever.
    Rejected,
}

/// What is missing for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing<'a> {
    /// An account: sign in first.
    Account,
    /// An invitation, or one that counts.
    Invitation,
    /// A proof of work. The page finds one and joins by it.
    Proof {
        /// The invitation to join with.
        invitation: Option<&'a str>,
        /// One was brought and did not count. The page waits for somebody to press its button: else it might go on for
        /// ever.
        again: bool,
    },
    /// Patience: too many places were asked for from there.
    Patience,
}

/// A page and its values.
pub(super) struct Shown {
    /// Names its template, without the ending.
    pub(super) page: &'static str,
    values: Value,
}

impl Shown {
    pub(super) fn plain(page: &'static str) -> Self {
        Self {
            page,
            values: context! {},
        }
    }

    pub(super) fn unavailable() -> Self {
        Self {
            page: "unavailable",
            values: context! { refresh => REFRESH_UNAVAILABLE },
        }
    }

    pub(super) fn shut(shut: &Shut, message: Option<&str>) -> Self {
        let (page, refresh) = match shut {
            Shut::Early {
                prequeue_opens,
                doors_open,
                now,
            } => return Self::early(*prequeue_opens, *doors_open, *now),
            Shut::Closed => ("closed", None),
            Shut::SoldOut => ("sold_out", Some(REFRESH_SHUT)),
            Shut::Maintenance => ("maintenance", Some(REFRESH_SHUT)),
            Shut::Draining => ("draining", None),
            Shut::Rejected => ("rejected", None),
        };
        Self {
            page,
            values: context! { refresh, message },
        }
    }

    pub(super) fn missing(missing: &Missing<'_>) -> Self {
        match missing {
            Missing::Account => Self::plain("sign_in"),
            Missing::Invitation => Self::plain("not_invited"),
            Missing::Patience => Self::plain("too_often"),
            Missing::Proof { invitation, again } => Self {
                page: "proof",
                values: context! { invitation, again },
            },
        }
    }

    fn early(prequeue_opens: Moment, doors_open: Moment, now: Moment) -> Self {
        let refresh = prequeue_opens.since(now).as_secs().saturating_add(1);
        let values = context! {
            prequeue_opens => prequeue_opens.unix_ms(),
            doors_open => doors_open.unix_ms(),
            now => now.unix_ms(),
            refresh => refresh.clamp(REFRESH_MIN, REFRESH_MAX),
        };
        Self {
            page: "early",
            values,
        }
    }

    /// The page for a place, by its state.
    pub(super) fn place(place: &Value) -> Self {
        match text(place, "state").as_str() {
            "missed" => return Self::plain("missed"),
            "closed" => return Self::shut(&Shut::Closed, Some(text(place, "message").as_str())),
            _ => {}
        }
        let drawn = text(place, "state") == "to_be_drawn";
        let pause = number(place, "poll_after_ms").unwrap_or_default();
        let values = context! {
            place,
            drawn,
            before_doors => drawn || is_prequeue(place),
            note => note(place),
            now => number(place, "server_time_unix_ms"),
            refresh => pause.div_ceil(1_000).max(REFRESH_MIN),
        };
        Self {
            page: "waiting",
            values,
        }
    }

    /// The values with what needs the language.
    pub(super) fn values(&self, language: &Language) -> Value {
        let stock_line = self.stock_line(language).unwrap_or_default();
        context! { stock_line, ..self.values.clone() }
    }

    fn stock_line(&self, language: &Language) -> Option<String> {
        let place = self.values.get_attr("place").ok()?;
        let left = number(&place.get_attr("stock").ok()?, "left")?;
        if self.is_drawn() {
            return None;
        }
        let ahead = language.count("people", number(&place, "ahead")?);
        let left = language.count("units", left);
        Some(language.filled("stock_line", |word| match word {
            "ahead" => Some(ahead.clone()),
            "left" => Some(left.clone()),
            _ => None,
        }))
    }

    /// What stands in the title bar.
    pub(super) fn name(&self, language: &Language, title: Option<&str>) -> String {
        let title = title.unwrap_or_default();
        if self.page != "waiting" {
            let heading = language
                .sentence(&format!("{}_heading", self.page))
                .unwrap_or_default();
            let parts = [heading, title].into_iter().filter(|part| !part.is_empty());
            return parts.collect::<Vec<_>>().join(" · ");
        }
        let place = self.values.get_attr("place").unwrap_or_default();
        let ahead = language.count("people", number(&place, "ahead").unwrap_or_default());
        let sentence = if self.is_drawn() {
            "title_draw"
        } else {
            "title_waiting"
        };
        language.filled(sentence, |word| match word {
            "ahead" => Some(ahead.clone()),
            "title" => Some(title.to_owned()),
            _ => None,
        })
    }

    fn is_drawn(&self) -> bool {
        self.values.get_attr("drawn").is_ok_and(|drawn| drawn.is_true())
    }
}

/// What is said below the numbers, most urgent first; the script makes the same choice.
fn note(place: &Value) -> Option<&'static str> {
    let holding = place.get_attr("holding").is_ok_and(|holding| holding.is_true());
    let stock = place.get_attr("stock").unwrap_or_default();
    match (text(place, "switch").as_str(), text(place, "state").as_str()) {
        _ if holding => Some("holding"),
        ("maintenance", _) => Some("maintenance"),
        // For those who wait it is the same.
        ("paused" | "queue_all", _) => Some("paused"),
        ("draining", _) => Some("draining"),
        (_, "to_be_drawn") => Some("draw"),
        _ if is_prequeue(place) => Some("prequeue"),
        _ if number(&stock, "left") == Some(0) => Some("sold_out"),
        _ => match text(&stock, "reach").as_str() {
            "beyond" => Some("beyond"),
            "unlikely" => Some("unlikely"),
            _ => None,
        },
    }
}

/// Whether the doors are not open yet; an operator can open them before their time.
fn is_prequeue(place: &Value) -> bool {
    text(place, "phase") == "prequeue" && text(place, "switch") != "open"
}

fn text(value: &Value, name: &str) -> String {
    let field = value.get_attr(name).unwrap_or_default();
    field.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> Option<u64> {
    u64::try_from(value.get_attr(name).ok()?).ok()
}
