//! Trouble, one after the other. Two things at once that together destroy the only copy of something are left out: a
//! store that forgets while the only edge that knew dies. What is promised is that either alone costs nobody a place.

use crate::Happening::{self, *};
use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use std::time::Duration;
use waiting_room_domain::Switch;

/// Between two troubles, so that what was seen of the one is known to every edge before the next.
const APART_MS: u64 = 6_000;

type Plan = Vec<(u64, Happening)>;

/// Random trouble until `until`.
pub(crate) fn draw(rng: &mut Xoshiro256PlusPlus, edges: usize, until: Duration) -> Plan {
    let mut plan = Plan::new();
    let mut at = rng.random_range(0..20_000);
    while u128::from(at) < until.as_millis() {
        let edge = rng.random_range(0..edges);
        one(rng, &mut plan, at, edge);
        at += APART_MS + rng.random_range(0..15_000);
    }
    plan
}

fn one(rng: &mut Xoshiro256PlusPlus, plan: &mut Plan, at: u64, edge: usize) {
    let while_ms = rng.random_range(10..4_000);
    let lost_ms = rng.random_range(0..1_000);
    let by_ms = rng.random_range(-200..200) * 10;
    let later = at + while_ms;
    match rng.random_range(0..10) {
        0 => plan.extend([(at, Crash { edge }), (at + 10 * lost_ms, Restart { edge })]),
        1 => plan.extend([(at, Pause { edge }), (at + 10 * lost_ms, Wake { edge })]),
        2 => plan.extend([
            (
                at,
                Lag {
                    edge,
                    ticks: 1 + while_ms % 8,
                },
            ),
            (later + APART_MS, Lag { edge, ticks: 1 }),
        ]),
        3 => plan.extend([(at, Silence), (later, Speak)]),
        4 | 5 => plan.extend([(at, Save), (at + lost_ms, Silence), (later + lost_ms, RollBack)]),
        6 => plan.extend([(at, Silence), (later, Wipe)]),
        7 => plan.push((at, ClockStep { by_ms })),
        8 => plan.push((at, limits(rng))),
        _ => {
            let switches = [
                Switch::Paused,
                Switch::QueueAll,
                Switch::Maintenance,
                Switch::Draining,
            ];
            let switch = switches[rng.random_range(0..switches.len())];
            let back = SetSwitch {
                switch: Switch::Scheduled,
            };
            plan.extend([(at, SetSwitch { switch }), (later, back)]);
        }
    }
}

fn limits(rng: &mut Xoshiro256PlusPlus) -> Happening {
    SetLimits {
        users_per_minute: rng.random_range(0..3_000),
        max_active: rng.random_range(1..500),
    }
}

/// What goes wrong in a big drop: in minutes of their own, so that the rate can be measured in the others.
pub(crate) fn of_a_big_drop(edges: usize) -> Plan {
    let last = edges - 1;
    let seconds = |seconds: u64| seconds * 1_000;
    vec![
        // In the rush before the doors open.
        (seconds(60), Crash { edge: 0 }),
        (seconds(65), Restart { edge: 0 }),
        (seconds(80), Save),
        (seconds(80) + 900, Silence),
        (seconds(82), RollBack),
        // While people are let in.
        (seconds(420), Crash { edge: last }),
        (seconds(423), Pause { edge: last / 2 }),
        (seconds(430), Restart { edge: last }),
        (seconds(431), Wake { edge: last / 2 }),
        (seconds(436), Silence),
        (seconds(440), Speak),
        (seconds(446), Save),
        (seconds(446) + 900, Silence),
        (seconds(448), RollBack),
        (seconds(780), Silence),
        (seconds(782), Wipe),
    ]
}
