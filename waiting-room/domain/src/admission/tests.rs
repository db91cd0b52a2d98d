use super::*;
use crate::{DELAYS, delay_index};
use proptest::prelude::*;

const WINDOW: Duration = Duration::from_secs(60);

fn limits(users_per_minute: u32, max_active: u32) -> Limits {
    Limits::new(users_per_minute, max_active).unwrap()
}

fn policy(users_per_minute: u32, max_active: u32) -> Policy<'static> {
    Policy {
        limits: limits(users_per_minute, max_active),
        weights: &[1],
        method: Method::Fifo,
        claim_window: WINDOW,
        doors: Doors::Open,
    }
}

fn lane(issued: u64, called: u64) -> Lane {
    Lane {
        issued,
        called,
        ..Lane::default()
    }
}

fn snapshot(issued: u64, called: u64) -> Snapshot {
    let taken_at = Moment::from_unix_ms(1_000_000);
    Snapshot {
        lanes: vec![lane(issued, called)],
        taken_at,
        ticked_at: taken_at,
        ..Snapshot::default()
    }
}

/// A line that decides every 100 ms and whose called shoppers come by `comes`: a delay, or never.
struct Room {
    line: Snapshot,
    /// When those who were called will come, by lane-less rank.
    coming: Vec<(u64, Duration)>,
}

impl Room {
    fn new(issued: u64) -> Self {
        Self {
            line: snapshot(issued, 0),
            coming: Vec::new(),
        }
    }

    fn tick(&mut self, policy: &Policy<'_>, comes: impl Fn(u64) -> Option<Duration>) {
        let now = self.line.taken_at.plus(Duration::from_millis(100));
        self.line.taken_at = now;
        let due: Vec<_> = self
            .coming
            .extract_if(.., |(at, _)| *at <= now.unix_ms())
            .collect();
        for (_, delay) in due {
            self.line.claimed += 1;
            self.line.claims_by_delay[delay_index(delay)] += 1;
            self.line.lanes[0].open_claims += 1;
        }
        let before = self.line.lanes[0].called.min(self.line.lanes[0].issued);
        let decision = decide(&self.line, policy);
        let decided = &decision.lanes[0];
        for rank in before..decided.called.min(self.line.lanes[0].issued) {
            if let Some(delay) = comes(rank) {
                self.coming.push((now.plus(delay).unix_ms(), delay));
            }
        }
        let lane = &mut self.line.lanes[0];
        let settled = decided.settled_below - lane.settled_below;
        lane.open_claims = lane.open_claims.saturating_sub(settled);
        lane.called = decided.called;
        lane.settled_below = decided.settled_below;
        lane.call_log = decided.call_log.clone();
        self.line.credit = decision.credit;
        self.line.claims_counted = decision.claims_counted;
        self.line.turnout = decision.turnout;
        self.line.ticked_at = now;
    }

    fn minute(&mut self, policy: &Policy<'_>, comes: impl Fn(u64) -> Option<Duration> + Copy) -> u64 {
        let before = self.line.claimed;
        (0..600).for_each(|_| self.tick(policy, comes));
        self.line.claimed - before
    }
}

#[test]
fn a_store_that_forgot_who_was_called_when_does_not_take_the_places_for_calls_of_now() {
    let mut room = Room::new(100_000);
    // As edges tell it: where the line stands, and nothing else.
    room.line.lanes[0].called = 10_000;
    room.line.ticked_at = Moment::default();
    let policy = policy(600, 100_000);
    let soon = |rank| Some(Duration::from_millis(rank % 30 * 100));
    for minute in 0..4 {
        let claims = room.minute(&policy, soon);
        assert!(claims <= 630, "{claims} in minute {minute}");
    }
    let claims = room.minute(&policy, soon);
    assert!((570..=630).contains(&claims), "{claims} in the end");
}

