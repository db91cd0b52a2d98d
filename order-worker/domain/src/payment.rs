//! Payments, as far as we have heard of them, and the money that goes back.

use contract::{Money, OrderId, RefundReason};
use time::OffsetDateTime;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    /// The shopper was shown where to pay.
    Started,
    /// The money was taken. `owed_back` of it (minor units) went back or is to go back; never more than all of it.
    Captured {
        /// How much was taken.
        amount: Money,
        /// How much of it is not ours to keep.
        owed_back: i64,
    },
    /// It failed, or its shopper gave it up.
    Ended,
}

/// Why money goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundCause {
    /// It bought nothing.
    Unbought,
    /// What it bought was given up: the whole rest goes back.
    GivenUp(RefundReason),
    /// An operator says so; the name makes it one.
    ByHand(String),
}

/// Money that is owed back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its name, for us and for the provider: the same refund is made once.
    pub id: String,
    /// The provider's name of the payment.
    pub payment_reference: String,
    /// Of which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Since when.
    pub due_at: OffsetDateTime,
}

// === impl Payment ===

impl Payment {
    /// Whether the money was taken.
    pub fn is_captured(self) -> bool {
        matches!(self, Self::Captured { .. })
    }

    /// What we keep of it, if there is anything.
    pub fn kept(self) -> Option<Money> {
        let Self::Captured { amount, owed_back } = self else {
            return None;
        };
        let kept = Money::new(amount.minor - owed_back, amount.currency);
        (kept.minor > 0).then_some(kept)
    }

    /// With `back` owed back, if that much is kept.
    pub fn owing(self, back: Money) -> Option<Self> {
        let kept = self.kept()?;
        let Self::Captured { amount, owed_back } = self else {
            return None;
        };
        let fits = back.currency == kept.currency && (1..=kept.minor).contains(&back.minor);
        fits.then_some(Self::Captured {
            amount,
            owed_back: owed_back + back.minor,
        })
    }
}

// === impl RefundCause ===

impl RefundCause {
    /// The refund's name: one for each payment and cause.
    pub fn id(&self, payment_reference: &str) -> String {
        match self {
            Self::Unbought => format!("unbought-{payment_reference}"),
            Self::GivenUp(reason) => format!("{}-{payment_reference}", reason.as_str()),
            Self::ByHand(name) => format!("by-hand-{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_owed_back_than_was_captured() {
        let eur = |minor| Money::new(minor, "EUR".parse().unwrap());
        let mut payment = Payment::Captured {
            amount: eur(500),
            owed_back: 0,
        };
        for (back, kept) in [
            (501, 500),
            (0, 500),
            (-1, 500),
            (300, 200),
            (201, 200),
            (200, 0),
            (1, 0),
        ] {
            payment = payment.owing(eur(back)).unwrap_or(payment);
            assert_eq!(payment.kept().map_or(0, |kept| kept.minor), kept, "{back}");
        }
        let other = Money::new(1, "KRW".parse().unwrap());
        for nothing in [Payment::Started, Payment::Ended] {
            assert_eq!((nothing.kept(), nothing.owing(eur(1))), (None, None));
        }
        let whole = Payment::Captured {
            amount: eur(5),
            owed_back: 0,
        };
        assert_eq!(whole.owing(other), None);
    }
}
