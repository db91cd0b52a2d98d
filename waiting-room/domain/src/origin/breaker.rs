//! The breaker of an origin: while too many of its answers fail it is left alone, and then asked with a few requests
//! before everybody may come again.

use crate::Moment;
use std::time::Duration;

/// Parts of the window: an outcome counts for the whole window, less a tenth of it.
const SLOTS: u64 = 10;
/// How often the time of being open doubles while trials go on failing.
const DOUBLINGS_MAX: u32 = 3;
/// When to ask again while the trials are under way.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);

/// When an origin is left alone, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// Outcomes of this time count.
    pub window: Duration,
    /// Fewer than this say nothing.
    pub requests_min: u32,
    /// Of a hundred requests this many fail: the breaker opens.
    pub failure_percent: u32,
    /// How long it stays open the first time; doubled, at most eightfold, each time that a trial fails.
    pub open_for: Duration,
    /// Requests that try whether the origin is well again. All of them must succeed.
    pub trials: u32,
}

/// The breaker of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Counts the states: who was let through in an earlier one says nothing about this one.
    round: u64,
    state: BreakerState,
}

/// What is true of a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerState {
    /// Everybody may pass.
    Closed(Outcomes),
    /// Nobody may.
    Open {
        /// When the trials begin.
        until: Moment,
        /// How many times in a row it has been opened.
        times: u32,
    },
    /// A few may, to try.
    HalfOpen {
        /// Trials that have not ended.
        under_way: u32,
        /// Trials that went well.
        successes: u32,
        /// How many times in a row it had been opened before.
        times: u32,
    },
}

/// What came of the requests of the last while, in as many parts as there are `SLOTS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes([Slot; 10]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Slot {
    /// Which part of time this is, counted from 1970.
    number: u64,
    requests: u32,
    failures: u32,
}

/// The right to ask the origin once. It is given back with how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    round: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The origin answered.
    Well,
    /// It did not, or said that it cannot.
    Badly,
    /// The visitor went away before anybody could tell.
    Unknown,
}

impl Breaker {
    /// The state, for people to look at.
    pub fn state(&self) -> &BreakerState {
        &self.state
    }

    /// Whether one more request may pass at `now`.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn ask(self, rule: &BreakerRule, now: Moment) -> (Self, Result<Permit, Duration>) {
        let round = self.round;
        match self.state {
            BreakerState::Closed(_) => (self, Ok(Permit { round })),
            BreakerState::Open { until, .. } if now < until => (self, Err(until.since(now))),
            BreakerState::Open { times, .. } => {
                let half_open = self.turn(BreakerState::HalfOpen {
                    under_way: 1,
                    successes: 0,
                    times,
                });
                let round = half_open.round;
                (half_open, Ok(Permit { round }))
            }
            BreakerState::HalfOpen {
                under_way,
                successes,
                times,
            } => {
                if under_way + successes >= rule.trials {
                    return (self, Err(TRIAL_PAUSE));
                }
                let state = BreakerState::HalfOpen {
                    under_way: under_way + 1,
                    successes,
                    times,
                };
                (Self { round, state }, Ok(Permit { round }))
            }
        }
    }

    /// Learns how a request ended that had been let through.
    #[must_use]
    pub fn learn(self, rule: &BreakerRule, permit: &Permit, ended: Ended, now: Moment) -> Self {
        if permit.round != self.round {
            return self;
        }
        match self.state {
            BreakerState::Closed(outcomes) => {
                let outcomes = outcomes.with(rule, ended, now);
                if outcomes.are_bad(rule, now) {
                    return self.open(rule, 1, now);
                }
                let state = BreakerState::Closed(outcomes);
                Self { state, ..self }
            }
            // Nobody was let through in this round.
            BreakerState::Open { .. } => self,
            BreakerState::HalfOpen {
                under_way,
                successes,
                times,
            } => {
                let successes = successes + u32::from(ended == Ended::Well);
                if ended == Ended::Badly {
                    return self.open(rule, times.saturating_add(1), now);
                }
                if successes >= rule.trials {
                    return self.turn(BreakerState::default());
                }
                let state = BreakerState::HalfOpen {
                    under_way: under_way.saturating_sub(1),
                    successes,
                    times,
                };
                Self { state, ..self }
            }
        }
    }

    fn open(self, rule: &BreakerRule, times: u32, now: Moment) -> Self {
        let doublings = times.saturating_sub(1).min(DOUBLINGS_MAX);
        let until = now.plus(rule.open_for.saturating_mul(1 << doublings));
        self.turn(BreakerState::Open { until, times })
    }

    fn turn(self, state: BreakerState) -> Self {
        let round = self.round + 1;
        Self { round, state }
    }
}

