//! Whether a product may be ordered, and when.

use contract::Refusal;
use time::OffsetDateTime;

/// The sale of one product. It is open from its opening until just before its closing; without them, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sale {
    /// Whether the shop has stopped it, or taken the product out of the shop.
    pub stopped: bool,
    /// From when the product may be ordered.
    pub opens_at: Option<OffsetDateTime>,
    /// From when on it may not be ordered any more.
    pub closes_at: Option<OffsetDateTime>,
}

impl Sale {
    /// Whether a new order may have the product at `now`.
    ///
    /// # Errors
    /// Why not: stopped before closed before not open yet.
    pub fn check(self, now: OffsetDateTime) -> Result<(), Refusal> {
        if self.stopped {
            Err(Refusal::NotForSale)
        } else if self.closes_at.is_some_and(|closes| now >= closes) {
            Err(Refusal::Closed)
        } else if self.opens_at.is_some_and(|opens| now < opens) {
            Err(Refusal::NotOpen)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    #[test]
    fn a_sale_is_open_from_its_opening_until_its_closing() {
        use Refusal::{Closed, NotForSale, NotOpen};
        let at = |seconds: i64| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        for (stopped, opens, closes, now, refusal) in [
            (false, None, None, 5, None),
            (true, None, None, 5, Some(NotForSale)),
            (false, Some(5), None, 4, Some(NotOpen)),
            (false, Some(5), None, 5, None),
            (false, None, Some(5), 4, None),
            (false, None, Some(5), 5, Some(Closed)),
            (false, Some(5), Some(9), 8, None),
            (false, Some(5), Some(9), 9, Some(Closed)),
            (true, Some(5), Some(9), 9, Some(NotForSale)),
        ] {
            let sale = Sale {
                stopped,
                opens_at: opens.map(at),
                closes_at: closes.map(at),
            };
            assert_eq!(sale.check(at(now)).err(), refusal, "{sale:?} at {now}");
        }
    }
}
