//! When the doors open: a room's scheduled drops, in the order of their opening.

use crate::Moment;

/// Which line of a room this is. Every scheduled drop has its own, so that a ticket of the last drop is worth
/// nothing in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The line of a room that has no schedule: it is always open.
    pub const ALWAYS: Self = Self(1);

    /// When the doors of this drop open or opened; nothing for the line of a room that is always open.
    pub fn doors_open(self) -> Option<Moment> {
        let ms = u64::from(self.0).saturating_mul(1_000);
        (self != Self::ALWAYS).then(|| Moment::from_unix_ms(ms))
    }
}

/// One drop: people may line up, then the doors open, then they close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledDrop {
    /// From here on people get a place in line.
    pub prequeue_opens: Moment,
    /// From here on people are let in.
    pub doors_open: Moment,
    /// From here on nobody is let in any more.
    pub doors_close: Moment,
}

impl ScheduledDrop {
    /// The drop's line: the second in which its doors open.
    pub fn epoch(&self) -> Epoch {
        Epoch(u32::try_from(self.doors_open.unix_seconds()).unwrap_or(u32::MAX))
    }
}

/// Where a room stands on its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody can line up yet.
    Early {
        /// From when on one can.
        prequeue_opens: Moment,
        /// When the doors will open.
        doors_open: Moment,
    },
    /// People line up; the doors are shut.
    PreQueue {
        /// When they open.
        doors_open: Moment,
    },
    /// People are let in.
    Open {
        /// Until when, if a schedule says so.
        doors_close: Option<Moment>,
    },
    /// The last drop is over.
    Closed,
}

impl Phase {
    /// The word for it in JSON and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Early { .. } => "early",
            Self::PreQueue { .. } => "prequeue",
            Self::Open { .. } => "open",
            Self::Closed => "closed",
        }
    }

    /// Whether one gets a place in line.
    pub fn may_join(&self) -> bool {
        matches!(self, Self::PreQueue { .. } | Self::Open { .. })
    }
}

/// Why drops do not make a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A drop's own times are out of order.
    #[error(
        "drop {0}: prequeue_opens must not be after doors_open, and doors_open must be before doors_close"
    )]
    OutOfOrder(usize),
    /// A drop begins before the one before it has ended.
    #[error("drop {0}: begins before the drop before it closes")]
    Overlap(usize),
}

/// A room's drops, none overlapping; no drops at all means that the room is always open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    drops: Vec<ScheduledDrop>,
}

impl Schedule {
    /// The schedule of these drops, in whatever order they come.
    ///
    /// # Errors
    /// [`ScheduleError`], counting drops from 1 in the order of their opening.
    pub fn new(mut drops: Vec<ScheduledDrop>) -> Result<Self, ScheduleError> {
        drops.sort_by_key(|drop| drop.doors_open);
        for (index, drop) in drops.iter().enumerate() {
            if drop.prequeue_opens > drop.doors_open || drop.doors_open >= drop.doors_close {
                return Err(ScheduleError::OutOfOrder(index + 1));
            }
        }
        for (index, pair) in drops.windows(2).enumerate() {
            if pair[1].prequeue_opens < pair[0].doors_close {
                return Err(ScheduleError::Overlap(index + 2));
            }
        }
        Ok(Self { drops })
    }

    /// Whether the room is always open.
    pub fn is_empty(&self) -> bool {
        self.drops.is_empty()
    }

    /// The line that counts at `now`, and where it stands. Between two drops that is the next one's.
    pub fn at(&self, now: Moment) -> (Epoch, Phase) {
        let Some(last) = self.drops.last() else {
            return (Epoch::ALWAYS, Phase::Open { doors_close: None });
        };
        match self.drops.iter().find(|drop| now < drop.doors_close) {
            Some(drop) => (drop.epoch(), phase_of(drop, now)),
            None => (last.epoch(), Phase::Closed),
        }
    }
}

fn phase_of(drop: &ScheduledDrop, now: Moment) -> Phase {
    if now < drop.prequeue_opens {
        Phase::Early {
            prequeue_opens: drop.prequeue_opens,
            doors_open: drop.doors_open,
        }
    } else if now < drop.doors_open {
        Phase::PreQueue {
            doors_open: drop.doors_open,
        }
    } else {
        Phase::Open {
            doors_close: Some(drop.doors_close),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: u64) -> Moment {
        Moment::from_unix_ms(s * 1000)
    }

    fn drop(prequeue_opens: u64, doors_open: u64, doors_close: u64) -> ScheduledDrop {
        ScheduledDrop {
            prequeue_opens: second(prequeue_opens),
            doors_open: second(doors_open),
            doors_close: second(doors_close),
        }
    }

    #[test]
    fn a_room_without_drops_is_always_open() {
        assert_eq!(Epoch::ALWAYS.doors_open(), None);
        assert_eq!(drop(1, 2, 3).epoch().doors_open(), Some(second(2)));
        assert_eq!(
            Schedule::default().at(second(0)),
            (Epoch(1), Phase::Open { doors_close: None })
        );
    }

    #[test]
    fn phases_follow_the_clock_through_two_drops() {
        let schedule = Schedule::new(vec![drop(100, 200, 300), drop(10, 20, 30)]).unwrap();
        let table = [
            (0, 20, "early"),
            (10, 20, "prequeue"),
            (19, 20, "prequeue"),
            (20, 20, "open"),
            (29, 20, "open"),
            (30, 200, "early"),
            (100, 200, "prequeue"),
            (200, 200, "open"),
            (300, 200, "closed"),
            (9_999, 200, "closed"),
        ];
        for (now, epoch, word) in table {
            let (line, phase) = schedule.at(second(now));
            assert_eq!((line, phase.as_str()), (Epoch(epoch), word), "at {now}");
        }
    }

    #[test]
    fn drops_that_make_no_sense_are_named() {
        assert_eq!(
            Schedule::new(vec![drop(5, 4, 9)]),
            Err(ScheduleError::OutOfOrder(1))
        );
        assert_eq!(
            Schedule::new(vec![drop(1, 4, 4)]),
            Err(ScheduleError::OutOfOrder(1))
        );
        assert_eq!(
            Schedule::new(vec![drop(1, 2, 9), drop(8, 10, 12)]),
            Err(ScheduleError::Overlap(2))
        );
    }
}
