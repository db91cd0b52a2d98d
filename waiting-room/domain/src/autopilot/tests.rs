//! Tables, bounds, and a simple shop to steer.

use super::*;
use proptest::prelude::*;

const START: Moment = Moment::from_unix_ms(1_000_000_000);
const STEP: Duration = Duration::from_secs(5);

fn autopilot() -> Autopilot {
    Autopilot {
        rule: AutopilotRule {
            min_rate: 60,
            max_step_percent: 20,
            step_every: STEP,
            blind_after: Duration::from_secs(30),
            targets: Targets {
                backlog_max: Some(2_000),
                origin_p90_max: Some(Duration::from_millis(500)),
                ..Targets::default()
            },
        },
    }
}

fn fresh(value: u64) -> Option<Reading> {
    let age = Duration::from_secs(1);
    Some(Reading { value, age })
}

fn signals(backlog: u64, origin_p90_ms: u64) -> Signals {
    Signals {
        backlog: fresh(backlog),
        origin_p90_ms: fresh(origin_p90_ms),
        ..Signals::default()
    }
}

/// A step that was due, from a rate that was held for another reason.
fn step(held_to: Option<u32>, ceiling: u32, signals: &Signals) -> Step {
    let before = AutopilotState {
        held_to,
        ..AutopilotState::new(START)
    };
    autopilot().step(ceiling, signals, Some(&before), START.plus(STEP))
}

#[test]
fn the_rate_follows_the_signals() {
    let table = [
        (None, 600, signals(0, 0), 600, "nothing is held back"),
        (None, 600, signals(1_999, 499), 600, "backlog 1999 near 2000"),
        (None, 600, signals(5_200, 0), 480, "backlog 5200 over 2000"),
        (None, 600, signals(2_500, 900), 480, "origin_p90_ms 900 over 500"),
        (Some(480), 600, signals(0, 501), 384, "origin_p90_ms 501 over 500"),
        (Some(70), 600, signals(5_200, 0), 60, "backlog 5200 over 2000"),
        (Some(60), 600, signals(5_200, 0), 60, "backlog 5200 over 2000"),
        (Some(480), 600, signals(1_700, 0), 480, "backlog 1700 near 2000"),
        (
            Some(480),
            600,
            signals(0, 0),
            510,
            "every signal is well under its target",
        ),
        (
            Some(480),
            600,
            signals(700, 0),
            495,
            "every signal is well under its target",
        ),
        (
            Some(480),
            600,
            signals(1_400, 350),
            481,
            "every signal is well under its target",
        ),
        (Some(580), 600, signals(0, 0), 600, "nothing is held back"),
        (Some(480), 100, signals(0, 0), 100, "nothing is held back"),
        (Some(480), 30, signals(9_999, 0), 30, "backlog 9999 over 2000"),
        (None, 0, signals(9_999, 0), 0, "backlog 9999 over 2000"),
    ];
    for (held_to, ceiling, signals, rate, reason) in table {
        let step = step(held_to, ceiling, &signals);
        assert_eq!(step.rate, rate, "{held_to:?} under {ceiling}: {}", step.reason);
        assert_eq!(step.reason.to_string(), reason, "{held_to:?} under {ceiling}");
    }
}

#[test]
fn what_falls_is_given_time() {
    let first = step(None, 600, &signals(5_000, 0));
    let at = |steps: u32| START.plus(STEP * (steps + 1));
    let second = autopilot().step(600, &signals(4_500, 0), Some(&first.state), at(1));
    assert_eq!(
        (second.rate, second.reason.to_string().as_str()),
        (480, "backlog 4500 falls from 5000")
    );
    let third = autopilot().step(600, &signals(4_400, 0), Some(&second.state), at(2));
    assert_eq!((third.rate, third.reason.as_str()), (384, "over"), "too slowly");
    let other = autopilot().step(600, &signals(0, 700), Some(&first.state), at(1));
    assert_eq!(other.rate, 384, "another signal is over its target");
}

#[test]
fn between_two_steps_nothing_moves_but_the_ceiling() {
    let first = step(None, 600, &signals(5_000, 0));
    let soon = START.plus(STEP * 2 - Duration::from_millis(1));
    let next = autopilot().step(600, &signals(9_000, 0), Some(&first.state), soon);
    assert_eq!((next.rate, next.state.stepped_at), (480, first.state.stepped_at));
    let lowered = autopilot().step(100, &signals(9_000, 0), Some(&first.state), soon);
    assert_eq!(lowered.rate, 100, "the operator's word counts at once");
    let free = step(None, 600, &signals(0, 0));
    let raised = autopilot().step(6_000, &signals(0, 0), Some(&free.state), soon);
    assert_eq!(raised.rate, 6_000, "upwards, too, while nothing is held back");
}

