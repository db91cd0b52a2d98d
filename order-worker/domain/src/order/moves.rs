//! How orders move from state to state. A move that makes no sense answers nothing.

use super::{Ending, Order, Outcome, Stage, State};
use crate::{
    hold::{Hold, Resolution, ResolvedHold},
    limits::MAX_ATTEMPTS,
    terms::Terms,
};
use contract::RefundReason;
use time::{Duration, OffsetDateTime};

impl Order {
    /// Keeps the units longer because their payment has started; once.
    pub fn extend_hold(self, terms: &Terms, now: OffsetDateTime) -> Option<(Self, Hold)> {
        let State::Held(purchase, hold) = self.state.clone() else {
            return None;
        };
        let hold = hold.extend(terms.payment_extension)?;
        Some((self.moved(State::Held(purchase, hold.clone()), now), hold))
    }

    /// Ends the hold, if it has one.
    pub fn end_hold(
        self,
        ending: Ending,
        terms: &Terms,
        now: OffsetDateTime,
    ) -> Option<(Self, ResolvedHold)> {
        let State::Held(purchase, hold) = self.state.clone() else {
            return None;
        };
        let attempts = hold.attempt;
        let (resolution, state) = match ending {
            Ending::Paid => {
                let ships_at = terms.calendar.after(now, 1);
                let stage = Stage::Paid { ships_at };
                let sold = State::Sold {
                    purchase,
                    stage,
                    attempts,
                };
                (Resolution::Posted, sold)
            }
            Ending::Closed(resolution, outcome) => {
                let closed = State::Closed {
                    purchase,
                    outcome,
                    attempts,
                };
                (resolution, closed)
            }
        };
        Some((self.moved(state, now), hold.resolve(resolution, now)))
    }

    /// Holds the units once more, for a payment that came when the hold was over; not for an order that was refused,
    /// paid or cancelled, or whose money is on its way back.
    pub fn hold_again(self, now: OffsetDateTime) -> Option<(Self, Hold)> {
        let State::Closed {
            purchase,
            outcome,
            attempts,
        } = self.state
        else {
            return None;
        };
        if !outcome.may_be_paid_late() || attempts >= MAX_ATTEMPTS {
            return None;
        }
        let hold = Hold::new(attempts + 1, now, Duration::ZERO);
        let state = State::Held(purchase, hold.clone());
        Some((Self { state, ..self }, hold))
    }

    /// Cancels an order whose hold is over and whose payment may still come, so that it buys nothing any more.
    pub fn cancel_for_good(self, now: OffsetDateTime) -> Option<Self> {
        self.reclosed(now, |outcome| {
            outcome.may_be_paid_late().then_some(Outcome::Cancelled)
        })
    }

    /// Marks that money is owed back for which there are no units. An order that is refused, held or sold stays what
    /// it is.
    pub fn owe_refund(self, exact: bool, now: OffsetDateTime) -> Option<Self> {
        self.reclosed(now, |outcome| {
            let reason = match outcome {
                Outcome::RefundDue(reason) | Outcome::Refunded(reason) => reason,
                Outcome::Cancelled => RefundReason::Cancelled,
                _ if exact => RefundReason::UnitsGone,
                _ => RefundReason::WrongAmount,
            };
            Some(Outcome::RefundDue(reason))
        })
    }

    /// Gives an order whose units went back another outcome, if there is one to give.
    fn reclosed(self, now: OffsetDateTime, another: impl FnOnce(Outcome) -> Option<Outcome>) -> Option<Self> {
        let State::Closed {
            purchase,
            outcome,
            attempts,
        } = self.state.clone()
        else {
            return None;
        };
        let state = State::Closed {
            purchase,
            outcome: another(outcome)?,
            attempts,
        };
        Some(self.moved(state, now))
    }

    /// Undoes the sale of an order that is not shipped, or is back.
    pub fn take_back(self, reason: RefundReason, now: OffsetDateTime) -> Option<Self> {
        let State::Sold {
            purchase,
            stage,
            attempts,
        } = self.state.clone()
        else {
            return None;
        };
        let may = match stage {
            Stage::Paid { .. } => reason == RefundReason::Cancelled,
            Stage::ReturnRequested { ends_at } => reason == RefundReason::Returned && ends_at <= now,
            Stage::Shipped { .. } | Stage::Delivered { .. } | Stage::Confirmed => false,
        };
        let outcome = Outcome::RefundDue(reason);
        let state = State::Closed {
            purchase,
            outcome,
            attempts,
        };
        may.then(|| self.moved(state, now))
    }

    /// Sends a delivered order back, while that is possible.
    pub fn request_return(self, terms: &Terms, now: OffsetDateTime) -> Option<Self> {
        match self.stage()? {
            Stage::Delivered { returnable_until } if now < returnable_until => {
                let ends_at = terms.calendar.after(now, 1);
                self.in_stage(Stage::ReturnRequested { ends_at }, now)
            }
            _ => None,
        }
    }

    /// Whether time alone moves it on now.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state.next_step_at().is_some_and(|due| due <= now)
    }

    /// The next step of a sold order that is due: shipped, delivered, confirmed. The end of a return is
    /// [`Order::take_back`].
    pub fn next_step(self, terms: &Terms, now: OffsetDateTime) -> Option<Self> {
        let stage = self.stage().filter(|_| self.is_due(now))?;
        let tomorrow = terms.calendar.after(now, 1);
        let next = match stage {
            Stage::Paid { .. } => Stage::Shipped { arrives_at: tomorrow },
            Stage::Shipped { .. } => Stage::Delivered {
                returnable_until: tomorrow,
            },
            Stage::Delivered { .. } => Stage::Confirmed,
            Stage::Confirmed | Stage::ReturnRequested { .. } => return None,
        };
        self.in_stage(next, now)
    }

    /// Marks that `minor` units of money went back; `more` says whether more is owed.
    pub fn refund_made(self, minor: i64, more: bool, now: OffsetDateTime) -> Self {
        let refunded = self.refunded.saturating_add(minor);
        let state = if more {
            self.state.clone()
        } else {
            self.state.clone().settled()
        };
        Self {
            refunded,
            ..self.moved(state, now)
        }
    }

    /// Marks that nothing is owed (any more), if something was.
    pub fn settled(self) -> Self {
        let state = self.state.settled();
        Self { state, ..self }
    }

    /// How far it has come, if it is sold.
    pub fn stage(&self) -> Option<Stage> {
        match self.state {
            State::Sold { stage, .. } => Some(stage),
            State::Refused(_) | State::Held(..) | State::Closed { .. } => None,
        }
    }

    fn in_stage(self, next: Stage, now: OffsetDateTime) -> Option<Self> {
        let State::Sold {
            purchase, attempts, ..
        } = self.state.clone()
        else {
            return None;
        };
        let state = State::Sold {
            purchase,
            stage: next,
            attempts,
        };
        Some(self.moved(state, now))
    }

    fn moved(self, state: State, now: OffsetDateTime) -> Self {
        Self {
            state,
            version: self.version + 1,
            updated_at: now,
            ..self
        }
    }
}

impl State {
    fn settled(self) -> Self {
        match self {
            Self::Closed {
                purchase,
                outcome: Outcome::RefundDue(reason),
                attempts,
            } => Self::Closed {
                purchase,
                outcome: Outcome::Refunded(reason),
                attempts,
            },
            other => other,
        }
    }
}
