//! The right to buy one unit: offered for a time, tied to the order that is placed with it, spent when that is paid.

use crate::limits::DRAW_CLAIM_LASTS;
use contract::{OrderId, OrderState, UnknownWord};
use std::str::FromStr;
use time::OffsetDateTime;

/// What became of a right, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RightState {
    /// It can be used, or is in use.
    Open,
    /// Its order was paid.
    Bought,
    /// Its time was over first.
    Lapsed,
}

/// A right, which belongs to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// What became of it.
    pub state: RightState,
    /// Its time is over from here on; an order that was placed with it before may still be paid.
    pub lapses_at: OffsetDateTime,
    /// The order that was placed with it.
    pub claim: Option<Claim>,
}

/// A right in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// By this order.
    pub order_id: OrderId,
    /// Since when.
    pub claimed_at: OffsetDateTime,
}

/// Why an order cannot be placed with a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRight {
    /// Its time is over.
    Lapsed,
    /// It was spent.
    Spent,
    /// Another order has it.
    InUse(OrderId),
}

/// What became of the order that has a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderFate {
    /// Nothing yet; perhaps it never reached the queue.
    Undecided,
    /// Its unit is held for its payment.
    Held,
    /// It was paid.
    Paid,
    /// It holds nothing and never will again with this right.
    Ended,
}

/// What is to be done to an open right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Nothing yet.
    Keep,
    /// Take it from the order that had it: its member may use it again.
    Free,
    /// It is spent.
    Bought,
    /// It is over, and its unit goes to the next.
    Lapsed,
}

impl Right {
    /// Places the order `order_id` with it.
    ///
    /// # Errors
    /// [`NoRight`]. An order that has it already may claim it again, at any time.
    pub fn claim(self, now: OffsetDateTime, order_id: OrderId) -> Result<Self, NoRight> {
        let mine = self.claim.is_some_and(|claim| claim.order_id == order_id);
        match (self.state, self.claim) {
            (RightState::Open | RightState::Bought, Some(_)) if mine => Ok(self),
            (RightState::Bought, _) => Err(NoRight::Spent),
            (RightState::Lapsed, _) => Err(NoRight::Lapsed),
            (RightState::Open, _) if self.lapses_at <= now => Err(NoRight::Lapsed),
            (RightState::Open, Some(claim)) => Err(NoRight::InUse(claim.order_id)),
            (RightState::Open, None) => Ok(Self {
                claim: Some(Claim {
                    order_id,
                    claimed_at: now,
                }),
                ..self
            }),
        }
    }

    /// What is to be done to it, when `fate` is that of the order that has it.
    pub fn settle(self, now: OffsetDateTime, fate: OrderFate) -> Settled {
        let is_over = self.lapses_at <= now;
        let given_back = if is_over { Settled::Lapsed } else { Settled::Free };
        match (self.state, self.claim, fate) {
            (RightState::Bought | RightState::Lapsed, ..) => Settled::Keep,
            (RightState::Open, None, _) if is_over => Settled::Lapsed,
            (RightState::Open, None, _) | (RightState::Open, Some(_), OrderFate::Held) => Settled::Keep,
            (RightState::Open, Some(_), OrderFate::Paid) => Settled::Bought,
            (RightState::Open, Some(_), OrderFate::Ended) => given_back,
            (RightState::Open, Some(claim), OrderFate::Undecided) => {
                // A command that comes out of the queue after this is refused: the right is not its own any more.
                if now - claim.claimed_at >= DRAW_CLAIM_LASTS {
                    given_back
                } else {
                    Settled::Keep
                }
            }
        }
    }
}

impl OrderFate {
    /// The fate of an order that stands like this; nothing when there is no such order.
    pub fn of(order: Option<OrderState>) -> Self {
        match order {
            None | Some(OrderState::Pending) => Self::Undecided,
            Some(OrderState::Held) => Self::Held,
            Some(
                OrderState::Refused
                | OrderState::Cancelled
                | OrderState::PaymentFailed
                | OrderState::PaymentAbandoned
                | OrderState::Expired
                | OrderState::RefundDue
                | OrderState::Refunded,
            ) => Self::Ended,
            Some(
                OrderState::Paid
                | OrderState::Shipped
                | OrderState::Delivered
                | OrderState::Confirmed
                | OrderState::ReturnRequested,
            ) => Self::Paid,
        }
    }
}

