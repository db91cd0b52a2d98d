//! The naive model: plain lists of who has which number and rank, and of what was called when. It knows nothing of how
//! the line works, only what was promised, and objects when that is broken.

use fairness::Head;
use std::collections::HashMap;
use std::time::Duration;
use waiting_room_domain::{Method, Moment};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, after {at_ms} ms: {what}")]
pub struct Violation {
    /// Replays it.
    pub seed: u64,
    /// When, on the simulation's clock.
    pub at_ms: u64,
    /// What was found.
    pub what: String,
}

pub(crate) type Verdict = Result<(), String>;

/// Nobody, or nothing yet.
const NONE: u32 = u32::MAX;

#[derive(Default)]
struct LaneModel {
    /// Who has which number.
    owners: Vec<u32>,
    /// Which number has which rank.
    ranks: Vec<u32>,
    /// Which rank is taken by which number.
    numbers: Vec<u32>,
    /// Every call: below which rank, and when.
    calls: Vec<(u64, Moment)>,
    /// Every place below was called, or offered to whoever joins next.
    offered: u64,
    /// Every place below was called, as some edge saw.
    seen_called: u64,
}

/// What must be true of the whole line.
#[derive(Default)]
pub(crate) struct Model {
    lanes: Vec<LaneModel>,
    /// Whether there is draw after draw. Who finds nobody waiting walks in undrawn then, and has no rank to keep.
    is_redrawn: bool,
    /// The log's hash at each length, as the first edge saw it.
    heads: HashMap<u64, Head>,
    /// Sessions that are on.
    pub(crate) active: u64,
    /// The highest number of sessions that was ever allowed.
    pub(crate) cap: u64,
    /// The most sessions beyond that, while the store had forgotten nothing.
    pub(crate) overshoot: u64,
    pub(crate) numbers_doubled: u64,
    pub(crate) places_lost: u64,
}

impl Model {
    pub(crate) fn new(lanes: usize, max_active: u32, method: Method) -> Self {
        Self {
            is_redrawn: method == Method::Random,
            lanes: std::iter::repeat_with(LaneModel::default).take(lanes).collect(),
            cap: u64::from(max_active),
            ..Self::default()
        }
    }

    /// These shoppers were dealt the numbers from `first` on.
    pub(crate) fn dealt(&mut self, lane: usize, first: u64, shoppers: &[u32]) -> Verdict {
        for (shopper, number) in shoppers.iter().zip(first..) {
            let owner = entry(&mut self.lanes[lane].owners, number);
            if *owner != NONE {
                self.numbers_doubled += 1;
                return Err(format!(
                    "number {number} of lane {lane} was dealt to {owner} and to {shopper}"
                ));
            }
            *owner = *shopper;
        }
        Ok(())
    }

    /// The numbers `from..to` were drawn to these ranks.
    pub(crate) fn drawn(
        &mut self,
        lane: usize,
        from: u64,
        to: u64,
        rank: impl Fn(u64) -> Option<u64>,
    ) -> Verdict {
        for number in from..to {
            let Some(rank) = rank(number) else {
                return Err(format!(
                    "number {number} of lane {lane} has no rank after its draw"
                ));
            };
            if !(from..to).contains(&rank) {
                return Err(format!(
                    "number {number} of lane {lane} was drawn to {rank}, outside {from}..{to}"
                ));
            }
            let called = self.lanes[lane].seen_called;
            if rank < called && *entry(&mut self.lanes[lane].ranks, number) == NONE {
                return Err(format!(
                    "rank {rank} of lane {lane} was drawn after {called} were called"
                ));
            }
            self.ranked(lane, number, rank)?;
        }
        Ok(())
    }

    /// Somebody saw that `number` has this rank.
    pub(crate) fn ranked(&mut self, lane: usize, number: u64, rank: u64) -> Verdict {
        let lanes = &mut self.lanes[lane];
        let known = entry(&mut lanes.ranks, number);
        if u64::from(*known) == rank {
            return Ok(());
        }
        if *known != NONE {
            return Err(format!(
                "number {number} of lane {lane} had rank {known} and has {rank}"
            ));
        }
        *known = narrow(rank);
        let taken = entry(&mut lanes.numbers, rank);
        if *taken != NONE {
            return Err(format!(
                "rank {rank} of lane {lane} belongs to the numbers {taken} and {number}"
            ));
        }
        *taken = narrow(number);
        Ok(())
    }

    /// A decision was written: places below `offered` may be claimed, and those below `below`, who are there, since
    /// `at`.
    pub(crate) fn called(&mut self, lane: usize, offered: u64, below: u64, at: Moment) {
        let model = &mut self.lanes[lane];
        model.offered = model.offered.max(offered);
        let calls = &mut model.calls;
        if calls.last().is_none_or(|last| last.0 < below) {
            calls.push((below, at));
        }
    }

