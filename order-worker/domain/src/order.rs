//! Orders and how they move from state to state.

use crate::{
    hold::{Hold, Resolution, ResolvedHold},
    limits::MAX_ATTEMPTS,
};
use contract::{Money, OrderChanged, OrderId, OrderLine, OrderState, OrderView, Refusal, ShopperId};
use time::{Duration, OffsetDateTime};

/// An order that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its identifier.
    pub id: OrderId,
    /// Who owns it.
    pub shopper: ShopperId,
    /// SHA-256 of the request that it came from.
    pub fingerprint: String,
    /// When the intake accepted it.
    pub accepted_at: OffsetDateTime,
    /// When it was decided.
    pub decided_at: OffsetDateTime,
    /// When it moved last.
    pub updated_at: OffsetDateTime,
    /// Grows by one with every move; 1 is the decision.
    pub version: i32,
    /// Where it stands.
    pub state: State,
}

/// Where an order stands, and what is true only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Refused; nothing was held.
    Refused(Refusal),
    /// Its units are held for its payment.
    Held(Purchase, Hold),
    /// It has no open hold any more. `attempts` holds were made.
    Resolved {
        /// What was bought, or would have been.
        purchase: Purchase,
        /// What came of it.
        outcome: Outcome,
        /// How many holds were made.
        attempts: i16,
    },
}

/// What an order contains, with names and prices as they were at the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Its lines.
    pub lines: Vec<OrderLine>,
    /// What it costs.
    pub total: Money,
}

/// What came of an order whose hold is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its units are sold.
    Paid,
    /// Its shopper cancelled it.
    Cancelled,
    /// Its payment failed.
    PaymentFailed,
    /// It was not paid in time.
    Expired,
    /// Money was captured for which there are no units (any more).
    RefundDue,
    /// That money went back.
    Refunded,
}

/// Why a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its price was captured.
    Paid,
    /// Its shopper cancelled.
    Cancelled,
    /// The payment failed.
    PaymentFailed,
    /// Its time is over.
    Expired,
    /// Something else than its price was captured: the units go back, and so does the money.
    WrongAmount,
}

// === impl Order ===

impl Order {
    /// Ends the hold, if it has one.
    pub fn end_hold(self, ending: Ending, now: OffsetDateTime) -> Option<(Self, ResolvedHold)> {
        let State::Held(purchase, hold) = self.state else {
            return None;
        };
        let attempts = hold.attempt;
        let (resolution, outcome) = ending.means();
        let state = State::Resolved {
            purchase,
            outcome,
            attempts,
        };
        let moved = Self {
            state,
            version: self.version + 1,
            updated_at: now,
            ..self
        };
        Some((moved, hold.resolve(resolution, now)))
    }

    /// Holds the units once more, for a payment that came when the hold was over; not for an order that was
    /// refused or paid, or whose money is on its way back.
    pub fn hold_again(self, now: OffsetDateTime) -> Option<(Self, Hold)> {
        let State::Resolved {
            purchase,
            outcome,
            attempts,
        } = self.state
        else {
            return None;
        };
        if !outcome.units_went_back() || attempts >= MAX_ATTEMPTS {
            return None;
        }
        let hold = Hold::new(attempts + 1, now, Duration::ZERO);
        let state = State::Held(purchase, hold.clone());
        Some((Self { state, ..self }, hold))
    }

    /// Marks that money is owed back, unless the order is refused, held or paid: then it stays what it is.
    pub fn owe_refund(self, now: OffsetDateTime) -> Option<Self> {
        match self.state {
            State::Resolved {
                outcome: Outcome::Paid,
                ..
            } => None,
            State::Resolved {
                purchase, attempts, ..
            } => {
                let state = State::Resolved {
                    purchase,
                    outcome: Outcome::RefundDue,
                    attempts,
                };
                Some(Self {
                    state,
                    version: self.version + 1,
                    updated_at: now,
                    ..self
                })
            }
            State::Refused(_) | State::Held(..) => None,
        }
    }

    /// Marks that all that was owed back went back, if something was.
    pub fn refunded(self, now: OffsetDateTime) -> Option<Self> {
        let State::Resolved {
            purchase,
            outcome: Outcome::RefundDue,
            attempts,
        } = self.state
        else {
            return None;
        };
        let state = State::Resolved {
            purchase,
            outcome: Outcome::Refunded,
            attempts,
        };
        Some(Self {
            state,
            version: self.version + 1,
            updated_at: now,
            ..self
        })
    }

    /// What it contains; nothing when it was refused.
    pub fn purchase(&self) -> Option<&Purchase> {
        match &self.state {
            State::Refused(_) => None,
            State::Held(purchase, _) | State::Resolved { purchase, .. } => Some(purchase),
        }
    }

    /// What its owner is told.
    pub fn told(&self) -> OrderChanged {
        OrderChanged {
            shopper: self.shopper.clone(),
            order: self.view(),
        }
    }

    fn view(&self) -> OrderView {
        let (refusal, held_until) = match &self.state {
            State::Refused(refusal) => (Some(*refusal), None),
            State::Held(_, hold) => (None, Some(unix_ms(hold.expires_at))),
            State::Resolved { .. } => (None, None),
        };
        OrderView {
            order_id: self.id,
            state: self.state.word(),
            refusal,
            lines: self
                .purchase()
                .map(|purchase| purchase.lines.clone())
                .unwrap_or_default(),
            total: self.purchase().map(|purchase| purchase.total),
            hold_expires_at_unix_ms: held_until,
            version: self.version,
        }
    }
}

// === impl State ===

impl State {
    /// The word used in JSON and in rows.
    pub fn word(&self) -> OrderState {
        match self {
            Self::Refused(_) => OrderState::Refused,
            Self::Held(..) => OrderState::Held,
            Self::Resolved { outcome, .. } => outcome.word(),
        }
    }
}

impl Outcome {
    fn word(self) -> OrderState {
        match self {
            Self::Paid => OrderState::Paid,
            Self::Cancelled => OrderState::Cancelled,
            Self::PaymentFailed => OrderState::PaymentFailed,
            Self::Expired => OrderState::Expired,
            Self::RefundDue => OrderState::RefundDue,
            Self::Refunded => OrderState::Refunded,
        }
    }

    fn units_went_back(self) -> bool {
        matches!(self, Self::Cancelled | Self::PaymentFailed | Self::Expired)
    }

    /// The outcome that a row's word stands for, if it stands for one.
    pub fn from_word(word: OrderState) -> Option<Self> {
        match word {
            OrderState::Paid => Some(Self::Paid),
            OrderState::Cancelled => Some(Self::Cancelled),
            OrderState::PaymentFailed => Some(Self::PaymentFailed),
            OrderState::Expired => Some(Self::Expired),
            OrderState::RefundDue => Some(Self::RefundDue),
            OrderState::Refunded => Some(Self::Refunded),
            OrderState::Pending | OrderState::Held | OrderState::Refused => None,
        }
    }
}

impl Ending {
    fn means(self) -> (Resolution, Outcome) {
        match self {
            Self::Paid => (Resolution::Posted, Outcome::Paid),
            Self::Cancelled => (Resolution::Voided, Outcome::Cancelled),
            Self::PaymentFailed => (Resolution::Voided, Outcome::PaymentFailed),
            Self::Expired => (Resolution::Expired, Outcome::Expired),
            Self::WrongAmount => (Resolution::Voided, Outcome::RefundDue),
        }
    }

    /// Whether the units stay with the shopper.
    pub fn sells(self) -> bool {
        self == Self::Paid
    }
}

fn unix_ms(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