impl RightState {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Open, "open"),
        (Self::Bought, "bought"),
        (Self::Lapsed, "lapsed"),
    ];

    /// The word used in rows.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("open", |(_, word)| word)
    }
}

impl FromStr for RightState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found.map(|(state, _)| *state).ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::ShopperId;
    use time::Duration;

    const LAPSES: i64 = 10_000;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn order(key: &str) -> OrderId {
        OrderId::derive(&ShopperId::of_session("ann"), key, 1)
    }

    fn right(state: RightState, claimed: Option<(&str, i64)>) -> Right {
        let claim = claimed.map(|(key, since)| Claim {
            order_id: order(key),
            claimed_at: at(since),
        });
        Right {
            state,
            lapses_at: at(LAPSES),
            claim,
        }
    }

    #[test]
    fn who_may_place_an_order_with_it() {
        use RightState::{Bought, Lapsed, Open};
        for (state, claimed, now, answer) in [
            (Open, None, LAPSES - 1, Ok(())),
            (Open, None, LAPSES, Err(NoRight::Lapsed)),
            (Open, Some(("mine", 5)), 6, Ok(())),
            (Open, Some(("mine", 5)), LAPSES + 9, Ok(())),
            (Open, Some(("other", 5)), 6, Err(NoRight::InUse(order("other")))),
            (Open, Some(("other", 5)), LAPSES, Err(NoRight::Lapsed)),
            (Bought, Some(("mine", 5)), 6, Ok(())),
            (Bought, Some(("other", 5)), 6, Err(NoRight::Spent)),
            (Lapsed, None, 6, Err(NoRight::Lapsed)),
            (Lapsed, Some(("mine", 5)), 6, Err(NoRight::Lapsed)),
        ] {
            let right = right(state, claimed);
            let claimed = right.claim(at(now), order("mine"));
            assert_eq!(claimed.map(|_| ()), answer, "{right:?} at {now}");
            if let Ok(claimed) = claimed {
                assert_eq!(claimed.claim.map(|claim| claim.order_id), Some(order("mine")));
            }
        }
    }

    #[test]
    fn what_becomes_of_an_open_right() {
        use OrderFate::{Ended, Held, Paid, Undecided};
        let claimed = Some(("k", 9_000));
        let given_up = 9_000 + DRAW_CLAIM_LASTS.whole_seconds();
        for (claim, fate, now, settled) in [
            (None, Undecided, LAPSES - 1, Settled::Keep),
            (None, Undecided, LAPSES, Settled::Lapsed),
            (claimed, Undecided, given_up - 1, Settled::Keep),
            (claimed, Undecided, given_up, Settled::Free),
            (Some(("k", 9_900)), Undecided, LAPSES + 1, Settled::Keep),
            (claimed, Undecided, LAPSES, Settled::Lapsed),
            (claimed, Held, LAPSES - 1, Settled::Keep),
            (claimed, Held, LAPSES + 9_999, Settled::Keep),
            (claimed, Paid, LAPSES - 1, Settled::Bought),
            (claimed, Paid, LAPSES + 9_999, Settled::Bought),
            (claimed, Ended, LAPSES - 1, Settled::Free),
            (claimed, Ended, LAPSES, Settled::Lapsed),
        ] {
            let right = right(RightState::Open, claim);
            assert_eq!(
                right.settle(at(now), fate),
                settled,
                "{claim:?} {fate:?} at {now}"
            );
        }
        for state in [RightState::Bought, RightState::Lapsed] {
            assert_eq!(right(state, claimed).settle(at(LAPSES), Ended), Settled::Keep);
        }
    }

    #[test]
    fn an_order_that_lost_its_unit_has_ended() {
        use OrderState::{
            Cancelled, Delivered, Expired, Held, Paid, PaymentAbandoned, Pending, RefundDue, Refunded,
            Refused,
        };
        assert_eq!(OrderFate::of(None), OrderFate::Undecided);
        for (state, fate) in [
            (Pending, OrderFate::Undecided),
            (Held, OrderFate::Held),
            (Paid, OrderFate::Paid),
            (Delivered, OrderFate::Paid),
            (PaymentAbandoned, OrderFate::Ended),
            (Refused, OrderFate::Ended),
            (Cancelled, OrderFate::Ended),
            (Expired, OrderFate::Ended),
            (RefundDue, OrderFate::Ended),
            (Refunded, OrderFate::Ended),
        ] {
            assert_eq!(OrderFate::of(Some(state)), fate, "{state}");
        }
    }
}