    /// An edge saw a line that stands not still: what was ever seen as called still is.
    pub(crate) fn saw_called(&mut self, lane: usize, called: u64) -> Verdict {
        let seen = &mut self.lanes[lane].seen_called;
        if called < *seen {
            return Err(format!("lane {lane} was called to {seen}, then only to {called}"));
        }
        *seen = called;
        Ok(())
    }

    /// An edge has the log with this hash.
    pub(crate) fn saw_log(&mut self, length: u64, head: Head) -> Verdict {
        if *self.heads.entry(length).or_insert(head) == head {
            Ok(())
        } else {
            Err(format!("two edges have different logs of {length} lines"))
        }
    }

    /// A session began at this place.
    pub(crate) fn admitted(&mut self, lane: usize, number: u64, rank: u64, shopper: u32) -> Verdict {
        let owner = *entry(&mut self.lanes[lane].owners, number);
        if owner != shopper {
            return Err(format!(
                "{shopper} came in with number {number} of lane {lane}, which {owner} has"
            ));
        }
        if rank >= self.lanes[lane].offered {
            return Err(format!("rank {rank} of lane {lane} came in and was not called"));
        }
        self.active += 1;
        let is_walk_in = self.is_redrawn && *entry(&mut self.lanes[lane].ranks, number) == NONE;
        if is_walk_in {
            return Ok(());
        }
        self.ranked(lane, number, rank)
    }

    /// Somebody who had not come in was told that the turn of this rank has passed.
    pub(crate) fn missed(&mut self, lane: usize, rank: u64, window: Duration, now: Moment) -> Verdict {
        match self.called_at(lane, rank) {
            Some(at) if at.plus(window) <= now => Ok(()),
            at => {
                self.places_lost += 1;
                Err(format!(
                    "rank {rank} of lane {lane}, called at {at:?}, was lost at {now}"
                ))
            }
        }
    }

    /// The store has forgotten nothing, and so many places are reserved.
    pub(crate) fn occupied(&mut self, reserved: u64) -> Verdict {
        let over = (self.active + reserved).saturating_sub(self.cap);
        self.overshoot = self.overshoot.max(over);
        if over > 0 {
            let (active, cap) = (self.active, self.cap);
            return Err(format!(
                "{active} sessions and {reserved} places reserved, of at most {cap}"
            ));
        }
        Ok(())
    }

    /// When the rank was first called.
    fn called_at(&self, lane: usize, rank: u64) -> Option<Moment> {
        let calls = &self.lanes[lane].calls;
        let index = calls.partition_point(|call| call.0 <= rank);
        calls.get(index).map(|call| call.1)
    }

    /// The ranks of the numbers `0..count` of a lane, as far as they were drawn.
    pub(crate) fn ranks(&self, lane: usize, count: usize) -> &[u32] {
        let ranks = &self.lanes[lane].ranks;
        &ranks[..count.min(ranks.len())]
    }
}

fn entry(list: &mut Vec<u32>, index: u64) -> &mut u32 {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    if index >= list.len() {
        list.resize(index + 1, NONE);
    }
    &mut list[index]
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(NONE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    /// A model that never objects proves nothing.
    #[test]
    fn it_objects_to_every_broken_promise() {
        let window = Duration::from_secs(60);
        let mut model = Model::new(1, 2, Method::Shuffle);
        model.dealt(0, 0, &[7, 8, 9]).unwrap();
        assert!(model.dealt(0, 2, &[10]).is_err(), "a number twice");
        assert!(model.drawn(0, 0, 2, |_| Some(1)).is_err(), "no bijection");
        let mut model = Model::new(1, 2, Method::Shuffle);
        model.dealt(0, 0, &[7, 8, 9]).unwrap();
        assert!(model.drawn(0, 0, 3, Some).is_ok());
        assert!(model.ranked(0, 1, 2).is_err(), "another rank");
        model.saw_called(0, 2).unwrap();
        assert!(model.saw_called(0, 1).is_err(), "called back");
        assert!(model.admitted(0, 1, 1, 8).is_err(), "never called");
        model.called(0, 2, 2, at(1_000));
        assert!(model.admitted(0, 1, 1, 9).is_err(), "somebody else's place");
        assert!(model.admitted(0, 1, 1, 8).is_ok());
        assert!(model.missed(0, 0, window, at(60_999)).is_err(), "too early");
        assert!(model.missed(0, 0, window, at(61_000)).is_ok());
        assert!(model.missed(0, 2, window, at(99_000)).is_err(), "never called");
        assert!(model.occupied(1).is_ok());
        assert!(model.occupied(2).is_err(), "three of two");
        assert!(model.saw_log(1, Head([1; 32])).is_ok());
        assert!(model.saw_log(1, Head([2; 32])).is_err(), "another log");
        assert_eq!((model.overshoot, model.places_lost), (1, 2));
    }
}
