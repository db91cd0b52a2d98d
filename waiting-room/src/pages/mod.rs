//! The pages that shoppers see. They work without JavaScript; with it the numbers move by themselves.

use crate::{gate::PlaceOnPage, reply::Reply, rooms::Room};
use anyhow::Context;
use minijinja::{Environment, context};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use waiting_room_domain::{Moment, Phase};

const TEMPLATES: [(&str, &str); 7] = [
    ("base.html", include_str!("templates/base.html")),
    ("waiting.html", include_str!("templates/waiting.html")),
    ("missed.html", include_str!("templates/missed.html")),
    ("shut.html", include_str!("templates/shut.html")),
    ("fairness.html", include_str!("templates/fairness.html")),
    ("left.html", include_str!("templates/left.html")),
    ("unavailable.html", include_str!("templates/unavailable.html")),
];

/// A file that the pages load.
pub fn asset(name: &str) -> Option<Reply> {
    match name {
        "waiting.css" => Some(Reply::file(
            "text/css; charset=utf-8",
            include_str!("assets/waiting.css"),
        )),
        "waiting.js" => Some(Reply::file(
            "text/javascript; charset=utf-8",
            include_str!("assets/waiting.js"),
        )),
        "fairness.js" => Some(Reply::file(
            "text/javascript; charset=utf-8",
            include_str!("assets/fairness.js"),
        )),
        "verify.js" => Some(Reply::file(
            "text/javascript; charset=utf-8",
            include_str!("assets/verify.js"),
        )),
        _ => None,
    }
}

/// The pages, compiled.
pub struct Pages {
    environment: Environment<'static>,
}

impl Pages {
    /// Compiles the pages.
    ///
    /// # Errors
    /// When one does not compile.
    pub fn new() -> anyhow::Result<Self> {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment
                .add_template(name, source)
                .with_context(|| format!("compile the page {name}"))?;
        }
        Ok(Self { environment })
    }

    /// Somebody's place in line.
    pub fn waiting(&self, room: &Room, place: &PlaceOnPage) -> String {
        let refresh = place.poll_after_ms.div_ceil(1000).max(2);
        let wait_text = place
            .wait_seconds
            .map(|wait| format!("{} to {}", span(wait.low), span(wait.high)));
        let room_id = room.config.id.as_str();
        let title = &room.config.title;
        self.render(
            "waiting.html",
            context! { room => room_id, title, place, refresh, wait_text },
        )
    }

    /// The turn has passed.
    pub fn missed(&self, room: &Room) -> String {
        self.render(
            "missed.html",
            context! { room => room.config.id.as_str(), title => room.config.title },
        )
    }

    /// Too early, or over.
    pub fn shut(&self, room: &Room, phase: &Phase) -> String {
        let (prequeue_opens, doors_open) = match phase {
            Phase::Early {
                prequeue_opens,
                doors_open,
            } => (Some(date(*prequeue_opens)), Some(date(*doors_open))),
            _ => (None, None),
        };
        self.render(
            "shut.html",
            context! { title => room.config.title, prequeue_opens, doors_open },
        )
    }

    /// The visitor's browser checks the public log by itself.
    pub fn fairness(&self, room: &Room) -> String {
        self.render(
            "fairness.html",
            context! { room => room.config.id.as_str(), title => room.config.title },
        )
    }

    /// Nothing is left for whoever comes now.
    pub fn sold_out(&self, room: &Room) -> String {
        self.render(
            "shut.html",
            context! { title => room.config.title, sold_out => true },
        )
    }

    /// The place was given up.
    pub fn left(&self, room: &Room) -> String {
        self.render(
            "left.html",
            context! { title => room.config.title, path => room.config.path },
        )
    }

    /// Nothing can be done right now.
    pub fn unavailable(&self) -> String {
        self.render("unavailable.html", context! {})
    }

    fn render(&self, name: &str, values: minijinja::Value) -> String {
        let page = self
            .environment
            .get_template(name)
            .and_then(|page| page.render(values));
        page.unwrap_or_else(|error| {
            tracing::error!(page = name, %error, "cannot render a page");
            "<!doctype html><title>One moment</title><p>One moment, please. You keep your place.".to_owned()
        })
    }
}

fn span(seconds: u64) -> String {
    if seconds < 90 {
        format!("{seconds} s")
    } else {
        format!("{} min", (seconds + 30) / 60)
    }
}

fn date(at: Moment) -> String {
    let nanos = i128::from(at.unix_ms()) * 1_000_000;
    let date = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    date.and_then(|date| date.format(&Rfc3339).ok())
        .unwrap_or_default()
}