/// Each row: what is known, the limits, and how far is called.
#[test]
fn calls_as_far_as_every_bound_allows() {
    let credit = |n: i64| n * COST;
    let table = [
        // (issued, called, open_claims, active, credit, rate, max_active) → called
        ((100, 0, 0, 0, credit(3), 600, 1_000), 3, "the rate bounds"),
        (
            (100, 0, 0, 0, credit(3) - 1, 600, 1_000),
            2,
            "part of an admission is none",
        ),
        ((100, 10, 10, 8, credit(5), 600, 10), 12, "the sessions bound"),
        (
            (100, 10, 0, 0, credit(5), 600, 10),
            10,
            "called places are reserved",
        ),
        (
            (100, 10, 10, 30, credit(5), 600, 10),
            10,
            "nobody is called back who has a number",
        ),
        (
            (5, 5, 5, 5, credit(10), 600, 1_000),
            15,
            "a burst ahead of the joins, for newcomers",
        ),
        (
            (5, 15, 5, 5, credit(10), 600, 1_000),
            15,
            "and no more than a burst",
        ),
        (
            (5, 15, 5, 5, credit(10), 600, 8),
            8,
            "places ahead are called back when the limit falls",
        ),
        (
            (100, 0, 0, 0, credit(9), 0, 10),
            1,
            "a rate of nobody spends what is left and earns nothing",
        ),
        ((100, 0, 0, 0, -1, 600, 1_000), 0, "a debt is paid first"),
    ];
    for ((issued, called, open_claims, active, credit, rate, max_active), expected, why) in table {
        let mut known = snapshot(issued, called);
        known.lanes[0].open_claims = open_claims;
        (known.active, known.credit) = (active, credit);
        let decision = decide(&known, &policy(rate, max_active));
        assert_eq!(decision.lanes[0].called, expected, "{why}");
    }
}

#[test]
fn shut_doors_call_nobody_and_call_back_what_ran_ahead() {
    for doors in [Doors::Shut, Doors::Held] {
        let known = Snapshot {
            credit: 9 * COST,
            ..snapshot(10, 14)
        };
        let shut = Policy {
            doors,
            ..policy(600, 100)
        };
        let decision = decide(&known, &shut);
        assert_eq!((decision.lanes[0].called, decision.credit), (10, 0));
        assert_eq!(decide(&snapshot(10, 4), &shut).lanes[0].called, 4);
    }
}

#[test]
fn a_minute_earns_the_rate_however_slow() {
    for rate in [1, 7, 600, 601, 59_999] {
        let mut room = Room::new(1_000_000);
        let at_once = |_| Some(Duration::ZERO);
        room.minute(&policy(rate, 10_000_000), at_once);
        let claims = room.minute(&policy(rate, 10_000_000), at_once);
        assert!(
            claims.abs_diff(u64::from(rate)) <= 1,
            "{claims} at a rate of {rate}"
        );
    }
}

/// The rate is met in claims, whatever share of those called is gone, and however long the others take.
#[test]
fn no_shows_are_made_up_for() {
    for no_shows in [0, 30, 60, 80] {
        for delay_ms in [300, 3_000, 20_000] {
            // As regular as a property test can be: every so many of a hundred never come.
            let comes = |rank: u64| (rank * 37 % 100 >= no_shows).then_some(Duration::from_millis(delay_ms));
            let mut room = Room::new(10_000_000);
            let policy = policy(600, 1_000_000);
            let first = room.minute(&policy, comes);
            assert!(first <= 660, "{first} in the first minute");
            let soon = no_shows <= 60 && delay_ms <= 3_000;
            for minute in 2..8 {
                let claims = room.minute(&policy, comes);
                assert!(
                    claims.abs_diff(600) <= 30 || (minute < 4 && !soon),
                    "{claims} claims in minute {minute} with {no_shows} % no-shows after {delay_ms} ms"
                );
            }
        }
    }
}

/// Whatever the claim window, also one that ends within an age that the turnout tells apart.
#[test]
fn no_shows_are_made_up_for_in_every_claim_window() {
    for (window_seconds, delay_ms) in [
        (5, 800),
        (5, 4_500),
        (10, 800),
        (10, 9_000),
        (45, 800),
        (45, 40_000),
    ] {
        let comes = |rank: u64| (rank * 37 % 100 >= 60).then_some(Duration::from_millis(delay_ms));
        let mut room = Room::new(10_000_000);
        let policy = Policy {
            claim_window: Duration::from_secs(window_seconds),
            ..policy(600, 1_000_000)
        };
        for _learning in 0..4 {
            room.minute(&policy, comes);
        }
        for minute in 4..6 {
            let claims = room.minute(&policy, comes);
            assert!(
                claims.abs_diff(600) <= 30,
                "{claims} claims in minute {minute}, within {window_seconds} s, after {delay_ms} ms"
            );
        }
    }
}

#[test]
fn an_hour_without_a_tick_earns_no_more_than_a_burst_and_ends_no_window() {
    let mut known = snapshot(1_000_000, 10);
    known.lanes[0].call_log.record(10, known.taken_at);
    known.taken_at = known.taken_at.plus(Duration::from_secs(3600));
    let decision = decide(&known, &policy(6_000, 1_000_000));
    assert!(decision.lanes[0].called <= 110);
    assert_eq!(decision.lanes[0].settled_below, 0, "nobody could have come");
}

