//! How long it will take, as honestly as it can be known, and how often to ask.

use crate::{Doors, LaneId, Moment, Policy, Snapshot, moment::millis};
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

/// How long somebody with `ahead` people of their lane in front will wait; nothing when nobody can know: the doors
/// are shut, the rate is nobody, or a full shop lets nobody out.
///
/// The low end is the rate in force, so that an operator's change shows at once. The high end is what really
/// happened in the last minute when the shop is full, else the rate with a quarter in reserve. The line moves faster
/// than the rate by those who do not come, and a lane gets its part of it.
pub fn wait_range(snapshot: &Snapshot, policy: &Policy<'_>, lane: LaneId, ahead: u64) -> Option<WaitRange> {
    let share = snapshot.turnout.share(policy.claim_window);
    let rate = per_minute(f64::from(policy.limits.users_per_minute) / share);
    let steady = if snapshot.full {
        called_last_minute(snapshot).min(rate)
    } else {
        rate
    };
    let part = lane_part(snapshot, policy, lane);
    let (rate, steady) = (rate * part.0 / part.1, steady * part.0 / part.1);
    if policy.doors != Doors::Open || rate == 0 || steady == 0 {
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

fn called_last_minute(snapshot: &Snapshot) -> u64 {
    let since = snapshot.taken_at.unix_ms().saturating_sub(millis(RECENT));
    let since = Moment::from_unix_ms(since);
    let lanes = snapshot.lanes.iter();
    lanes
        .map(|lane| lane.call_log.called_after(since, lane.settled_below))
        .sum()
}

/// Which part of the calls a lane gets: its weight, of the weights of all lanes in which somebody waits.
fn lane_part(snapshot: &Snapshot, policy: &Policy<'_>, lane: LaneId) -> (u64, u64) {
    let weight = |index: usize| u64::from(policy.weights.get(index).copied().unwrap_or(1).max(1));
    let others = snapshot.lanes.iter().enumerate();
    let others = others.filter(|(index, other)| *index != lane.index() && other.waiting() > 0);
    let others: u64 = others.map(|(index, _)| weight(index)).sum();
    let own = weight(lane.index());
    (own, own + others)
}

fn per_minute(rate: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate in whole people, never negative"
    )]
    let rate = rate as u64;
    rate
}

/// How often waiting shoppers may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPacing {
    /// Polls a second that all edges together are willing to answer.
    pub budget_per_second: u32,
}

const SOONEST: Duration = Duration::from_secs(1);
const LATEST_BY_DISTANCE: Duration = Duration::from_secs(20);
/// How often one asks from when the turn is nearer than the budget would have one wait: each time, a quarter of the
/// way is left.
const POLLS_IN_FRONT: u64 = 4;

impl PollPacing {
    /// When to ask next: a tenth of the expected wait, so that news is never much later than it matters, but not
    /// so often that everybody together exceeds the budget. However many wait: nobody is told to ask when the turn may
    /// have come and gone, but shortly before it comes; the budget for that is taken from those behind. While nobody knows the wait (a paused room may go on at
    /// any moment), those in front ask first. `spread` (any bits) lengthens it by up to a quarter, so that those who
    /// joined together do not ask together.
    pub fn poll_after(&self, wait: Option<WaitRange>, ahead: u64, waiting: u64, spread: u32) -> Duration {
        let by_distance = wait.map_or(Duration::from_millis(ahead.saturating_mul(10)), |range| {
            Duration::from_secs(range.low_seconds) / 10
        });
        let base = by_distance
            .clamp(SOONEST, LATEST_BY_DISTANCE)
            .max(self.by_budget(wait, ahead, waiting));
        let quarter = millis(base) / 4;
        base + Duration::from_millis(quarter * u64::from(spread % 1024) / 1024)
    }

