//! A soft opening: the rate grows over the first minutes of a drop, so that a shop with cold caches is not met by
//! everybody at once.

use crate::{Moment, moment::millis};
use std::time::Duration;

/// How a drop begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// From the opening of the doors until the whole rate is in force.
    pub lasts: Duration,
    /// The share of the rate with which it begins, from 0 to 100.
    pub from_percent: u32,
}

impl Ramp {
    /// The rate in force at `now`, in users a minute: it grows in a straight line from the share that it begins with
    /// to `rate`. It is never above `rate`, and never nobody unless `rate` is.
    pub fn limit(&self, rate: u32, doors_opened: Moment, now: Moment) -> u32 {
        let lasts = u128::from(millis(self.lasts));
        let open = u128::from(millis(now.since(doors_opened)));
        if open >= lasts {
            return rate;
        }
        // In hundredths of a percent of a millisecond's share: integers, so that it grows and never wavers.
        let from = u128::from(self.from_percent.min(100));
        let share = from * lasts + (100 - from) * open;
        let limit = u128::from(rate) * share / (100 * lasts);
        u32::try_from(limit).unwrap_or(rate).clamp(rate.min(1), rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPENED: Moment = Moment::from_unix_ms(1_000_000);

    fn after(ms: u64) -> Moment {
        OPENED.plus(Duration::from_millis(ms))
    }

    #[test]
    fn the_rate_grows_in_a_straight_line() {
        let ramp = |seconds, from_percent| Ramp {
            lasts: Duration::from_secs(seconds),
            from_percent,
        };
        let table = [
            (ramp(120, 10), 600, 0, 60, "begins with a tenth"),
            (ramp(120, 10), 600, 60_000, 330, "half way between"),
            (ramp(120, 10), 600, 119_999, 599, "almost there"),
            (ramp(120, 10), 600, 120_000, 600, "there"),
            (ramp(120, 10), 600, 9_000_000, 600, "and stays there"),
            (ramp(120, 0), 600, 0, 1, "somebody always comes in"),
            (ramp(120, 0), 0, 60_000, 0, "unless nobody may"),
            (ramp(120, 100), 600, 0, 600, "from the whole rate"),
            (ramp(0, 10), 600, 0, 600, "no ramp at all"),
            (ramp(120, 10), 1, 0, 1, "a rate of one"),
        ];
        for (ramp, rate, ms, expected, why) in table {
            assert_eq!(ramp.limit(rate, OPENED, after(ms)), expected, "{why}");
        }
    }

    #[test]
    fn before_the_doors_open_it_is_as_at_the_opening() {
        let ramp = Ramp {
            lasts: Duration::from_secs(60),
            from_percent: 50,
        };
        assert_eq!(ramp.limit(100, OPENED, Moment::from_unix_ms(0)), 50);
    }

    proptest! {
        #[test]
        fn it_never_falls_and_never_exceeds_the_rate(
            rate in 0u32..=10_000_000,
            from_percent in 0u32..=100,
            lasts_ms in 0u64..=86_400_000,
            earlier in 0u64..=100_000_000,
            later in 0u64..=100_000_000,
        ) {
            let ramp = Ramp { lasts: Duration::from_millis(lasts_ms), from_percent };
            let (earlier, later) = (earlier.min(later), earlier.max(later));
            let (before, then) = (ramp.limit(rate, OPENED, after(earlier)), ramp.limit(rate, OPENED, after(later)));
            prop_assert!(before <= then);
            prop_assert!(then <= rate);
            prop_assert!(before >= rate.min(1));
        }
    }
}