#[test]
fn windows_stand_still_while_the_doors_are_held() {
    let mut known = snapshot(100, 10);
    known.lanes[0].call_log.record(10, known.taken_at);
    let held = Policy {
        doors: Doors::Held,
        ..policy(600, 10)
    };
    for _ in 0..1_200 {
        known.taken_at = known.taken_at.plus(Duration::from_millis(100));
        let decision = decide(&known, &held);
        assert_eq!(decision.lanes[0].settled_below, 0);
        known.lanes[0].call_log = decision.lanes[0].call_log.clone();
        known.ticked_at = decision.decided_at;
    }
}

#[test]
fn a_place_whose_window_passed_is_free_again() {
    let mut known = snapshot(100, 10);
    known.lanes[0].call_log.record(10, Moment::from_unix_ms(900_000));
    let decision = decide(&known, &policy(600, 10));
    assert_eq!(decision.lanes[0].settled_below, 10);
    known.lanes[0].settled_below = 10;
    known.lanes[0].call_log = decision.lanes[0].call_log.clone();
    known.credit = COST * 5;
    assert_eq!(decide(&known, &policy(600, 10)).lanes[0].called, 15);
}

#[test]
fn lanes_share_the_rate_by_weight_whether_people_wait_or_walk_in() {
    for (issued, seconds, expected) in [(1_000, 8, [6, 2]), (0, 10, [7, 2])] {
        let mut known = snapshot(issued, 0);
        known.lanes.push(lane(issued, 0));
        known.credit = seconds * COST;
        let lanes = Policy {
            weights: &[3, 1],
            ..policy(600, 1_000)
        };
        let decision = decide(&known, &lanes);
        let called: Vec<_> = decision.lanes.iter().map(|lane| lane.called).collect();
        assert_eq!(called, expected, "{issued} in each");
    }
}

#[test]
fn nobody_is_called_before_the_draw() {
    let mut known = snapshot(100, 0);
    known.credit = 10 * COST;
    let shuffle = Policy {
        method: Method::Shuffle,
        ..policy(600, 1_000)
    };
    let decision = decide(&known, &shuffle);
    assert!(decision.freeze);
    assert_eq!(decision.lanes[0].called, 0);
    known.lanes[0].rounds.freeze(0, 100);
    let decision = decide(&known, &shuffle);
    assert!(!decision.freeze);
    assert_eq!(decision.lanes[0].called, 0, "frozen and not revealed");
    known.lanes[0].rounds.reveal(fairness::Seed([1; 32]));
    assert_eq!(decide(&known, &shuffle).lanes[0].called, 10);
}

proptest! {
    /// Whatever is read: nobody with a number is called back, and no bound is overstepped.
    #[test]
    fn every_bound_holds(
        lanes in proptest::collection::vec((0u64..10_000, 0u64..10_000, 0u64..10_000, 0u64..10_000, 1u32..5), 1..4),
        active in 0u64..10_000,
        credit in -100 * COST..100 * COST,
        elapsed_ms in 0u64..10_000,
        rate in 0u32..100_000,
        max_active in 1u32..10_000,
        claims in proptest::array::uniform11(0u64..100),
        doors in prop_oneof![Just(Doors::Open), Just(Doors::Shut), Just(Doors::Held)],
        method in prop_oneof![Just(Method::Fifo), Just(Method::Shuffle), Just(Method::Random)],
    ) {
        let weights: Vec<_> = lanes.iter().map(|lane| lane.4).collect();
        let known_lanes = lanes.iter().map(|(issued, called, settled, claims, _)| {
            let settled_below = *settled.min(called).min(issued);
            let open_claims = *claims.min(&(called.min(issued) - settled_below));
            Lane { settled_below, open_claims, ..lane(*issued, *called) }
        });
        let mut known = Snapshot { lanes: known_lanes.collect(), active, credit, ..snapshot(0, 0) };
        known.claims_by_delay = claims;
        known.claimed = claims.iter().sum();
        known.taken_at = known.taken_at.plus(Duration::from_millis(elapsed_ms));
        let limits = limits(rate, max_active);
        let decision = decide(&known, &Policy { limits, weights: &weights, method, claim_window: WINDOW, doors });

        let mut more = 0;
        for (decided, known) in decision.lanes.iter().zip(&known.lanes) {
            prop_assert!(decided.called >= known.called.min(known.issued));
            prop_assert!(decided.called <= known.called.max(known.issued + limits.burst()));
            more += decided.called.saturating_sub(known.called);
        }
        let at_most = (limits.burst() + 1) * 10;
        prop_assert!(more <= at_most, "{more} at once");
        if more > 0 {
            prop_assert_eq!(doors, Doors::Open);
            prop_assert!(known.active + known.outstanding() + more <= u64::from(max_active));
        }
    }
}

const _: () = assert!(DELAYS == 11, "the property above makes as many");