#[test]
fn the_blind_hold_and_then_go_down_and_come_back() {
    let unknown = Signals {
        origin_p90_ms: fresh(0),
        ..Signals::default()
    };
    let old = Signals {
        backlog: Some(Reading {
            value: 0,
            age: Duration::from_secs(6),
        }),
        ..unknown
    };
    for blind in [unknown, old] {
        let mut state = AutopilotState::new(START);
        let mut rates = Vec::new();
        for second in (0..120).step_by(5) {
            let step = autopilot().step(600, &blind, Some(&state), START.plus(Duration::from_secs(second)));
            state = step.state;
            rates.push((second, step.rate));
        }
        assert_eq!(
            rates[..6].iter().map(|(_, rate)| *rate).collect::<Vec<_>>(),
            [600; 6],
            "held"
        );
        assert_eq!(rates[6], (30, 480), "then down, by the same steps");
        assert_eq!(rates[23].1, 60, "to the least");
        assert_eq!(state.reason.as_str(), "blind_too_long");
        let back = autopilot().step(
            600,
            &signals(0, 0),
            Some(&state),
            START.plus(Duration::from_secs(120)),
        );
        assert_eq!((back.rate, back.reason), (90, Reason::Recovering));
    }
    let over = Signals {
        origin_p90_ms: fresh(900),
        ..Signals::default()
    };
    assert_eq!(
        step(None, 600, &over).reason.as_str(),
        "over",
        "bad news count without the others"
    );
}

#[test]
fn a_line_without_a_past_holds_nothing_back_and_a_clock_that_went_back_stops_nothing() {
    let first = autopilot().step(600, &Signals::default(), None, START);
    assert_eq!((first.rate, first.reason.as_str()), (600, "blind"));
    let ahead = AutopilotState {
        stepped_at: START.plus(Duration::from_secs(9_999)),
        ..AutopilotState::new(START)
    };
    assert_eq!(
        autopilot()
            .step(600, &signals(9_999, 0), Some(&ahead), START)
            .rate,
        480
    );
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let signal = SignalName::DecisionP90;
    let reasons = [
        Reason::Clear,
        Reason::Recovering,
        Reason::Over {
            signal,
            value: 5_200,
            target: 2_000,
        },
        Reason::Easing {
            signal,
            value: 1,
            was: 2,
        },
        Reason::Near {
            signal,
            value: u64::MAX,
            target: 0,
        },
        Reason::Blind { signal, seconds: 4 },
        Reason::BlindTooLong { signal, seconds: 31 },
    ];
    for (index, reason) in reasons.into_iter().enumerate() {
        let state = AutopilotState {
            held_to: (index % 2 == 0).then_some(480),
            reason,
            ..AutopilotState::new(START)
        };
        assert_eq!(state.to_string().parse(), Ok(state), "{state}");
    }
    for bad in [
        "",
        "2 - 1 1 clear",
        "1 - 1 1",
        "1 x 1 1 clear",
        "1 - 1 1 over",
        "1 - 1 1 over love 1 2",
        "1 - 1 1 clear 7",
    ] {
        assert_eq!(bad.parse::<AutopilotState>(), Err(NotAState), "{bad}");
    }
}

/// A shop that decides so many orders a minute; everybody who is let in orders once.
struct Plant {
    capacity_per_minute: f64,
    backlog: f64,
}

impl Plant {
    fn second(&mut self, rate: u32) {
        self.backlog = (self.backlog + (f64::from(rate) - self.capacity_per_minute) / 60.0).max(0.0);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number that is not negative"
    )]
    fn signals(&self) -> Signals {
        signals(self.backlog as u64, 0)
    }
}

/// The rate of every second.
fn drive(plant: &mut Plant, state: &mut AutopilotState, ceiling: u32, from: u64, seconds: u64) -> Vec<u32> {
    let rates = (from..from + seconds).map(|second| {
        let step = autopilot().step(
            ceiling,
            &plant.signals(),
            Some(state),
            START.plus(Duration::from_secs(second)),
        );
        *state = step.state;
        plant.second(step.rate);
        step.rate
    });
    rates.collect()
}

#[test]
fn a_shop_that_slows_down_gets_fewer_and_all_again_when_it_has_recovered() {
    let mut state = AutopilotState::new(START);
    let mut plant = Plant {
        capacity_per_minute: 12_000.0,
        backlog: 0.0,
    };
    let before = drive(&mut plant, &mut state, 6_000, 0, 60);
    assert!(before.iter().all(|rate| *rate == 6_000));
    plant.capacity_per_minute = 0.0;
    let during = drive(&mut plant, &mut state, 6_000, 60, 60);
    assert!(*during.last().unwrap() <= 1_600, "{during:?}");
    plant.capacity_per_minute = 12_000.0;
    let after = drive(&mut plant, &mut state, 6_000, 120, 180);
    assert_eq!(*after.last().unwrap(), 6_000, "{after:?}");
    let first_full = after.iter().position(|rate| *rate == 6_000).unwrap();
    assert!(first_full < 120, "{first_full}");
    assert!(
        after[first_full..].iter().all(|rate| *rate == 6_000),
        "and it stays"
    );
}

