//! How long it will take, as honestly as it can be known, and how often to ask.

use crate::{Limits, Snapshot, moment::millis};
use std::time::Duration;

/// The last calls that an estimate looks at.
const RECENT: Duration = Duration::from_secs(60);
/// Nobody is told a wait beyond this: it would be a guess.
const WAIT_MAX_SECONDS: u64 = 24 * 3600;

/// A wait as a range, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitRange {
    /// If all goes well.
    pub low_seconds: u64,
    /// If it goes on as lately, with some reserve.
    pub high_seconds: u64,
}

/// How long somebody with `ahead` people in front will wait; nothing when nobody can know: the doors are shut,
/// the rate is nobody, or a full shop lets nobody out.
///
/// The low end is the rate in force, so that an operator's change shows at once. The high end is what really
/// happened in the last minute when the shop is full, else the rate with a quarter in reserve.
pub fn wait_range(snapshot: &Snapshot, limits: &Limits, ahead: u64) -> Option<WaitRange> {
    let rate = u64::from(limits.users_per_minute);
    let recent_since = snapshot.taken_at.unix_ms().saturating_sub(millis(RECENT));
    let recent = snapshot
        .call_log
        .called_after(crate::Moment::from_unix_ms(recent_since), snapshot.settled_below);
    let steady = if snapshot.full { recent.min(rate) } else { rate };
    if rate == 0 || steady == 0 {
        return None;
    }
    // The person who asks is one of those to be called.
    let people = ahead.saturating_add(1);
    let seconds = |people: u64, per_minute: u64| people.saturating_mul(60).div_ceil(per_minute);
    let low_seconds = seconds(people, rate);
    let high_seconds = seconds(people.saturating_add(people / 4), steady).max(low_seconds + 1);
    (high_seconds <= WAIT_MAX_SECONDS).then_some(WaitRange {
        low_seconds,
        high_seconds,
    })
}

/// How often waiting shoppers may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPacing {
    /// Polls a second that all edges together are willing to answer.
    pub budget_per_second: u32,
}

const SOONEST: Duration = Duration::from_secs(1);
const LATEST_BY_DISTANCE: Duration = Duration::from_secs(20);

impl PollPacing {
    /// When to ask next: a tenth of the expected wait, so that news is never much later than it matters, but not
    /// so often that everybody together exceeds the budget. While nobody knows the wait (a paused room may go on at
    /// any moment), those in front ask first. `spread` (any bits) lengthens it by up to a quarter, so that those who
    /// joined together do not ask together.
    pub fn poll_after(&self, wait: Option<WaitRange>, ahead: u64, waiting: u64, spread: u32) -> Duration {
        let by_distance = wait.map_or(Duration::from_millis(ahead.saturating_mul(10)), |range| {
            Duration::from_secs(range.low_seconds) / 10
        });
        let by_budget = waiting
            .saturating_mul(1_000)
            .div_ceil(u64::from(self.budget_per_second.max(1)));
        let base = by_distance
            .clamp(SOONEST, LATEST_BY_DISTANCE)
            .max(Duration::from_millis(by_budget));
        let quarter = millis(base) / 4;
        base + Duration::from_millis(quarter * u64::from(spread % 1024) / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;

    fn line(full: bool, called_last_minute: u64) -> Snapshot {
        let mut snapshot = Snapshot {
            taken_at: Moment::from_unix_ms(600_000),
            full,
            ..Snapshot::default()
        };
        snapshot
            .call_log
            .record(called_last_minute, Moment::from_unix_ms(590_000));
        snapshot
    }

    #[test]
    fn the_wait_is_the_distance_over_the_rate() {
        let limits = |rate| Limits::new(rate, 100).unwrap();
        let range = |low_seconds, high_seconds| {
            Some(WaitRange {
                low_seconds,
                high_seconds,
            })
        };
        let table = [
            (line(false, 0), 60, 0, range(1, 2), "the next one"),
            (
                line(false, 0),
                60,
                99,
                range(100, 125),
                "with a quarter in reserve",
            ),
            (
                line(false, 0),
                600,
                99,
                range(10, 13),
                "ten times the rate, a tenth of the wait",
            ),
            (
                line(true, 6),
                60,
                99,
                range(100, 1_250),
                "a full shop goes on as lately",
            ),
            (line(true, 0), 60, 99, None, "a full shop that nobody leaves"),
            (line(false, 0), 0, 99, None, "a rate of nobody"),
            (line(false, 0), 1, 1_000_000, None, "beyond a day nobody knows"),
        ];
        for (snapshot, rate, ahead, expected, why) in table {
            assert_eq!(wait_range(&snapshot, &limits(rate), ahead), expected, "{why}");
        }
    }

    #[test]
    fn a_million_people_stay_within_the_budget() {
        let pacing = PollPacing {
            budget_per_second: 30_000,
        };
        let waiting = 1_000_000u64;
        let polls_per_second: f64 = (0..waiting)
            .step_by(1_000)
            .map(|ahead| {
                let wait = wait_range(&line(false, 0), &Limits::new(60_000, 100).unwrap(), ahead);
                let spread = u32::try_from(ahead.wrapping_mul(2_654_435_761) % 1024).unwrap();
                1_000.0 / pacing.poll_after(wait, ahead, waiting, spread).as_secs_f64()
            })
            .sum();
        assert!(polls_per_second <= 30_000.0, "{polls_per_second}");
        assert!(
            polls_per_second > 15_000.0,
            "asks often enough to be of use: {polls_per_second}"
        );
    }

    #[test]
    fn near_the_front_one_asks_each_second() {
        let pacing = PollPacing {
            budget_per_second: 30_000,
        };
        let wait = Some(WaitRange {
            low_seconds: 3,
            high_seconds: 4,
        });
        assert_eq!(pacing.poll_after(wait, 3, 10, 0), SOONEST);
        assert!(pacing.poll_after(wait, 3, 10, 1023) <= SOONEST * 5 / 4);
        assert_eq!(
            pacing.poll_after(None, 3, 10, 0),
            SOONEST,
            "nor is the first in a paused line"
        );
        assert_eq!(pacing.poll_after(None, 1_000_000, 10, 0), LATEST_BY_DISTANCE);
    }
}
