//! What every edge knows of a line: a few hundred bytes, whatever the number of people waiting.

use crate::{CallLog, Control, Moment};
use std::time::Duration;

/// One consistent look at a line, taken by the store at `taken_at`, on the store's clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Moment,
    /// Which life of the store wrote it: another one after the store was wiped.
    pub incarnation: u64,
    /// Nobody joins, claims or is called before this moment: edges are telling a store what it forgot.
    pub recovering_until: Moment,
    /// The next number to be dealt: how many have joined.
    pub issued: u64,
    /// Every place below may be claimed. May run ahead of `issued`: then newcomers walk in.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
    /// How many claimed, ever.
    pub claimed: u64,
    /// How many were called and did not claim in time.
    pub missed: u64,
    /// How many of those not below `settled_below` have claimed.
    pub open_claims: u64,
    /// Sessions that have not expired.
    pub active: u64,
    /// What is left of the rate, in admissions times [`crate::ADMISSION_COST`].
    pub credit: u64,
    /// When the last decision was made.
    pub ticked_at: Moment,
    /// Counts the decisions and the operators' changes; a decision is written only over the one it read.
    pub revision: u64,
    /// When whom was called.
    pub call_log: CallLog,
    /// What operators changed.
    pub control: Control,
    /// Which bound stopped the last decision, if any did.
    pub full: bool,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not its turn yet.
    Waiting {
        /// People in front.
        ahead: u64,
        /// People who came later.
        behind: u64,
    },
    /// It may be claimed.
    Called {
        /// Until when, once its call is on record.
        until: Option<Moment>,
    },
    /// It was called, and its time has passed. (Or it was claimed, and its session has ended.)
    Missed,
}

impl Snapshot {
    /// Where the ticket with this number stands.
    pub fn standing(&self, number: u64, claim_window: Duration) -> Standing {
        if number < self.settled_below {
            Standing::Missed
        } else if number < self.called {
            Standing::Called {
                until: self.call_log.deadline(number, claim_window),
            }
        } else {
            Standing::Waiting {
                ahead: number - self.called,
                behind: self.issued.saturating_sub(number.saturating_add(1)),
            }
        }
    }

    /// People in line who were not called yet.
    pub fn waiting(&self) -> u64 {
        self.issued.saturating_sub(self.called)
    }

    /// Places called whose holders may still claim, including those that run ahead of the joins.
    pub fn outstanding(&self) -> u64 {
        self.called
            .saturating_sub(self.settled_below)
            .saturating_sub(self.open_claims)
    }

    /// Whether the store is still being told what it forgot.
    pub fn is_recovering(&self) -> bool {
        self.taken_at < self.recovering_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_before_behind_or_past_the_call() {
        let snapshot = Snapshot {
            issued: 10,
            called: 6,
            settled_below: 4,
            open_claims: 1,
            ..Snapshot::default()
        };
        let standing = |number| snapshot.standing(number, Duration::from_secs(60));
        assert_eq!(standing(3), Standing::Missed);
        assert_eq!(standing(4), Standing::Called { until: None });
        assert_eq!(standing(6), Standing::Waiting { ahead: 0, behind: 3 });
        assert_eq!(standing(9), Standing::Waiting { ahead: 3, behind: 0 });
        assert_eq!(
            standing(u64::MAX),
            Standing::Waiting {
                ahead: u64::MAX - 6,
                behind: 0
            }
        );
        assert_eq!((snapshot.waiting(), snapshot.outstanding()), (4, 1));
    }
}