impl Default for BreakerState {
    fn default() -> Self {
        Self::Closed(Outcomes::default())
    }
}

impl Outcomes {
    fn with(mut self, rule: &BreakerRule, ended: Ended, now: Moment) -> Self {
        if ended == Ended::Unknown {
            return self;
        }
        let number = number(rule, now);
        let slot = &mut self.0[usize::try_from(number % SLOTS).unwrap_or(0)];
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot.requests = slot.requests.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(ended == Ended::Badly));
        self
    }

    fn are_bad(&self, rule: &BreakerRule, now: Moment) -> bool {
        let newest = number(rule, now);
        let counted = self
            .0
            .iter()
            .filter(|slot| slot.number <= newest && newest - slot.number < SLOTS);
        let (requests, failures) = counted.fold((0_u64, 0_u64), |(requests, failures), slot| {
            (
                requests + u64::from(slot.requests),
                failures + u64::from(slot.failures),
            )
        });
        let enough = requests >= u64::from(rule.requests_min.max(1));
        enough && failures * 100 >= requests * u64::from(rule.failure_percent)
    }
}

fn number(rule: &BreakerRule, now: Moment) -> u64 {
    let window_ms = u64::try_from(rule.window.as_millis()).unwrap_or(u64::MAX);
    now.unix_ms() / (window_ms / SLOTS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: BreakerRule = BreakerRule {
        window: Duration::from_secs(10),
        requests_min: 4,
        failure_percent: 50,
        open_for: Duration::from_secs(2),
        trials: 2,
    };

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(1_000_000 + ms)
    }

    /// One request after the other at `ms`.
    fn after(mut breaker: Breaker, ms: u64, ends: &[Ended]) -> Breaker {
        for ended in ends {
            let (next, permit) = breaker.ask(&RULE, at(ms));
            breaker = next.learn(&RULE, &permit.unwrap(), *ended, at(ms));
        }
        breaker
    }

    fn opened() -> Breaker {
        after(Breaker::default(), 0, &[Ended::Badly; 4])
    }

    fn is_open(breaker: &Breaker) -> bool {
        matches!(breaker.state, BreakerState::Open { .. })
    }

    #[test]
    fn it_opens_when_enough_of_enough_fail() {
        use Ended::{Badly, Unknown, Well};
        for (ends, opens) in [
            (&[Badly, Badly, Badly][..], false),
            (&[Badly, Badly, Badly, Unknown], false),
            (&[Badly, Badly, Badly, Badly], true),
            (&[Well, Badly, Well, Badly], true),
            (&[Well, Badly, Well, Well, Badly], false),
            (&[Well; 100], false),
        ] {
            let breaker = after(Breaker::default(), 0, ends);
            assert_eq!(is_open(&breaker), opens, "{ends:?}");
        }
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let breaker = after(Breaker::default(), 0, &[Ended::Badly; 3]);
        let recent = after(breaker.clone(), 8_900, &[Ended::Badly]);
        assert!(is_open(&recent));
        let late = after(breaker, 10_000, &[Ended::Badly; 3]);
        assert!(!is_open(&late), "{late:?}");
    }

    #[test]
    fn an_open_one_says_how_long_to_wait() {
        let (breaker, refused) = opened().ask(&RULE, at(500));
        assert_eq!(refused, Err(Duration::from_millis(1_500)));
        assert!(is_open(&breaker));
    }

    #[test]
    fn a_few_may_try_and_all_must_succeed() {
        let (breaker, first) = opened().ask(&RULE, at(2_000));
        let (breaker, second) = breaker.ask(&RULE, at(2_000));
        let (breaker, third) = breaker.ask(&RULE, at(2_000));
        assert_eq!(third, Err(TRIAL_PAUSE));
        let breaker = breaker.learn(&RULE, &first.unwrap(), Ended::Well, at(2_100));
        let (breaker, still) = breaker.ask(&RULE, at(2_100));
        assert_eq!(still, Err(TRIAL_PAUSE), "a success is not asked for again");
        let breaker = breaker.learn(&RULE, &second.unwrap(), Ended::Well, at(2_200));
        assert_eq!(breaker.state, BreakerState::default());
    }

    #[test]
    fn who_goes_away_leaves_the_trial_to_another() {
        let breaker = after(opened(), 2_000, &[Ended::Unknown; 5]);
        let breaker = after(breaker, 2_000, &[Ended::Well; 2]);
        assert_eq!(breaker.state, BreakerState::default());
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_longer() {
        let mut breaker = opened();
        let mut waited = Vec::new();
        for _ in 0..6 {
            let BreakerState::Open { until, .. } = breaker.state else {
                panic!("{breaker:?}")
            };
            let (half_open, permit) = breaker.ask(&RULE, until);
            breaker = half_open.learn(&RULE, &permit.unwrap(), Ended::Badly, until);
            let BreakerState::Open { until: next, .. } = breaker.state else {
                panic!("{breaker:?}")
            };
            waited.push(next.since(until).as_secs());
        }
        assert_eq!(waited, [4, 8, 16, 16, 16, 16]);
    }

    #[test]
    fn an_answer_from_before_says_nothing_now() {
        let (breaker, early) = Breaker::default().ask(&RULE, at(0));
        let breaker = after(breaker, 0, &[Ended::Badly; 4]);
        let (half_open, _trial) = breaker.ask(&RULE, at(2_000));
        let after_early = half_open
            .clone()
            .learn(&RULE, &early.unwrap(), Ended::Badly, at(2_000));
        assert_eq!(after_early, half_open);
    }

    proptest! {
        /// However requests begin and end: while it is open nobody passes, and while it tries never more than the trials.
        #[test]
        fn no_more_pass_than_may(steps in proptest::collection::vec((0u64..400, 0u8..5), 1..400)) {
            let (mut breaker, mut now) = (Breaker::default(), 0);
            let mut under_way: Vec<Permit> = Vec::new();
            for (pause, action) in steps {
                now += pause;
                if action < 2 {
                    let open_until = match breaker.state {
                        BreakerState::Open { until, .. } => Some(until),
                        _ => None,
                    };
                    let (next, permit) = breaker.ask(&RULE, at(now));
                    breaker = next;
                    prop_assert!(permit.is_err() || open_until.is_none_or(|until| until <= at(now)));
                    under_way.extend(permit);
                } else if let Some(permit) = under_way.pop() {
                    let ended = [Ended::Well, Ended::Badly, Ended::Unknown][usize::from(action) - 2];
                    breaker = breaker.learn(&RULE, &permit, ended, at(now));
                }
                let trying = under_way.iter().filter(|permit| permit.round == breaker.round).count();
                if let BreakerState::HalfOpen { under_way, successes, .. } = breaker.state {
                    prop_assert_eq!(trying, under_way as usize);
                    prop_assert!(under_way + successes <= RULE.trials);
                }
            }
        }

        /// It does not stay open for ever: once the origin is well, it closes after its time and its trials.
        #[test]
        fn it_closes_when_the_origin_is_well(failures in 1usize..20) {
            let mut breaker = opened();
            let mut now = at(0);
            for _ in 0..failures {
                now = now.plus(Duration::from_secs(16));
                let (next, permit) = breaker.ask(&RULE, now);
                breaker = next.learn(&RULE, &permit.unwrap(), Ended::Badly, now);
            }
            now = now.plus(Duration::from_secs(16));
            for _ in 0..RULE.trials {
                let (next, permit) = breaker.ask(&RULE, now);
                breaker = next.learn(&RULE, &permit.unwrap(), Ended::Well, now);
            }
            prop_assert_eq!(breaker.state, BreakerState::default());
        }
    }
}
