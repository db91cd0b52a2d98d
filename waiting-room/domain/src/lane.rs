//! Lanes: lines side by side in one room, which share its rate by their weights.

use std::fmt;

/// More lanes than anybody has kinds of guests.
pub const LANES_MAX: usize = 8;

/// What one call costs a lane of weight 1; divided by the weight it is a lane's stride.
const STRIDE: u64 = 1_000_000;

/// Which lane of a room: its place in the config, from 0. A room without lanes has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LaneId(pub u8);

impl LaneId {
    /// Where its values stand among those of all lanes.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lane that people may be called from, while it is decided how many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contender {
    /// How many could be called at most.
    pub(crate) demand: u64,
    /// Its part of the rate, in proportion to the others' weights.
    pub(crate) weight: u32,
    /// How far it has come in virtual time: every call moves it on by its stride.
    pub(crate) turn: u64,
}

/// Gives `count` calls to the lanes by their weights, and moves their turns on: stride scheduling (Waldspurger and
/// Weihl, 1995). No call is lost while anybody waits in any lane; a lane that was empty gets nothing for that.
pub(crate) fn apportion(count: u64, lanes: &mut [Contender]) -> Vec<u64> {
    let mut given = vec![0; lanes.len()];
    if let [only] = lanes {
        return vec![count.min(only.demand)];
    }
    let contending: Vec<usize> = (0..lanes.len())
        .filter(|index| lanes[*index].demand > 0)
        .collect();
    for _ in 0..count {
        let open = contending
            .iter()
            .copied()
            .filter(|index| lanes[*index].demand > 0);
        let Some(next) = open.min_by_key(|index| lanes[*index].turn) else {
            break;
        };
        given[next] += 1;
        lanes[next].demand -= 1;
        lanes[next].turn += STRIDE / u64::from(lanes[next].weight.max(1));
    }
    // Nobody saves up turns: a lane without demand goes on beside the others.
    let earliest = contending.iter().map(|index| lanes[*index].turn).min();
    for (index, lane) in lanes.iter_mut().enumerate() {
        if !contending.contains(&index) {
            lane.turn = lane.turn.max(earliest.unwrap_or(0));
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lane(demand: u64, weight: u32) -> Contender {
        Contender {
            demand,
            weight,
            turn: 0,
        }
    }

    #[test]
    fn calls_are_shared_by_weight() {
        for (count, demands, expected) in [
            (10, [(100, 1), (100, 1)], [5, 5]),
            (12, [(100, 3), (100, 1)], [9, 3]),
            (10, [(2, 3), (100, 1)], [2, 8]),
            (10, [(0, 3), (100, 1)], [0, 10]),
            (10, [(3, 3), (4, 1)], [3, 4]),
            (0, [(3, 3), (4, 1)], [0, 0]),
        ] {
            let mut lanes = demands.map(|(demand, weight)| lane(demand, weight));
            assert_eq!(apportion(count, &mut lanes), expected, "{count} of {demands:?}");
        }
    }

    #[test]
    fn a_lane_that_was_empty_has_saved_nothing() {
        let mut lanes = [lane(1_000, 1), lane(0, 1)];
        apportion(500, &mut lanes);
        lanes[1].demand = 1_000;
        assert_eq!(apportion(100, &mut lanes), [50, 50]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_weights_hold_over_time(
            ticks in proptest::collection::vec(0u64..50, 1..100),
            weights in proptest::collection::vec(1u32..20, 2..5),
        ) {
            let mut lanes: Vec<_> = weights.iter().map(|weight| lane(1_000_000, *weight)).collect();
            let mut total = vec![0; lanes.len()];
            for count in &ticks {
                let given = apportion(*count, &mut lanes);
                prop_assert_eq!(given.iter().sum::<u64>(), *count);
                total.iter_mut().zip(given).for_each(|(sum, more)| *sum += more);
            }
            let all: u64 = ticks.iter().sum();
            let weight: u64 = weights.iter().copied().map(u64::from).sum();
            for (got, own) in total.iter().zip(&weights) {
                let fair = all * u64::from(*own) / weight;
                prop_assert!(got.abs_diff(fair) <= 1 + u64::try_from(lanes.len()).unwrap(), "{total:?} by {weights:?}");
            }
        }
    }
}