#[test]
fn a_shop_that_bears_less_than_the_ceiling_is_steered_to_what_it_bears_without_wild_swings() {
    for capacity in [1_000.0, 2_000.0, 3_000.0, 4_500.0, 5_900.0] {
        let mut state = AutopilotState::new(START);
        let mut plant = Plant {
            capacity_per_minute: capacity,
            backlog: 0.0,
        };
        drive(&mut plant, &mut state, 6_000, 0, 1_800);
        let settled = drive(&mut plant, &mut state, 6_000, 1_800, 3_600);
        let (low, high) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
        let mean = settled.iter().map(|rate| f64::from(*rate)).sum::<f64>() / 3_600.0;
        assert!(
            mean <= capacity * 1.02,
            "{capacity}: no more than it bears, {mean}"
        );
        assert!(mean >= capacity * 0.95, "{capacity}: and hardly less, {mean}");
        assert!(
            f64::from(*high) <= capacity + 1_500.0,
            "{capacity}: {low} to {high}"
        );
        assert!(f64::from(*low) >= capacity * 0.6, "{capacity}: {low} to {high}");
        assert!(plant.backlog < 4_000.0, "{capacity}: {}", plant.backlog);
    }
}

fn any_reading() -> impl Strategy<Value = Option<Reading>> {
    let reading = (0u64..10_000, 0u64..10).prop_map(|(value, age)| Reading {
        value,
        age: Duration::from_secs(age),
    });
    proptest::option::of(reading)
}

proptest! {
    /// Whatever is heard, whenever, in whatever order, under whatever ceiling.
    #[test]
    fn every_bound_holds(
        min_rate in 0u32..1_000,
        max_step_percent in 1u32..=100,
        ceiling in 0u32..10_000,
        heard in proptest::collection::vec((any_reading(), any_reading(), 0u64..20_000), 1..60),
    ) {
        let mut autopilot = autopilot();
        autopilot.rule.min_rate = min_rate;
        autopilot.rule.max_step_percent = max_step_percent;
        let (mut now, mut state, mut rate) = (START, None::<AutopilotState>, ceiling);
        for (backlog, origin_p90_ms, later_ms) in heard {
            now = now.plus(Duration::from_millis(later_ms));
            let signals = Signals { backlog, origin_p90_ms, ..Signals::default() };
            let step = autopilot.step(ceiling, &signals, state.as_ref(), now);
            prop_assert!(step.rate <= ceiling);
            prop_assert!(step.rate >= min_rate.min(ceiling));
            let most = u64::from(rate) * u64::from(max_step_percent.min(CUT_PERCENT)) / 100;
            prop_assert!(u64::from(rate) <= u64::from(step.rate) + most.max(1), "{} to {}", rate, step.rate);
            let up = ceiling * max_step_percent.min(RISE_PERCENT) / 100;
            prop_assert!(step.rate <= rate + up.max(1), "{} to {}", rate, step.rate);
            if step.rate != rate {
                let last = state.map_or(Moment::default(), |state| state.stepped_at);
                prop_assert!(now.since(last) >= STEP);
            }
            prop_assert_eq!(step.state.to_string().parse(), Ok(step.state));
            (rate, state) = (step.rate, Some(step.state));
        }
        // However it went: when all is well again, everything is given back.
        for _ in 0..ceiling.max(100) {
            now = now.plus(STEP);
            let step = autopilot.step(ceiling, &signals(0, 0), state.as_ref(), now);
            (rate, state) = (step.rate, Some(step.state));
            if step.reason == Reason::Clear { break; }
        }
        prop_assert_eq!(rate, ceiling);
    }

    /// The operator changes the rate at will, and a ramp does: it is never exceeded, and the least holds below it.
    #[test]
    fn no_ceiling_is_ever_exceeded(
        heard in proptest::collection::vec((any_reading(), any_reading(), 0u64..20_000, 0u32..10_000), 1..60),
    ) {
        let (mut now, mut state) = (START, None::<AutopilotState>);
        for (backlog, origin_p90_ms, later_ms, ceiling) in heard {
            now = now.plus(Duration::from_millis(later_ms));
            let signals = Signals { backlog, origin_p90_ms, ..Signals::default() };
            let step = autopilot().step(ceiling, &signals, state.as_ref(), now);
            prop_assert!(step.rate <= ceiling);
            prop_assert!(step.rate >= autopilot().rule.min_rate.min(ceiling));
            prop_assert_eq!(step.rate, autopilot().rate(ceiling, &step.state));
            state = Some(step.state);
        }
    }
}
