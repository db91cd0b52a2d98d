//! What a run is like: the drop, the shoppers and the trouble.

use crate::{Happening, faults};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use std::time::Duration;
use waiting_room_domain::{Limits, Method, Moment, PollPacing, Schedule, ScheduledDrop, SessionRule};

/// When the simulation's clock begins, for the store.
pub(crate) const BEGINNING: Moment = Moment::from_unix_ms(1_700_000_000_000);

/// What shoppers are like: shares of them, in percent.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// Leave the line without a word.
    pub leave: u32,
    /// Of those who left, come back with their ticket.
    pub come_back: u32,
    /// Are called, and do not show up.
    pub no_show: u32,
    /// Whose turn has passed, and who join again.
    pub join_again: u32,
    /// End their visit properly.
    pub polite: u32,
    /// Come before the doors open.
    pub early: u32,
    /// The longest visit.
    pub visit: Duration,
}

/// A run, up to the randomness of the shoppers.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many shoppers come.
    pub shoppers: u32,
    /// How many edges there are.
    pub edges: usize,
    /// How they are lined up.
    pub method: Method,
    /// The weights of the lanes.
    pub weights: Vec<u32>,
    /// The configured limits.
    pub limits: Limits,
    /// How long a call lasts.
    pub claim_window: Duration,
    /// How long a session lasts.
    pub session: SessionRule,
    /// How often all shoppers together may ask.
    pub pacing: PollPacing,
    /// When the doors open.
    pub schedule: Schedule,
    /// How long the pre-queue is.
    pub prequeue: Duration,
    /// How long people still arrive after the doors opened.
    pub arrivals: Duration,
    /// What shoppers are like.
    pub behaviour: Behaviour,
    /// What happens besides, and after how many milliseconds.
    pub happenings: Vec<(u64, Happening)>,
    /// Nobody is waited for after this.
    pub longest: Duration,
    /// Whether joins are noted in the public log.
    pub logs_joins: bool,
}

impl Scenario {
    /// A small drop in which anything can happen.
    pub fn small(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let edges = *pick(&mut rng, &[1, 2, 3, 3, 5, 20]);
        let lanes = *pick(&mut rng, &[1, 1, 2, 3]);
        let method = *pick(
            &mut rng,
            &[Method::Fifo, Method::Shuffle, Method::Shuffle, Method::Random],
        );
        let prequeue = Duration::from_secs(rng.random_range(1..30));
        let mut small = Self {
            shoppers: rng.random_range(50..900),
            edges,
            method,
            weights: (0..lanes).map(|_| rng.random_range(1..5)).collect(),
            limits: Limits {
                users_per_minute: rng.random_range(60..1_500),
                max_active: rng.random_range(5..400),
            },
            claim_window: Duration::from_secs(rng.random_range(5..40)),
            behaviour: Behaviour {
                leave: rng.random_range(0..40),
                come_back: rng.random_range(0..100),
                no_show: rng.random_range(0..20),
                join_again: rng.random_range(0..100),
                polite: rng.random_range(0..100),
                early: rng.random_range(0..100),
                visit: Duration::from_secs(rng.random_range(3..40)),
            },
            happenings: Vec::new(),
            longest: Duration::from_secs(150),
            logs_joins: true,
            ..Self::calm(seed, prequeue)
        };
        small.happenings = faults::draw(&mut rng, edges, Duration::from_secs(100));
        small
    }

    /// A drop without trouble in which the rate can be measured: people wait for three minutes and longer.
    pub fn steady(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let rate = rng.random_range(1_500..2_500);
        let lanes = rng.random_range(1..3);
        Self {
            shoppers: rate * 6,
            edges: rng.random_range(1..4),
            method: *pick(&mut rng, &[Method::Fifo, Method::Shuffle, Method::Random]),
            weights: vec![1; lanes],
            limits: Limits {
                users_per_minute: rate,
                max_active: rate,
            },
            behaviour: Behaviour {
                leave: rng.random_range(0..50),
                ..Self::calm(seed, Duration::ZERO).behaviour
            },
            ..Self::calm(seed, Duration::from_secs(10))
        }
    }

    /// Only a pre-queue and its draw.
    pub fn pre_queue(seed: u64) -> Self {
        let calm = Self::calm(seed, Duration::from_secs(4));
        Self {
            shoppers: 200,
            edges: 2,
            behaviour: Behaviour {
                early: 100,
                leave: 0,
                ..calm.behaviour
            },
            longest: Duration::from_secs(6),
            ..calm
        }
    }

    /// A big drop: everybody comes within minutes, and a few things go wrong.
    pub fn big(seed: u64, shoppers: u32, edges: usize) -> Self {
        let calm = Self::calm(seed, Duration::from_secs(120));
        // So that the line is served within a quarter of an hour.
        let users_per_minute = (shoppers / 15).max(100);
        Self {
            shoppers,
            edges,
            limits: Limits {
                users_per_minute,
                max_active: users_per_minute.saturating_mul(4),
            },
            claim_window: Duration::from_secs(120),
            pacing: PollPacing {
                budget_per_second: (shoppers / 60).max(100),
            },
            happenings: faults::of_a_big_drop(edges),
            arrivals: Duration::from_secs(300),
            longest: Duration::from_secs(2_400),
            ..calm
        }
    }

    fn calm(seed: u64, prequeue: Duration) -> Self {
        let doors_open = BEGINNING.plus(CLOCK_AHEAD).plus(prequeue);
        let drop = ScheduledDrop {
            prequeue_opens: BEGINNING,
            doors_open,
            doors_close: doors_open.plus(Duration::from_secs(24 * 3_600)),
        };
        Self {
            seed,
            shoppers: 0,
            edges: 1,
            method: Method::Shuffle,
            weights: vec![1],
            limits: Limits {
                users_per_minute: 600,
                max_active: 600,
            },
            claim_window: Duration::from_secs(60),
            session: SessionRule {
                length: Duration::from_secs(20),
                sliding: true,
                hard_cap: Duration::from_secs(60),
            },
            pacing: PollPacing {
                budget_per_second: 30_000,
            },
            // Its own times are in order, so this cannot fail.
            schedule: Schedule::new(vec![drop]).unwrap_or_default(),
            prequeue,
            arrivals: Duration::from_secs(30),
            behaviour: Behaviour {
                leave: 25,
                come_back: 30,
                no_show: 5,
                join_again: 50,
                polite: 90,
                early: 80,
                visit: Duration::from_secs(10),
            },
            happenings: Vec::new(),
            longest: Duration::from_secs(240),
            logs_joins: false,
        }
    }
}

/// The store's clock is so much ahead of the simulation's, so that it can be set back.
pub(crate) const CLOCK_AHEAD: Duration = Duration::from_secs(60);

fn pick<'a, T>(rng: &mut Xoshiro256PlusPlus, of: &'a [T]) -> &'a T {
    &of[rng.random_range(0..of.len())]
}
