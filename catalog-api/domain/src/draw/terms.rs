//! What a draw is to be.

use super::Window;
use crate::{
    Mistake,
    limits::{DRAW_RIGHT_MAX, DRAW_RIGHT_MIN, DRAW_TITLE_MAX_CHARS, DRAW_UNITS_MAX, DRAW_WINDOW_MAX},
};
use contract::ProductId;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// What a draw is to be. It can be changed until the window opens, and is in the public log from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What is sold.
    pub product_id: ProductId,
    /// What the draw is called: 1 to [`DRAW_TITLE_MAX_CHARS`] characters.
    pub title: String,
    /// How many units: as many rights are open or used at most.
    pub units: u32,
    /// When members may enter.
    pub window: Window,
    /// How long a right lasts.
    pub right_lasts: Duration,
}

/// Why a body describes no draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermsError {
    /// Not JSON.
    NotJson(String),
    /// JSON of another shape: a field is missing, unknown or of the wrong type.
    Shape(String),
    /// The right shape with wrong values; every mistake is listed.
    Values(Vec<Mistake>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    product_id: String,
    title: String,
    units: i64,
    #[serde(with = "time::serde::rfc3339")]
    opens_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    closes_at: OffsetDateTime,
    right_seconds: i64,
}

impl Terms {
    /// Reads the body of a request that describes a draw.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn parse(body: &[u8], now: OffsetDateTime) -> Result<Self, TermsError> {
        let raw: Raw = serde_json::from_slice(body).map_err(classify)?;
        let mut reader = Reader::default();
        let product_id = reader.product(&raw.product_id);
        let title = reader.title(&raw.title);
        let units = reader.units(raw.units);
        let right_lasts = reader.right(raw.right_seconds);
        let window = reader.window(raw.opens_at, raw.closes_at, now);
        match (product_id, units) {
            (Some(product_id), Some(units)) if reader.mistakes.is_empty() => Ok(Self {
                product_id,
                title,
                units,
                window,
                right_lasts,
            }),
            _ => Err(TermsError::Values(reader.mistakes)),
        }
    }
}

fn classify(error: serde_json::Error) -> TermsError {
    if error.is_data() {
        TermsError::Shape(error.to_string())
    } else {
        TermsError::NotJson(error.to_string())
    }
}

/// Reads values and remembers what is wrong with them.
#[derive(Default)]
struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn check(&mut self, well: bool, field: &str, detail: impl FnOnce() -> String) {
        if !well {
            let (pointer, detail) = (format!("/{field}"), detail());
            self.mistakes.push(Mistake { pointer, detail });
        }
    }

    fn product(&mut self, text: &str) -> Option<ProductId> {
        let read = text.parse::<ProductId>();
        let refused = read.as_ref().err().map(ToString::to_string);
        self.check(refused.is_none(), "product_id", || refused.unwrap_or_default());
        read.ok()
    }

    fn title(&mut self, text: &str) -> String {
        let title = text.trim();
        let fits = (1..=DRAW_TITLE_MAX_CHARS).contains(&title.chars().count());
        let plain = !title.chars().any(char::is_control);
        self.check(fits && plain, "title", || {
            format!("1 to {DRAW_TITLE_MAX_CHARS} characters on one line")
        });
        title.to_owned()
    }

    fn units(&mut self, units: i64) -> Option<u32> {
        let units = u32::try_from(units).ok();
        let units = units.filter(|units| (1..=DRAW_UNITS_MAX).contains(units));
        self.check(units.is_some(), "units", || format!("1 to {DRAW_UNITS_MAX}"));
        units
    }

    fn right(&mut self, seconds: i64) -> Duration {
        let lasts = Duration::seconds(seconds);
        let fits = (DRAW_RIGHT_MIN..=DRAW_RIGHT_MAX).contains(&lasts);
        self.check(fits, "right_seconds", || {
            let (least, most) = (DRAW_RIGHT_MIN.whole_seconds(), DRAW_RIGHT_MAX.whole_seconds());
            format!("{least} to {most}")
        });
        lasts
    }

    fn window(&mut self, opens_at: OffsetDateTime, closes_at: OffsetDateTime, now: OffsetDateTime) -> Window {
        self.check(opens_at > now, "opens_at", || "later than now".to_owned());
        let long = closes_at - opens_at;
        self.check(long.is_positive() && long <= DRAW_WINDOW_MAX, "closes_at", || {
            format!(
                "later than opens_at, by {} days at most",
                DRAW_WINDOW_MAX.whole_days()
            )
        });
        Window { opens_at, closes_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2027-03-01 09:00 UTC);

    fn body() -> Value {
        json!({
            "product_id": "sneaker", "title": " Spring raffle ", "units": 100, "right_seconds": 86400,
            "opens_at": "2027-03-01T10:00:00Z", "closes_at": "2027-03-02T19:00:00+09:00",
        })
    }

    fn parse(body: &Value) -> Result<Terms, TermsError> {
        Terms::parse(body.to_string().as_bytes(), NOW)
    }

    #[test]
    fn a_draw_is_what_was_asked_for() {
        let terms = parse(&body()).unwrap();
        assert_eq!(terms.title, "Spring raffle");
        assert_eq!((terms.units, terms.right_lasts), (100, Duration::days(1)));
        assert_eq!(terms.window.closes_at, datetime!(2027-03-02 10:00 UTC));
    }

    #[test]
    fn every_mistake_is_named() {
        for (field, value) in [
            ("product_id", json!("No Name")),
            ("title", json!("  ")),
            ("title", json!("a\nb")),
            ("title", json!("x".repeat(200))),
            ("units", json!(0)),
            ("units", json!(-1)),
            ("units", json!(1_000_001)),
            ("right_seconds", json!(1)),
            ("right_seconds", json!(i64::MAX)),
            ("opens_at", json!("2027-03-01T09:00:00Z")),
            ("closes_at", json!("2027-03-01T10:00:00Z")),
            ("closes_at", json!("2028-03-01T10:00:00Z")),
        ] {
            let mut body = body();
            body[field] = value;
            let Err(TermsError::Values(mistakes)) = parse(&body) else {
                panic!("{body} was taken")
            };
            let pointers: Vec<_> = mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
            assert_eq!(pointers, [format!("/{field}")], "{body}");
        }
        let many = json!({
            "product_id": "", "title": "", "units": 0, "right_seconds": 0,
            "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2019-01-01T00:00:00Z",
        });
        assert!(matches!(parse(&many), Err(TermsError::Values(mistakes)) if mistakes.len() == 6));
    }

    #[test]
    fn another_shape_is_refused() {
        let mut extra = body();
        extra["colour"] = json!("red");
        let mut untimely = body();
        untimely["opens_at"] = json!("soon");
        for body in [json!({}), json!([]), extra, untimely] {
            assert!(matches!(parse(&body), Err(TermsError::Shape(_))), "{body}");
        }
        for body in ["", "{", "no"] {
            let parsed = Terms::parse(body.as_bytes(), NOW);
            assert!(matches!(parsed, Err(TermsError::NotJson(_))), "{body}");
        }
    }
}
