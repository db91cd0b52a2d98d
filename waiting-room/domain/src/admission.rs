//! Whom to call next: the heart of the gate, as one pure function.
//!
//! Admission has two bounds, and both hold at every moment: a rate, spread evenly over the minute, and a number
//! of sessions. A place is reserved when it is *called*, not when it is claimed, so claims can never overshoot.

use crate::{CallLog, Limits, Moment, Snapshot, moment::millis};
use std::time::Duration;

/// What one admission costs. A rate of `r` users a minute earns `r` each millisecond, so a minute earns exactly
/// `r` admissions, in integers.
pub const ADMISSION_COST: u64 = 60_000;

/// A pause between decisions longer than this earns no more: after an outage nobody storms in.
const EARNS_AT_MOST: Duration = Duration::from_secs(1);

/// Whether anybody may be called at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// People are let in.
    Open,
    /// The doors are shut: paused, before the opening, or after the close.
    Shut,
}

/// What to write back, if the state is still the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Every place below may be claimed. A store never lets this fall below a number it has dealt.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
    /// What is left of the rate.
    pub credit: u64,
    /// When whom was called.
    pub call_log: CallLog,
    /// Whether the number of sessions, not the rate, was what kept people waiting.
    pub full: bool,
    /// When it was made.
    pub decided_at: Moment,
}

/// Decides how far to call.
///
/// `snapshot.taken_at` is the time; the store's clock is the only clock. While people wait, places are called in
/// order at the rate. When nobody waits, up to [`Limits::burst`] places are called ahead of the joins, so that
/// newcomers walk in until a limit is met: a dormant room and a busy one are the same room.
pub fn decide(snapshot: &Snapshot, limits: &Limits, claim_window: Duration, doors: Doors) -> Decision {
    let now = snapshot.taken_at;
    let mut call_log = snapshot.call_log.clone();
    let settled_below = call_log.expire(snapshot.settled_below, now, claim_window);

    let (called, credit, full) = match doors {
        Doors::Shut => (take_back(snapshot, u64::MAX), 0, false),
        Doors::Open => call(snapshot, limits),
    };

    // Only places that were dealt can be claimed, so only they have a window.
    call_log.record(called.min(snapshot.issued), now);
    Decision {
        called,
        settled_below,
        credit,
        call_log,
        full,
        decided_at: now,
    }
}

fn call(snapshot: &Snapshot, limits: &Limits) -> (u64, u64, bool) {
    let earned = earned(snapshot, limits);
    let reserved = snapshot.active.saturating_add(snapshot.outstanding());
    let max_active = u64::from(limits.max_active);
    if reserved > max_active {
        return (take_back(snapshot, reserved - max_active), earned, true);
    }
    let by_rate = earned / ADMISSION_COST;
    let by_capacity = max_active - reserved;
    // Ahead of the joins by a burst at most; what runs ahead already is not called again.
    let wanted = snapshot
        .issued
        .saturating_add(limits.burst())
        .saturating_sub(snapshot.called);
    let more = wanted.min(by_rate).min(by_capacity);
    let left = earned - more * ADMISSION_COST;
    // With nobody left to call, what was earned is not saved up for a rush.
    let credit = if more == wanted {
        left % ADMISSION_COST
    } else {
        left
    };
    let full = by_capacity < wanted.min(by_rate.max(1));
    (snapshot.called + more, credit, full)
}

/// What may be spent now: what was left, and what the time since has earned. Never more than a burst of whole
/// admissions; the part of one that is left over stays, or slow rates would lose it at every admission.
fn earned(snapshot: &Snapshot, limits: &Limits) -> u64 {
    let elapsed = snapshot.taken_at.since(snapshot.ticked_at).min(EARNS_AT_MOST);
    let earned = u64::from(limits.users_per_minute).saturating_mul(millis(elapsed));
    snapshot
        .credit
        .saturating_add(earned)
        .min((limits.burst() + 1) * ADMISSION_COST - 1)
}

