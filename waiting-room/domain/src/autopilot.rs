//! The autopilot: a rate that follows what the shop can bear, below the rate that the operator has set.
//!
//! It cuts the rate by a share when a signal is over its target, and gives it back in small steps when every signal
//! is well under. It can only be more careful than the operator, never bolder. What an operator expects of it:
//!
//! * As long as nothing is over its target it holds nothing back: a change of the operator's rate shows at once.
//! * No step cuts by more than `max_step_percent`, however bad it looks; there are at least `step_every` between two.
//! * A signal that is over its target but falls is given time: the queue is being worked off.
//! * When a signal is not heard of, the rate stays as it is. After `blind_after` nobody can vouch for it any more,
//!   and it goes down, by the same bounded steps, to `min_rate`. It comes back when the signals do.

mod outlook;
mod reason;
mod state;

pub use reason::{Reason, SignalName};
pub use state::{AutopilotState, NotAState};

use crate::{Moment, moment::millis};
use outlook::{Outlook, Sight};
use std::time::Duration;

/// A cut takes this share of the rate, unless `max_step_percent` is less.
const CUT_PERCENT: u32 = 20;
/// A step up gives at most this share of the operator's rate back, unless `max_step_percent` is less.
const RISE_PERCENT: u32 = 5;
/// A signal is falling when it is at most this share of what it was a step ago.
const FALLING_PERCENT: u64 = 90;
/// How the autopilot steers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutopilotRule {
    /// It never goes below this many users a minute (unless the operator does).
    pub min_rate: u32,
    /// No step changes the rate by more than this share, from 1 to 100.
    pub max_step_percent: u32,
    /// At least this long between two steps: what a step does takes a while to show.
    pub step_every: Duration,
    /// Without signals for this long the rate goes down to `min_rate`.
    pub blind_after: Duration,
    /// What the signals must not exceed.
    pub targets: Targets,
}

/// What each signal must not exceed; one that has no target is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Targets {
    /// Orders accepted and not decided yet.
    pub backlog_max: Option<u64>,
    /// How long the oldest of them may have waited.
    pub oldest_age_max: Option<Duration>,
    /// How long nine of ten decisions may take at most.
    pub decision_p90_max: Option<Duration>,
    /// How soon nine of ten answers of the origin must have begun.
    pub origin_p90_max: Option<Duration>,
    /// How many in a hundred requests to the origin may fail.
    pub origin_error_percent_max: Option<u32>,
}

/// What was heard of one signal, and how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Orders, milliseconds or percent.
    pub value: u64,
    /// How old it is.
    pub age: Duration,
}

/// What is known of the shop; nothing where nothing was heard yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signals {
    /// Orders accepted and not decided yet.
    pub backlog: Option<Reading>,
    /// How long the oldest of them waits, in milliseconds.
    pub oldest_age_ms: Option<Reading>,
    /// How long nine of ten decisions take at most, in milliseconds.
    pub decision_p90_ms: Option<Reading>,
    /// How soon nine of ten answers of the origin begin, in milliseconds.
    pub origin_p90_ms: Option<Reading>,
    /// How many in a hundred requests to the origin fail.
    pub origin_errors_percent: Option<Reading>,
}

impl Signals {
    /// What was heard of this one.
    pub fn get(&self, signal: SignalName) -> Option<Reading> {
        match signal {
            SignalName::Backlog => self.backlog,
            SignalName::OldestAge => self.oldest_age_ms,
            SignalName::DecisionP90 => self.decision_p90_ms,
            SignalName::OriginP90 => self.origin_p90_ms,
            SignalName::OriginErrors => self.origin_errors_percent,
        }
    }
}

impl Targets {
    /// What this one must not exceed, in the unit of its readings.
    pub fn get(&self, signal: SignalName) -> Option<u64> {
        match signal {
            SignalName::Backlog => self.backlog_max,
            SignalName::OldestAge => self.oldest_age_max.map(millis),
            SignalName::DecisionP90 => self.decision_p90_max.map(millis),
            SignalName::OriginP90 => self.origin_p90_max.map(millis),
            SignalName::OriginErrors => self.origin_error_percent_max.map(u64::from),
        }
    }
}

/// What the autopilot says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Users a minute, never above the operator's rate.
    pub rate: u32,
    /// Why.
    pub reason: Reason,
    /// To be handed back next time, by whoever decides then.
    pub state: AutopilotState,
}

/// Steers the rate of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autopilot {
    /// By this rule.
    pub rule: AutopilotRule,
}

