//! Where a member stands in a draw.

use super::{Phase, Right, RightState};
use contract::OrderId;
use time::OffsetDateTime;

/// What is known of a member's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// The number in the log, from 0.
    pub number: u64,
    /// The member has left again.
    pub has_left: bool,
    /// What the number was drawn to, from 0, once everybody can compute it.
    pub rank: Option<u64>,
    /// The right to buy, once it was offered.
    pub right: Option<Right>,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not in the draw.
    NotEntered,
    /// In it, and out of it again.
    Left,
    /// In it, and the draw is to come.
    Entered,
    /// Drawn, and it is not this rank's turn yet.
    Waiting,
    /// May buy until then.
    MayBuy {
        /// Until when.
        until: OffsetDateTime,
    },
    /// Has placed an order that is not paid yet.
    Ordered {
        /// Which.
        order_id: OrderId,
    },
    /// Has bought.
    Bought,
    /// Could have bought, and the time is over.
    Lapsed,
    /// The draw was over before it was this rank's turn.
    NotReached,
}

/// Where the member with this entry stands in a draw of this phase, at `now`.
pub fn standing(phase: Phase, entered: Option<Entered>, now: OffsetDateTime) -> Standing {
    let Some(entered) = entered else {
        return Standing::NotEntered;
    };
    match entered.right {
        _ if entered.has_left => Standing::Left,
        Some(right) => of_right(right, now),
        None if !phase.is_drawn() => Standing::Entered,
        None if phase == Phase::Finished => Standing::NotReached,
        None => Standing::Waiting,
    }
}

fn of_right(right: Right, now: OffsetDateTime) -> Standing {
    match (right.state, right.claim) {
        (RightState::Bought, _) => Standing::Bought,
        (RightState::Lapsed, _) => Standing::Lapsed,
        (RightState::Open, Some(claim)) => Standing::Ordered {
            order_id: claim.order_id,
        },
        (RightState::Open, None) if right.lapses_at <= now => Standing::Lapsed,
        (RightState::Open, None) => Standing::MayBuy {
            until: right.lapses_at,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Claim;
    use contract::ShopperId;
    use time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn entered(right: Option<Right>) -> Entered {
        Entered {
            number: 4,
            has_left: false,
            rank: Some(1),
            right,
        }
    }

    fn right(state: RightState, lapses_in: i64) -> Right {
        Right {
            state,
            lapses_at: NOW + Duration::seconds(lapses_in),
            claim: None,
        }
    }

    #[test]
    fn a_member_stands_where_the_draw_and_the_right_say() {
        let until = NOW + Duration::seconds(5);
        let order_id = OrderId::derive(&ShopperId::of_session("ann"), "k", 1);
        let ordered = Right {
            claim: Some(Claim {
                order_id,
                claimed_at: NOW,
            }),
            ..right(RightState::Open, -5)
        };
        let left = Entered {
            has_left: true,
            ..entered(None)
        };
        for (phase, entry, expected) in [
            (Phase::Open, None, Standing::NotEntered),
            (Phase::Open, Some(left), Standing::Left),
            (Phase::Finished, Some(left), Standing::Left),
            (Phase::Open, Some(entered(None)), Standing::Entered),
            (Phase::Closed, Some(entered(None)), Standing::Entered),
            (Phase::Frozen, Some(entered(None)), Standing::Entered),
            (Phase::Drawn, Some(entered(None)), Standing::Waiting),
            (Phase::Selling, Some(entered(None)), Standing::Waiting),
            (Phase::Finished, Some(entered(None)), Standing::NotReached),
            (
                Phase::Selling,
                Some(entered(Some(right(RightState::Open, 5)))),
                Standing::MayBuy { until },
            ),
            (
                Phase::Selling,
                Some(entered(Some(right(RightState::Open, 0)))),
                Standing::Lapsed,
            ),
            (
                Phase::Selling,
                Some(entered(Some(ordered))),
                Standing::Ordered { order_id },
            ),
            (
                Phase::Finished,
                Some(entered(Some(right(RightState::Bought, -5)))),
                Standing::Bought,
            ),
            (
                Phase::Selling,
                Some(entered(Some(right(RightState::Lapsed, -5)))),
                Standing::Lapsed,
            ),
        ] {
            assert_eq!(standing(phase, entry, NOW), expected, "{phase:?} {entry:?}");
        }
    }
}
