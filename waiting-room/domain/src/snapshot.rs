//! What every edge knows of a line: a few hundred bytes, whatever the number of people waiting.

use crate::{CallLog, Control, DELAYS, LaneId, Method, Moment, Rounds, Turnout};
use std::time::Duration;

/// One lane of a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lane {
    /// The next number to be dealt: how many have joined.
    pub issued: u64,
    /// Every place below may be claimed. May run ahead of `issued`: then newcomers walk in.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
    /// How many of those not below `settled_below` have claimed.
    pub open_claims: u64,
    /// How many were called and did not claim in time.
    pub missed: u64,
    /// How far it has come in the order of lanes.
    pub turn: u64,
    /// When whom was called.
    pub call_log: CallLog,
    /// Who was drawn with whom.
    pub rounds: Rounds,
}

impl Lane {
    /// People who were not called yet.
    pub fn waiting(&self) -> u64 {
        self.issued.saturating_sub(self.called)
    }

    /// Places called whose holders may still claim, including those that run ahead of the joins.
    pub fn outstanding(&self) -> u64 {
        self.called
            .saturating_sub(self.settled_below)
            .saturating_sub(self.open_claims)
    }

    /// Places called that nobody was dealt yet.
    pub(crate) fn ahead_of_joins(&self) -> u64 {
        self.called.saturating_sub(self.issued)
    }
}

/// One consistent look at a line, taken by the store at `taken_at`, on the store's clock.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Moment,
    /// Which life of the store wrote it: another one after the store was wiped.
    pub incarnation: u64,
    /// Nobody joins, claims or is called before this moment: edges are telling a store what it forgot.
    pub recovering_until: Moment,
    /// The lanes, by their [`LaneId`]; never none.
    pub lanes: Vec<Lane>,
    /// How many claimed, ever.
    pub claimed: u64,
    /// The same, by how long after their call ([`crate::delay_index`]).
    pub claims_by_delay: [u64; DELAYS],
    /// How many had claimed when the last decision was made.
    pub claims_counted: u64,
    /// Sessions that have not expired.
    pub active: u64,
    /// What the rate has earned and no claim has spent, in admissions times [`crate::ADMISSION_COST`]. Less than
    /// nothing when more came than were expected.
    pub credit: i64,
    /// When the last decision was made.
    pub ticked_at: Moment,
    /// Counts the decisions and the operators' changes; a decision is written only over the one it read.
    pub revision: u64,
    /// What operators changed.
    pub control: Control,
    /// Whether the number of sessions, not the rate, was what kept people waiting.
    pub full: bool,
    /// Which share of the called comes.
    pub turnout: Turnout,
    /// How many draws were frozen.
    pub draws: u32,
    /// Counts frozen and revealed draws: who knows more of them knows the later rounds.
    pub draw_step: u64,
    /// When the last draw was frozen.
    pub frozen_at: Moment,
    /// Where the autopilot stands, in its own words.
    pub autopilot: String,
    /// What is known of the stock, in the words of its source.
    pub stock: String,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not its turn yet.
    Waiting {
        /// People of its lane in front.
        ahead: u64,
        /// People of its lane who stand behind.
        behind: u64,
    },
    /// It takes part in a draw that is still to come.
    ToBeDrawn {
        /// People of its lane who were drawn before and stand in front.
        ahead: u64,
        /// People in the draw, so far.
        among: u64,
    },
    /// It may be claimed.
    Called {
        /// When it was called, once that is on record.
        since: Option<Moment>,
        /// Until when it may be claimed.
        until: Option<Moment>,
    },
    /// It was called, and its time has passed. (Or it was claimed, and its session has ended.)
    Missed,
}

impl Snapshot {
    /// The lane, if the room has it.
    pub fn lane(&self, lane: LaneId) -> Option<&Lane> {
        self.lanes.get(lane.index())
    }

    /// The rank of a number in its lane; nothing before it is drawn.
    pub fn rank(&self, method: Method, lane: LaneId, number: u64) -> Option<u64> {
        let lane = self.lane(lane)?;
        lane.rounds.rank(method, lane.called, number)
    }