    /// So seldom that everybody together keeps to the budget, or shortly before the turn comes.
    fn by_budget(&self, wait: Option<WaitRange>, ahead: u64, waiting: u64) -> Duration {
        let budget = u64::from(self.budget_per_second.max(1));
        let seldom =
            |budget: u64| Duration::from_millis(waiting.saturating_mul(1_000).div_ceil(budget.max(1)));
        let Some(range) = wait else {
            return seldom(budget);
        };
        let called_per_second = ahead / range.low_seconds.max(1);
        let in_front = called_per_second.saturating_mul(POLLS_IN_FRONT).min(budget / 2);
        // With the longest spread it is still before the turn.
        let before_the_turn = Duration::from_secs(range.low_seconds) * 3 / 4;
        seldom(budget - in_front).min(before_the_turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DELAYS, Lane, Limits, Method, Turnout};

    const LANE: LaneId = LaneId(0);

    fn line(full: bool, called_last_minute: u64) -> Snapshot {
        let mut lane = Lane::default();
        lane.call_log
            .record(called_last_minute, Moment::from_unix_ms(590_000));
        Snapshot {
            taken_at: Moment::from_unix_ms(600_000),
            lanes: vec![lane],
            full,
            ..Snapshot::default()
        }
    }

    fn policy(users_per_minute: u32) -> Policy<'static> {
        Policy {
            limits: Limits::new(users_per_minute, 100).unwrap(),
            weights: &[1, 3],
            method: Method::Fifo,
            claim_window: Duration::from_secs(60),
            doors: Doors::Open,
        }
    }

    #[test]
    fn the_wait_is_the_distance_over_the_rate() {
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
            assert_eq!(
                wait_range(&snapshot, &policy(rate), LANE, ahead),
                expected,
                "{why}"
            );
        }
        let shut = Policy {
            doors: Doors::Shut,
            ..policy(60)
        };
        assert_eq!(
            wait_range(&line(false, 0), &shut, LANE, 99),
            None,
            "the doors are shut"
        );
    }

    #[test]
    fn a_lane_gets_its_part_of_the_rate() {
        let mut two = line(false, 0);
        let low = |two: &Snapshot| wait_range(two, &policy(60), LANE, 99).unwrap().low_seconds;
        two.lanes.push(Lane::default());
        assert_eq!(low(&two), 100, "nobody waits in the other");
        two.lanes[1].issued = 5;
        assert_eq!(low(&two), 400, "a quarter of the weights");
    }

    #[test]
    fn the_line_moves_faster_by_those_who_do_not_come() {
        let mut known = line(false, 0);
        let (mut turnout, mut seen) = (Turnout::default(), Lane::default());
        seen.call_log.record(100_000, Moment::from_unix_ms(1_000));
        let mut claims = [0; DELAYS];
        claims[0] = 50_000;
        let calls = [(&seen.call_log, 0)];
        turnout.learn(
            &claims,
            calls.into_iter(),
            Duration::from_secs(60),
            Moment::default(),
            Moment::from_unix_ms(70_000),
        );
        known.turnout = turnout;
        let low = wait_range(&known, &policy(60), LANE, 99).unwrap().low_seconds;
        assert!((49..=52).contains(&low), "{low}");
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
                let wait = wait_range(&line(false, 0), &policy(60_000), LANE, ahead);
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

    /// Each row: whose turn comes in so many seconds, while so many wait.
    #[test]
    fn nobody_is_told_to_ask_when_the_turn_has_come() {
        let pacing = PollPacing {
            budget_per_second: 30_000,
        };
        for (low_seconds, waiting) in [
            (1, 10_000_000),
            (10, 10_000_000),
            (300, 10_000_000),
            (30, 2_000_000),
        ] {
            let wait = Some(WaitRange {
                low_seconds,
                high_seconds: 2 * low_seconds,
            });
            let pause = pacing.poll_after(wait, 1_000 * low_seconds, waiting, 1023);
            let turn = Duration::from_secs(low_seconds).max(SOONEST * 5 / 4);
            assert!(pause <= turn, "{pause:?}, in {low_seconds} s of {waiting}");
        }
        let far = Some(WaitRange {
            low_seconds: 3_000,
            high_seconds: 6_000,
        });
        let pause = pacing.poll_after(far, 3_000_000, 10_000_000, 0);
        assert!(pause >= Duration::from_secs(300), "{pause:?} far behind");
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