/// Where the call stands when up to `count` places that nobody was dealt yet are called back.
fn take_back(snapshot: &Snapshot, count: u64) -> u64 {
    let ahead = snapshot.called.saturating_sub(snapshot.issued);
    snapshot.called - ahead.min(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn limits(users_per_minute: u32, max_active: u32) -> Limits {
        Limits::new(users_per_minute, max_active).unwrap()
    }

    fn snapshot(issued: u64, called: u64) -> Snapshot {
        let taken_at = Moment::from_unix_ms(1_000_000);
        Snapshot {
            issued,
            called,
            taken_at,
            ticked_at: taken_at,
            ..Snapshot::default()
        }
    }

    /// Each row: what is known, the limits, and how far is called.
    #[test]
    fn calls_as_far_as_every_bound_allows() {
        let credit = |n: u64| n * ADMISSION_COST;
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
                (5, 15, 5, 5, credit(0), 600, 8),
                8,
                "places ahead are called back when the limit falls",
            ),
            (
                (100, 0, 0, 0, credit(9), 0, 10),
                1,
                "a rate of nobody spends what is left and earns nothing",
            ),
        ];
        for ((issued, called, open_claims, active, credit, rate, max_active), expected, why) in table {
            let known = Snapshot {
                open_claims,
                active,
                credit,
                ..snapshot(issued, called)
            };
            let decision = decide(&known, &limits(rate, max_active), WINDOW, Doors::Open);
            assert_eq!(decision.called, expected, "{why}");
        }
    }

    #[test]
    fn shut_doors_call_nobody_and_call_back_what_ran_ahead() {
        let known = Snapshot {
            credit: 9 * ADMISSION_COST,
            ..snapshot(10, 14)
        };
        let decision = decide(&known, &limits(600, 100), WINDOW, Doors::Shut);
        assert_eq!((decision.called, decision.credit), (10, 0));
        assert_eq!(
            decide(&snapshot(10, 4), &limits(600, 100), WINDOW, Doors::Shut).called,
            4
        );
    }

    #[test]
    fn a_minute_earns_exactly_the_rate_however_it_is_cut() {
        for (rate, tick_ms) in [(1, 100), (7, 100), (600, 100), (601, 130), (59_999, 90)] {
            let mut line = snapshot(1_000_000, 0);
            for _ in 0..(60_000 / tick_ms) {
                line.taken_at = line.taken_at.plus(Duration::from_millis(tick_ms));
                let decision = decide(&line, &limits(rate, 10_000_000), WINDOW, Doors::Open);
                line = Snapshot {
                    called: decision.called,
                    credit: decision.credit,
                    ticked_at: decision.decided_at,
                    ..line
                };
            }
            let minute = 60_000 / tick_ms * tick_ms;
            assert_eq!(
                line.called,
                u64::from(rate) * minute / 60_000,
                "rate {rate}, tick {tick_ms}"
            );
        }
    }

    #[test]
    fn an_hour_without_a_tick_earns_no_more_than_a_burst() {
        let mut known = snapshot(1_000_000, 0);
        known.taken_at = known.taken_at.plus(Duration::from_secs(3600));
        assert_eq!(
            decide(&known, &limits(6_000, 1_000_000), WINDOW, Doors::Open).called,
            100
        );
    }

    #[test]
    fn a_place_whose_window_passed_is_free_again() {
        let mut known = snapshot(100, 10);
        known.call_log.record(10, Moment::from_unix_ms(900_000));
        let decision = decide(&known, &limits(600, 10), WINDOW, Doors::Open);
        assert_eq!(decision.settled_below, 10);
        let next = Snapshot {
            settled_below: 10,
            credit: ADMISSION_COST * 5,
            ..known
        };
        assert_eq!(decide(&next, &limits(600, 10), WINDOW, Doors::Open).called, 15);
    }

    proptest! {
        /// Whatever is read: nobody with a number is called back, and no bound is overstepped.
        #[test]
        fn every_bound_holds(
            issued in 0u64..10_000,
            called in 0u64..10_000,
            settled in 0u64..10_000,
            claims in 0u64..10_000,
            active in 0u64..10_000,
            credit in 0u64..100 * ADMISSION_COST,
            elapsed_ms in 0u64..10_000,
            rate in 0u32..100_000,
            max_active in 1u32..10_000,
            open: bool,
        ) {
            let settled_below = settled.min(called).min(issued);
            let open_claims = claims.min(called.min(issued) - settled_below);
            let mut known = Snapshot { settled_below, open_claims, active, credit, ..snapshot(issued, called) };
            known.taken_at = known.taken_at.plus(Duration::from_millis(elapsed_ms));
            let limits = limits(rate, max_active);
            let doors = if open { Doors::Open } else { Doors::Shut };
            let decision = decide(&known, &limits, WINDOW, doors);

            prop_assert!(decision.called >= called.min(issued));
            prop_assert!(decision.called <= called.max(issued + limits.burst()));
            prop_assert!(decision.credit < (limits.burst() + 1) * ADMISSION_COST);
            let more = decision.called.saturating_sub(called);
            prop_assert!(more <= limits.burst());
            if more > 0 {
                prop_assert!(open);
                prop_assert!(known.active + known.outstanding() + more <= u64::from(max_active));
            }
        }
    }
}
