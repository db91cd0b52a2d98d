//! How often the same visitor may do something: the generic cell rate algorithm, which needs one number a visitor.

use crate::Moment;
use std::time::Duration;

/// So many in a row, then one for each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval_ms: u64,
    tolerance_ms: u64,
}

impl Pace {
    /// `count` in any `period`, all at once if need be. Nothing where `count` is 0: there is no limit.
    pub fn new(count: u32, period: Duration) -> Option<Self> {
        let interval_ms = period.as_millis().checked_div(u128::from(count))?;
        let interval_ms = u64::try_from(interval_ms).unwrap_or(u64::MAX).max(1);
        Some(Self {
            interval_ms,
            tolerance_ms: interval_ms.saturating_mul(u64::from(count) - 1),
        })
    }

    /// Whether one more is in time at `now`. `debt` is until when what was done before is paid for, 0 for who is new;
    /// the answer is the next debt.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, debt: Moment, now: Moment) -> Result<Moment, Duration> {
        let owed = debt.since(now);
        let tolerance = Duration::from_millis(self.tolerance_ms);
        if owed > tolerance {
            return Err(owed.saturating_sub(tolerance));
        }
        Ok(debt.max(now).plus(Duration::from_millis(self.interval_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    #[test]
    fn as_many_as_allowed_at_once_then_one_at_a_time() {
        let pace = Pace::new(3, Duration::from_secs(60)).unwrap();
        let mut debt = at(0);
        for _ in 0..3 {
            debt = pace.admit(debt, at(1_000)).unwrap();
        }
        assert_eq!(pace.admit(debt, at(1_000)), Err(Duration::from_secs(20)));
        assert_eq!(pace.admit(debt, at(20_999)), Err(Duration::from_millis(1)));
        assert!(pace.admit(debt, at(21_000)).is_ok());
    }

    #[test]
    fn a_count_of_nothing_is_no_limit() {
        assert_eq!(Pace::new(0, Duration::from_secs(60)), None);
    }

    proptest! {
        /// In any minute there are at most twice the count: what was saved up, and what came meanwhile.
        #[test]
        fn the_pace_is_kept(count in 1u32..50, gaps in proptest::collection::vec(0u64..3_000, 1..400)) {
            let pace = Pace::new(count, Duration::from_secs(60)).unwrap();
            let (mut now, mut debt, mut admitted) = (1_000_000, at(0), Vec::new());
            for gap in gaps {
                now += gap;
                if let Ok(next) = pace.admit(debt, at(now)) {
                    debt = next;
                    admitted.push(now);
                }
            }
            for (index, since) in admitted.iter().enumerate() {
                let within = admitted[index..].iter().filter(|then| **then < since + 60_000).count();
                prop_assert!(within <= 2 * count as usize, "{within} in a minute");
            }
        }
    }
}