    /// Where the ticket with this number stands.
    pub fn standing(&self, method: Method, lane: LaneId, number: u64, claim_window: Duration) -> Standing {
        let Some(lane) = self.lane(lane) else {
            return Standing::Missed;
        };
        let Some(rank) = lane.rounds.rank(method, lane.called, number) else {
            // Whoever is drawn already, or will be in the round before, stands in front.
            let first = lane.rounds.first_undrawn(lane.called, number);
            return Standing::ToBeDrawn {
                ahead: first.saturating_sub(lane.called),
                among: lane.issued.saturating_sub(first).max(1),
            };
        };
        if rank < lane.settled_below {
            Standing::Missed
        } else if rank < lane.called {
            let since = lane.call_log.called_at(rank);
            Standing::Called {
                since,
                until: since.map(|at| at.plus(claim_window)),
            }
        } else {
            Standing::Waiting {
                ahead: rank - lane.called,
                behind: lane.issued.saturating_sub(rank.saturating_add(1)),
            }
        }
    }

    /// How many have joined, in all lanes.
    pub fn issued(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.issued).sum()
    }

    /// Places called that were dealt, in all lanes.
    pub fn called(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.called.min(lane.issued)).sum()
    }

    /// People in line who were not called yet.
    pub fn waiting(&self) -> u64 {
        self.lanes.iter().map(Lane::waiting).sum()
    }

    /// Places called whose holders may still claim.
    pub fn outstanding(&self) -> u64 {
        self.lanes.iter().map(Lane::outstanding).sum()
    }

    /// How many were called and did not claim in time.
    pub fn missed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.missed).sum()
    }

    /// Every lane's calls, with how far they are settled.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&CallLog, u64)> {
        self.lanes.iter().map(|lane| (&lane.call_log, lane.settled_below))
    }

    /// Whether the store is still being told what it forgot.
    pub fn is_recovering(&self) -> bool {
        self.taken_at < self.recovering_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairness::Seed;

    const LANE: LaneId = LaneId(0);
    const WINDOW: Duration = Duration::from_secs(60);

    fn line(lane: Lane) -> Snapshot {
        Snapshot {
            lanes: vec![lane],
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_number_stands_before_behind_or_past_the_call() {
        let snapshot = line(Lane {
            issued: 10,
            called: 6,
            settled_below: 4,
            open_claims: 1,
            ..Lane::default()
        });
        let standing = |number| snapshot.standing(Method::Fifo, LANE, number, WINDOW);
        let called = Standing::Called {
            since: None,
            until: None,
        };
        assert_eq!(standing(3), Standing::Missed);
        assert_eq!(standing(4), called);
        assert_eq!(standing(6), Standing::Waiting { ahead: 0, behind: 3 });
        assert_eq!(standing(9), Standing::Waiting { ahead: 3, behind: 0 });
        let last = Standing::Waiting {
            ahead: u64::MAX - 6,
            behind: 0,
        };
        assert_eq!(standing(u64::MAX), last);
        assert_eq!((snapshot.waiting(), snapshot.outstanding()), (4, 1));
        let nowhere = snapshot.standing(Method::Fifo, LaneId(1), 9, WINDOW);
        assert_eq!(
            nowhere,
            Standing::Missed,
            "a lane that the room has not (any more)"
        );
    }

    #[test]
    fn in_the_pre_queue_everybody_is_to_be_drawn() {
        let mut lane = Lane {
            issued: 10,
            ..Lane::default()
        };
        let to_be_drawn = Standing::ToBeDrawn { ahead: 0, among: 10 };
        assert_eq!(
            line(lane.clone()).standing(Method::Shuffle, LANE, 3, WINDOW),
            to_be_drawn
        );
        lane.rounds.freeze(0, 10);
        assert_eq!(
            line(lane.clone()).standing(Method::Shuffle, LANE, 3, WINDOW),
            to_be_drawn
        );
        lane.rounds.reveal(Seed([7; 32]));
        let ranks = (0..10).map(|number| line(lane.clone()).rank(Method::Shuffle, LANE, number).unwrap());
        let mut ranks: Vec<_> = ranks.collect();
        ranks.sort_unstable();
        assert!(ranks.into_iter().eq(0..10));
    }

    #[test]
    fn who_comes_during_a_round_stands_behind_it() {
        let mut lane = Lane {
            issued: 10,
            ..Lane::default()
        };
        lane.rounds.freeze(0, 10);
        lane.rounds.reveal(Seed([7; 32]));
        let lane = Lane {
            issued: 25,
            called: 4,
            ..lane
        };
        let expected = Standing::ToBeDrawn { ahead: 6, among: 15 };
        assert_eq!(line(lane).standing(Method::Random, LANE, 12, WINDOW), expected);
    }
}
