//! Orders, and where they stand.

mod moves;

use crate::hold::{Hold, Resolution};
use contract::{
    Money, OrderChanged, OrderId, OrderLine, OrderState, OrderView, RefundReason, Refusal, ShopperId,
};
use time::OffsetDateTime;

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
    /// How much went back to its shopper, in minor units.
    pub refunded: i64,
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
    /// It is paid, and its units are sold. `attempts` holds were made.
    Sold {
        /// What was bought.
        purchase: Purchase,
        /// How far it has come.
        stage: Stage,
        /// How many holds were made.
        attempts: i16,
    },
    /// Its units went back. `attempts` holds were made.
    Closed {
        /// What would have been bought.
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

/// How far a paid order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits to be shipped, and may be cancelled until then.
    Paid {
        /// When.
        ships_at: OffsetDateTime,
    },
    /// It is on its way.
    Shipped {
        /// Until when.
        arrives_at: OffsetDateTime,
    },
    /// It arrived, and may be sent back.
    Delivered {
        /// Before this moment; then it is confirmed.
        returnable_until: OffsetDateTime,
    },
    /// It was kept.
    Confirmed,
    /// It is being sent back.
    ReturnRequested {
        /// When it is back.
        ends_at: OffsetDateTime,
    },
}

/// What came of an order whose units went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its shopper cancelled it before it was paid. That is for good: money that comes later goes back.
    Cancelled,
    /// Its payment failed.
    PaymentFailed,
    /// Its shopper gave the payment up.
    PaymentAbandoned,
    /// It was not paid in time.
    Expired,
    /// Money was captured, and all that we kept of it is owed back.
    RefundDue(RefundReason),
    /// That money went back.
    Refunded(RefundReason),
}

/// Why a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its price was captured.
    Paid,
    /// The units go back.
    Closed(Resolution, Outcome),
}

// === impl Order ===

impl Order {
    /// What it contains; nothing when it was refused.
    pub fn purchase(&self) -> Option<&Purchase> {
        match &self.state {
            State::Refused(_) => None,
            State::Held(purchase, _) | State::Sold { purchase, .. } | State::Closed { purchase, .. } => {
                Some(purchase)
            }
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
        let purchase = self.purchase();
        let currency = purchase.map(|purchase| purchase.total.currency);
        OrderView {
            order_id: self.id,
            state: self.state.word(),
            refusal: self.state.refusal(),
            lines: purchase
                .map(|purchase| purchase.lines.clone())
                .unwrap_or_default(),
            total: purchase.map(|purchase| purchase.total),
            hold_expires_at_unix_ms: self.state.held_until().map(unix_ms),
            next_step_at_unix_ms: self.state.next_step_at().map(unix_ms),
            refund_reason: self.state.refund_reason(),
            refunded: currency
                .filter(|_| self.refunded > 0)
                .map(|currency| Money::new(self.refunded, currency)),
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
            Self::Sold { stage, .. } => stage.word(),
            Self::Closed { outcome, .. } => outcome.word(),
        }
    }

    /// Why it was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            Self::Held(..) | Self::Sold { .. } | Self::Closed { .. } => None,
        }
    }

    /// Why the money goes or went back, if all of it does.
    pub fn refund_reason(&self) -> Option<RefundReason> {
        match self {
            Self::Closed {
                outcome: Outcome::RefundDue(reason) | Outcome::Refunded(reason),
                ..
            } => Some(*reason),
            _ => None,
        }
    }

    /// When time alone moves it on, but for the end of a hold.
    pub fn next_step_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Sold { stage, .. } => stage.next_step_at(),
            Self::Refused(_) | Self::Held(..) | Self::Closed { .. } => None,
        }
    }

    fn held_until(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Held(_, hold) => Some(hold.expires_at),
            Self::Refused(_) | Self::Sold { .. } | Self::Closed { .. } => None,
        }
    }
}

// === impl Stage ===

impl Stage {
    /// When time alone moves the order on.
    pub fn next_step_at(self) -> Option<OffsetDateTime> {
        match self {
            Self::Paid { ships_at: at }
            | Self::Shipped { arrives_at: at }
            | Self::Delivered { returnable_until: at }
            | Self::ReturnRequested { ends_at: at } => Some(at),
            Self::Confirmed => None,
        }
    }

    /// The stage that a row stands for, if it stands for one.
    pub fn from_row(word: OrderState, next_step_at: Option<OffsetDateTime>) -> Option<Self> {
        match (word, next_step_at) {
            (OrderState::Paid, Some(ships_at)) => Some(Self::Paid { ships_at }),
            (OrderState::Shipped, Some(arrives_at)) => Some(Self::Shipped { arrives_at }),
            (OrderState::Delivered, Some(returnable_until)) => Some(Self::Delivered { returnable_until }),
            (OrderState::ReturnRequested, Some(ends_at)) => Some(Self::ReturnRequested { ends_at }),
            (OrderState::Confirmed, _) => Some(Self::Confirmed),
            _ => None,
        }
    }

    fn word(self) -> OrderState {
        match self {
            Self::Paid { .. } => OrderState::Paid,
            Self::Shipped { .. } => OrderState::Shipped,
            Self::Delivered { .. } => OrderState::Delivered,
            Self::Confirmed => OrderState::Confirmed,
            Self::ReturnRequested { .. } => OrderState::ReturnRequested,
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The outcome that a row stands for, if it stands for one.
    pub fn from_row(word: OrderState, reason: Option<RefundReason>) -> Option<Self> {
        match (word, reason) {
            (OrderState::Cancelled, None) => Some(Self::Cancelled),
            (OrderState::PaymentFailed, None) => Some(Self::PaymentFailed),
            (OrderState::PaymentAbandoned, None) => Some(Self::PaymentAbandoned),
            (OrderState::Expired, None) => Some(Self::Expired),
            (OrderState::RefundDue, Some(reason)) => Some(Self::RefundDue(reason)),
            (OrderState::Refunded, Some(reason)) => Some(Self::Refunded(reason)),
            _ => None,
        }
    }

    fn word(self) -> OrderState {
        match self {
            Self::Cancelled => OrderState::Cancelled,
            Self::PaymentFailed => OrderState::PaymentFailed,
            Self::PaymentAbandoned => OrderState::PaymentAbandoned,
            Self::Expired => OrderState::Expired,
            Self::RefundDue(_) => OrderState::RefundDue,
            Self::Refunded(_) => OrderState::Refunded,
        }
    }

    /// Whether a payment that comes late may still buy the units: no money has come in, and the shopper has not said
    /// that they do not want them.
    fn may_be_paid_late(self) -> bool {
        matches!(self, Self::PaymentFailed | Self::PaymentAbandoned | Self::Expired)
    }
}

// === impl Ending ===

impl Ending {
    /// The shopper cancelled.
    pub const CANCELLED: Self = Self::Closed(Resolution::Voided, Outcome::Cancelled);
    /// The payment failed.
    pub const PAYMENT_FAILED: Self = Self::Closed(Resolution::Voided, Outcome::PaymentFailed);
    /// The shopper left without paying.
    pub const PAYMENT_ABANDONED: Self = Self::Closed(Resolution::Voided, Outcome::PaymentAbandoned);
    /// Its time is over.
    pub const EXPIRED: Self = Self::Closed(Resolution::Expired, Outcome::Expired);
    /// Something else than its price was captured: the units go back, and so does the money.
    pub const WRONG_AMOUNT: Self =
        Self::Closed(Resolution::Voided, Outcome::RefundDue(RefundReason::WrongAmount));
}

fn unix_ms(moment: OffsetDateTime) -> u64 {
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
