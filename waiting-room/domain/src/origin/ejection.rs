//! Whether a server is trusted, by how it answers shoppers: one that fails several times in a row is left out for a
//! while, and for longer each time.

use crate::Moment;
use std::time::Duration;

/// When a server is left out, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRule {
    /// Failures in a row; 0 if nobody is ever left out.
    pub failures: u32,
    /// How long the first time. It doubles from time to time.
    pub first: Duration,
    /// How long at most. A server that went so long without a fault begins anew.
    pub longest: Duration,
    /// Of a hundred servers of an origin at most this many are left out at once.
    pub percent_max: u32,
}

/// How a server has conducted itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// It is asked.
    Trusted {
        /// Failures since the last success.
        failures: u32,
        /// How many times it was left out before.
        times: u32,
        /// Since when.
        since: Moment,
    },
    /// It is not asked until then; afterwards it is, and one failure is enough to leave it out again.
    Ejected {
        /// The end of it.
        until: Moment,
        /// How many times it was left out, this one included.
        times: u32,
    },
}

impl EjectionRule {
    /// How many of so many servers may be left out at once: never all of them.
    pub fn ejected_max(&self, servers: usize) -> usize {
        let share = servers.saturating_mul(self.percent_max as usize) / 100;
        share.min(servers.saturating_sub(1))
    }
}

impl Default for Conduct {
    fn default() -> Self {
        Self::Trusted {
            failures: 0,
            times: 0,
            since: Moment::from_unix_ms(0),
        }
    }
}

impl Conduct {
    /// Until when it is left out, if it is at `now`.
    pub fn ejected_until(self, now: Moment) -> Option<Moment> {
        match self {
            Self::Ejected { until, .. } if now < until => Some(until),
            _ => None,
        }
    }

    /// It answered.
    #[must_use]
    pub fn succeeded(self, rule: &EjectionRule, now: Moment) -> Self {
        match self {
            Self::Ejected { until, .. } if now < until => self,
            Self::Ejected { times, .. } => Self::Trusted {
                failures: 0,
                times,
                since: now,
            },
            Self::Trusted { times, since, .. } => Self::Trusted {
                failures: 0,
                times: if now.since(since) > rule.longest { 0 } else { times },
                since,
            },
        }
    }

    /// It failed. `may_eject` says that there are others to do its work.
    #[must_use]
    pub fn failed(self, rule: &EjectionRule, may_eject: bool, now: Moment) -> Self {
        let (failures, times, since) = match self {
            // What had begun before says nothing new.
            Self::Ejected { until, .. } if now < until => return self,
            Self::Ejected { times, .. } => (rule.failures, times, now),
            Self::Trusted {
                failures,
                times,
                since,
            } => (failures.saturating_add(1), times, since),
        };
        if rule.failures == 0 || failures < rule.failures || !may_eject {
            return Self::Trusted {
                failures,
                times,
                since,
            };
        }
        let length = rule.first.saturating_mul(1 << times.min(16)).min(rule.longest);
        Self::Ejected {
            until: now.plus(length),
            times: times.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: EjectionRule = EjectionRule {
        failures: 3,
        first: Duration::from_secs(10),
        longest: Duration::from_secs(60),
        percent_max: 50,
    };

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_ms(1_000_000_000 + seconds * 1_000)
    }

    fn failing(conduct: Conduct, times: u32, seconds: u64) -> Conduct {
        (0..times).fold(conduct, |conduct, _| conduct.failed(&RULE, true, at(seconds)))
    }

    #[test]
    fn failures_in_a_row_eject() {
        let conduct = failing(Conduct::default(), 2, 0).succeeded(&RULE, at(0));
        assert_eq!(failing(conduct, 2, 0).ejected_until(at(0)), None);
        assert_eq!(failing(conduct, 3, 0).ejected_until(at(0)), Some(at(10)));
        assert_eq!(failing(conduct, 3, 0).ejected_until(at(10)), None);
    }

    #[test]
    fn each_time_is_longer_up_to_the_longest() {
        let mut conduct = failing(Conduct::default(), 3, 0);
        let (mut now, mut lengths) = (at(0), Vec::new());
        for _ in 0..5 {
            let until = conduct.ejected_until(now).unwrap();
            lengths.push(until.since(now).as_secs());
            now = until;
            // One failure is enough for who has just come back.
            conduct = conduct.failed(&RULE, true, now);
        }
        assert_eq!(lengths, [10, 20, 40, 60, 60]);
    }

    #[test]
    fn who_was_good_for_long_begins_anew() {
        let back = failing(Conduct::default(), 3, 0).succeeded(&RULE, at(10));
        let soon = failing(back.succeeded(&RULE, at(60)), 3, 60);
        assert_eq!(soon.ejected_until(at(60)), Some(at(80)));
        let late = failing(back.succeeded(&RULE, at(71)), 3, 71);
        assert_eq!(late.ejected_until(at(71)), Some(at(81)));
    }

    #[test]
    fn never_all_are_left_out() {
        for (servers, percent_max, expected) in [
            (1, 100, 0),
            (2, 50, 1),
            (3, 50, 1),
            (3, 100, 2),
            (10, 30, 3),
            (0, 50, 0),
        ] {
            let rule = EjectionRule { percent_max, ..RULE };
            assert_eq!(
                rule.ejected_max(servers),
                expected,
                "{servers} at {percent_max} %"
            );
        }
        let kept = (0..9).fold(Conduct::default(), |conduct, _| {
            conduct.failed(&RULE, false, at(0))
        });
        assert_eq!(kept.ejected_until(at(0)), None);
        let rule = EjectionRule { failures: 0, ..RULE };
        let kept = (0..9).fold(Conduct::default(), |conduct, _| {
            conduct.failed(&rule, true, at(0))
        });
        assert_eq!(kept.ejected_until(at(0)), None);
    }

    proptest! {
        /// Nobody is left out for longer than the longest time, whatever happens meanwhile.
        #[test]
        fn everybody_comes_back(steps in proptest::collection::vec((0u64..30, any::<bool>()), 1..200)) {
            let (mut conduct, mut now) = (Conduct::default(), 0);
            for (pause, good) in steps {
                now += pause;
                conduct = if good { conduct.succeeded(&RULE, at(now)) } else { conduct.failed(&RULE, true, at(now)) };
                let until = conduct.ejected_until(at(now));
                prop_assert!(until.is_none_or(|until| until.since(at(now)) <= RULE.longest));
            }
        }
    }
}
