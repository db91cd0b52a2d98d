//! Holds: units kept for an order until its payment is settled, on the model of two-phase transfers.

use time::{Duration, OffsetDateTime};

/// An open hold. It ends once: [`Hold::resolve`] consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which hold of the order: the first, or one made again for a late payment.
    pub attempt: i16,
    /// Since when.
    pub created_at: OffsetDateTime,
    /// Until when, unless it is resolved before.
    pub expires_at: OffsetDateTime,
    /// Whether it was made longer because its payment had started; that happens once.
    pub extended: bool,
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Paid: its units are sold.
    Posted,
    /// Given up: its units went back.
    Voided,
    /// Not paid in time: its units went back.
    Expired,
}

/// A hold that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedHold {
    /// Which hold of the order.
    pub attempt: i16,
    /// How it ended.
    pub resolution: Resolution,
    /// When.
    pub resolved_at: OffsetDateTime,
}

impl Hold {
    /// A hold from `now` on.
    pub fn new(attempt: i16, now: OffsetDateTime, lasts: Duration) -> Self {
        Self {
            attempt,
            created_at: now,
            expires_at: now + lasts,
            extended: false,
        }
    }

    /// The same, longer by `by`, unless that happened before.
    pub fn extend(self, by: Duration) -> Option<Self> {
        (!self.extended).then_some(Self {
            expires_at: self.expires_at + by,
            extended: true,
            ..self
        })
    }

    /// Whether its time is over.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.expires_at <= now
    }

    /// Ends it.
    pub fn resolve(self, resolution: Resolution, now: OffsetDateTime) -> ResolvedHold {
        ResolvedHold {
            attempt: self.attempt,
            resolution,
            resolved_at: now,
        }
    }
}

impl Resolution {
    /// The word used in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}