impl Autopilot {
    /// The rate for now. `ceiling` is the operator's rate, after a ramp if there is one; `before` is the state of the
    /// last step of this line, whichever edge made it.
    pub fn step(
        &self,
        ceiling: u32,
        signals: &Signals,
        before: Option<&AutopilotState>,
        now: Moment,
    ) -> Step {
        let before = before.copied().unwrap_or_else(|| AutopilotState::new(now));
        let outlook = Outlook::of(&self.rule.targets, signals);
        let sighted_at = match outlook {
            Outlook::Blind(_) => before.sighted_at,
            _ => now,
        };
        let seen = AutopilotState { sighted_at, ..before };
        if now.since(before.stepped_at) < self.rule.step_every && before.stepped_at <= now {
            return self.stay(ceiling, seen);
        }
        let (held_to, reason) = self.steer(&outlook, ceiling, &seen, now);
        self.stay(
            ceiling,
            AutopilotState {
                held_to,
                reason,
                stepped_at: now,
                ..seen
            },
        )
    }

    fn stay(&self, ceiling: u32, state: AutopilotState) -> Step {
        Step {
            rate: self.rate(ceiling, &state),
            reason: state.reason,
            state,
        }
    }

    /// What a state means under this ceiling, in users a minute: the operator's word is always the last.
    pub fn rate(&self, ceiling: u32, state: &AutopilotState) -> u32 {
        state
            .held_to
            .map_or(ceiling, |held_to| held_to.max(self.rule.min_rate).min(ceiling))
    }

    fn steer(
        &self,
        outlook: &Outlook,
        ceiling: u32,
        state: &AutopilotState,
        now: Moment,
    ) -> (Option<u32>, Reason) {
        let unchanged = state.held_to;
        match *outlook {
            Outlook::Over(Sight { signal, target, .. }, value) => {
                match falling_from(&state.reason, signal, value) {
                    Some(was) => (unchanged, Reason::Easing { signal, value, was }),
                    None => (
                        self.cut(ceiling, state),
                        Reason::Over {
                            signal,
                            value,
                            target,
                        },
                    ),
                }
            }
            Outlook::Blind(Sight { signal, .. }) => {
                let seconds = now.since(state.sighted_at).as_secs();
                if now.since(state.sighted_at) < self.rule.blind_after {
                    (unchanged, Reason::Blind { signal, seconds })
                } else {
                    (self.cut(ceiling, state), Reason::BlindTooLong { signal, seconds })
                }
            }
            Outlook::Near(Sight { signal, target, .. }, value) => (
                unchanged,
                Reason::Near {
                    signal,
                    value,
                    target,
                },
            ),
            Outlook::Clear(room) => match self.rise(ceiling, state, room) {
                None => (None, Reason::Clear),
                risen => (risen, Reason::Recovering),
            },
        }
    }

    /// A share less, but not below the least.
    fn cut(&self, ceiling: u32, state: &AutopilotState) -> Option<u32> {
        let rate = self.rate(ceiling, state);
        let percent = CUT_PERCENT.min(self.rule.max_step_percent);
        // Rounded up, so that a small rate gets smaller at all; but a share of less than one of two is none.
        let less = share(rate, percent).max(u32::from(rate > 1));
        Some((rate - less).max(self.rule.min_rate.min(rate)))
    }

    /// A step up; nothing when that reaches the ceiling: then nothing is held back any more. The nearer a signal is to
    /// its target the smaller the step, so that the rate comes to rest instead of swinging.
    fn rise(&self, ceiling: u32, state: &AutopilotState, room: u32) -> Option<u32> {
        state.held_to?;
        let percent = RISE_PERCENT.min(self.rule.max_step_percent);
        let risen = self
            .rate(ceiling, state)
            .saturating_add(share(share(ceiling, percent), room).max(1));
        (risen < ceiling).then_some(risen)
    }
}

/// What the same signal was a step ago, if it has fallen since.
fn falling_from(before: &Reason, signal: SignalName, value: u64) -> Option<u64> {
    let was = match *before {
        Reason::Over {
            signal: was_of,
            value: was,
            ..
        }
        | Reason::Easing {
            signal: was_of,
            value: was,
            ..
        } if was_of == signal => was,
        _ => return None,
    };
    (u128::from(value) * 100 <= u128::from(was) * u128::from(FALLING_PERCENT)).then_some(was)
}

/// So many percent, rounded down.
fn share(of: u32, percent: u32) -> u32 {
    let share = u64::from(of) * u64::from(percent.min(100)) / 100;
    u32::try_from(share).unwrap_or(of)
}

#[cfg(test)]
mod tests;
