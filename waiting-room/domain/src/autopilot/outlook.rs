//! All signals that have a target, at one glance: the worst of them decides.

use super::{SignalName, Signals, Targets};
use std::time::Duration;

/// A signal is well under its target at this share of it.
const WELL_UNDER_PERCENT: u64 = 70;
/// What was heard longer ago than this says nothing about now.
const FRESH: Duration = Duration::from_secs(5);

/// One signal against its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Which.
    pub(super) signal: SignalName,
    /// What it says, if it was heard of lately.
    pub(super) value: Option<u64>,
    /// What it should not exceed.
    pub(super) target: u64,
}

/// All signals that have a target, at one glance.
pub(super) enum Outlook {
    /// This one is over its target, by the largest share.
    Over(Sight, u64),
    /// This one was not heard of lately, and none is over its target.
    Blind(Sight),
    /// This one is the nearest to its target.
    Near(Sight, u64),
    /// Every one is well under its target: so much room is left up to there, from 0 to 100 percent.
    Clear(u32),
}

impl Outlook {
    /// What these signals say against these targets.
    pub(super) fn of(targets: &Targets, signals: &Signals) -> Self {
        let mut blind = None;
        let mut nearest: Option<(Sight, u64)> = None;
        for sight in sights(targets, signals) {
            match sight.value {
                None => blind = blind.or(Some(sight)),
                Some(value) => {
                    let is_nearer = nearest.is_none_or(|(other, others)| {
                        closeness(value, sight.target) > closeness(others, other.target)
                    });
                    if is_nearer {
                        nearest = Some((sight, value));
                    }
                }
            }
        }
        match (nearest, blind) {
            (Some((sight, value)), _) if value > sight.target => Self::Over(sight, value),
            (_, Some(sight)) => Self::Blind(sight),
            (Some((sight, value)), _) if !is_well_under(value, sight.target) => Self::Near(sight, value),
            (nearest, _) => Self::Clear(room_left(nearest)),
        }
    }
}

/// Every signal that has a target.
fn sights(targets: &Targets, signals: &Signals) -> impl Iterator<Item = Sight> {
    SignalName::ALL.into_iter().filter_map(|signal| {
        let heard = signals.get(signal).filter(|reading| reading.age <= FRESH);
        Some(Sight {
            signal,
            target: targets.get(signal)?,
            value: heard.map(|reading| reading.value),
        })
    })
}

/// How far the nearest is from not being well under its target.
fn room_left(nearest: Option<(Sight, u64)>) -> u32 {
    let taken = nearest.map_or(0, |(sight, value)| closeness(value, sight.target));
    let room = 100u128.saturating_sub(taken * 10 / u128::from(WELL_UNDER_PERCENT));
    u32::try_from(room).unwrap_or(0)
}

fn is_well_under(value: u64, target: u64) -> bool {
    u128::from(value) * 100 <= u128::from(target) * u128::from(WELL_UNDER_PERCENT)
}

/// A value as a share of its target, in thousandths; a target of nothing is exceeded by anything.
fn closeness(value: u64, target: u64) -> u128 {
    match (value, target) {
        (0, 0) => 0,
        (_, 0) => u128::MAX,
        _ => u128::from(value) * 1_000 / u128::from(target),
    }
}
