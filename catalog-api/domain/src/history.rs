//! Which of a shopper's orders a page shows: the newest first, a page at a time.
//!
//! A page goes on where the one before it ended, by the moment and the id of its last order, so that nothing is shown
//! twice or passed over because something was ordered meanwhile.

use crate::{
    Mistake,
    limits::{CURSOR_MAX_CHARS, PAGE_MAX, PAGE_USUAL},
};
use contract::OrderId;

/// A page of orders that a shopper wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How many at most.
    pub limit: usize,
    /// Only those behind this one.
    pub after: Option<Decided>,
}

/// The place of an order among all of its shopper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// When it was decided, in microseconds since the Unix epoch.
    pub at_micros: i64,
    /// Which one of that moment.
    pub order_id: OrderId,
}

impl History {
    /// Reads a query: `limit` and `after`; what else it names is passed over.
    ///
    /// # Errors
    /// Every mistake.
    pub fn parse(query: &str) -> Result<Self, Vec<Mistake>> {
        let mut history = Self {
            limit: PAGE_USUAL,
            after: None,
        };
        let mut mistakes = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => match value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)) {
                    Some(limit) => history.limit = limit,
                    None => mistakes.push(Mistake::new(name, format!("a number from 1 to {PAGE_MAX}"))),
                },
                "after" if value.is_empty() => {}
                "after" => match Decided::from_cursor(&value) {
                    Some(after) => history.after = Some(after),
                    None => mistakes.push(Mistake::new(name, "the `next` of the page before".to_owned())),
                },
                _ => {}
            }
        }
        if mistakes.is_empty() {
            Ok(history)
        } else {
            Err(mistakes)
        }
    }
}

impl Decided {
    /// The place as clients hand it back.
    pub fn cursor(&self) -> String {
        format!("{:x}.{}", self.at_micros, self.order_id)
    }

    fn from_cursor(text: &str) -> Option<Self> {
        if text.len() > CURSOR_MAX_CHARS {
            return None;
        }
        let (at, order) = text.split_once('.')?;
        Some(Self {
            at_micros: i64::from_str_radix(at, 16).ok().filter(|at| *at >= 0)?,
            order_id: order.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::ShopperId;

    #[test]
    fn a_cursor_is_the_place_that_it_was_made_of() {
        let place = Decided {
            at_micros: 1_790_000_000_000_000,
            order_id: OrderId::derive(&ShopperId::of_session("ann"), "k", 1),
        };
        let history = History::parse(&format!("after={}&limit=7&theme=dark", place.cursor())).unwrap();
        assert_eq!((history.after, history.limit), (Some(place), 7));
        assert_eq!(History::parse("after=").unwrap().after, None);
    }

    #[test]
    fn what_is_no_place_or_no_number_is_a_mistake() {
        for wrong in [
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=-1",
            "after=x",
            "after=1",
            "after=1.x",
            "after=-1.0",
            "after=ffffffffffffffffff.00000000-0000-8000-8000-000000000000",
        ] {
            assert_eq!(History::parse(wrong).unwrap_err().len(), 1, "{wrong}");
        }
        assert_eq!(History::parse("limit=0&after=x").unwrap_err().len(), 2);
    }
}
