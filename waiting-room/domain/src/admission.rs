//! Whom to call next: the heart of the gate, as one pure function.
//!
//! Admission has two bounds, and both hold at every moment: a rate, spread evenly over the minute, and a number
//! of sessions. A place is reserved when it is *called*, not when it is claimed, so claims can never overshoot the
//! sessions. The rate is met in claims: what it earns is spent by whoever comes, and as many are called as are
//! needed for that ([`crate::Turnout`]).

use crate::{
    CallLog, Lane, Limits, Method, Moment, Rounds, Snapshot, Turnout,
    lane::{Contender, apportion},
    moment::millis,
};
use std::time::Duration;

/// What one admission costs. A rate of `r` users a minute earns `r` each millisecond, so a minute earns exactly
/// `r` admissions, in integers.
pub const ADMISSION_COST: u64 = 60_000;
const COST: i64 = 60_000;

/// A pause between decisions longer than this earns no more: after an outage nobody storms in. And nobody could come
/// in meanwhile, so the claim windows do not count it.
const EARNS_AT_MOST: Duration = Duration::from_secs(1);

/// When more came than were expected, so many seconds' worth are not called at most.
const DEBT_IN_BURSTS: u64 = 10;

/// A room that always draws does so at most this often, or as often as lets this many rounds into a claim window.
const DRAWS_AT_MOST_EVERY: Duration = Duration::from_secs(1);
const DRAWS_A_WINDOW: u32 = 32;

/// Whether anybody may be called at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// People are let in.
    Open,
    /// Nobody is called: paused, before the opening, or after the close. Who was called may still come.
    Shut,
    /// Nobody is called, and nobody who was called can come in: their windows stand still.
    Held,
}

/// By which rules it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// How many come in.
    pub limits: Limits,
    /// The weight of each lane.
    pub weights: &'a [u32],
    /// Who comes before whom.
    pub method: Method,
    /// How long a called ticket may be claimed.
    pub claim_window: Duration,
    /// Whether anybody may be called.
    pub doors: Doors,
}

/// What becomes of a lane.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneDecision {
    /// Every place below may be claimed. A store never lets this fall below a number it has dealt.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
    /// How far the lane has come in the order of lanes.
    pub turn: u64,
    /// When whom was called.
    pub call_log: CallLog,
}

/// What to write back, if the state is still the one that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Every lane of the line.
    pub lanes: Vec<LaneDecision>,
    /// What is left of the rate; see [`Snapshot::credit`].
    pub credit: i64,
    /// How many had claimed by now.
    pub claims_counted: u64,
    /// Which share of the called comes.
    pub turnout: Turnout,
    /// Whether the number of sessions, not the rate, was what kept people waiting.
    pub full: bool,
    /// Those who wait undrawn are to be frozen for a draw.
    pub freeze: bool,
    /// When it was made.
    pub decided_at: Moment,
    /// Every lane's rounds, when a draw was revealed.
    pub drawn: Option<Vec<Rounds>>,
    /// Where the autopilot stands.
    pub autopilot: String,
    /// What is known of the stock.
    pub stock: String,
    /// Lines for the public log.
    pub log: Vec<String>,
}

/// Decides how far to call.
///
/// `snapshot.taken_at` is the time; the store's clock is the only clock. While people wait, places are called in
/// order at the rate. When nobody waits, up to [`Limits::burst`] places are called ahead of the joins, so that
/// newcomers walk in until a limit is met: a dormant room and a busy one are the same room.
pub fn decide(snapshot: &Snapshot, policy: &Policy<'_>) -> Decision {
    let now = snapshot.taken_at;
    // From when on calls have grown older: not at all while nobody could come in.
    let before = if stood_still(snapshot, policy) {
        now
    } else {
        snapshot.ticked_at
    };
    let mut turnout = snapshot.turnout.clone();
    turnout.stand_still(before.since(snapshot.ticked_at));
    if has_forgotten_calls(snapshot) {
        turnout.forget_calls(now);
    }
    let window = policy.claim_window;
    turnout.learn(&snapshot.claims_by_delay, snapshot.calls(), window, before, now);
    let expected = turnout.expected(snapshot.calls(), window, before, now);
    let mut lanes = settle(snapshot, policy);
    let mut books = Books::open(snapshot, policy, &turnout, expected);
    let full = match policy.doors {
        Doors::Open => call(snapshot, policy, &mut lanes, &mut books),
        Doors::Shut | Doors::Held => {
            take_back(snapshot, &mut lanes, u64::MAX);
            books.slack = books.slack.min(0);
            false
        }
    };
    for (lane, known) in lanes.iter_mut().zip(&snapshot.lanes) {
        // Only places that were dealt can be claimed, so only they have a window.
        lane.call_log.record(lane.called.min(known.issued), now);
    }
    Decision {
        freeze: policy.doors == Doors::Open && wants_draw(snapshot, policy),
        lanes,
        credit: books.slack,
        claims_counted: snapshot.claimed,
        turnout,
        full,
        decided_at: now,
        drawn: None,
        autopilot: snapshot.autopilot.clone(),
        stock: snapshot.stock.clone(),
        log: Vec::new(),
    }
}

/// Whether this is the first decision of a store that was told how far is called: it does not know when that was.
fn has_forgotten_calls(snapshot: &Snapshot) -> bool {
    let mut lanes = snapshot.lanes.iter();
    snapshot.ticked_at == Moment::default()
        && lanes.any(|lane| lane.called.min(lane.issued) > lane.settled_below)
}

/// Whether nobody could come in since the last decision.
fn stood_still(snapshot: &Snapshot, policy: &Policy<'_>) -> bool {
    policy.doors == Doors::Held || snapshot.taken_at.since(snapshot.ticked_at) > EARNS_AT_MOST
}

/// The lanes as they are, without the places whose windows have passed.
fn settle(snapshot: &Snapshot, policy: &Policy<'_>) -> Vec<LaneDecision> {
    let now = snapshot.taken_at;
    let stood_still = stood_still(snapshot, policy) && snapshot.ticked_at > Moment::default();
    let lanes = snapshot.lanes.iter().map(|lane| {
        let mut call_log = lane.call_log.clone();
        if stood_still {
            call_log.stand_still(now.since(snapshot.ticked_at));
        }
        LaneDecision {
            called: lane.called,
            settled_below: call_log.expire(lane.settled_below, now, policy.claim_window),
            turn: lane.turn,
            call_log,
        }
    });
    lanes.collect()
}

/// What the rate has earned and is not spent.
struct Books {
    /// What may be spent now, in admissions times their cost.
    slack: i64,
    /// Which share of those called comes.
    share: f64,
}

impl Books {
    fn open(snapshot: &Snapshot, policy: &Policy<'_>, turnout: &Turnout, expected: f64) -> Self {
        let limits = &policy.limits;
        let elapsed = snapshot.taken_at.since(snapshot.ticked_at).min(EARNS_AT_MOST);
        let earned = i64::from(limits.users_per_minute) * as_signed(millis(elapsed));
        // A call was paid for by the share of those who come. What chance has made of it is set right here: who came
        // beyond what was expected is paid for now, who stayed away is given back.
        let came = snapshot.claimed.saturating_sub(snapshot.claims_counted);
        let by_chance = cost_of(expected) - as_signed(came) * COST;
        // Never more than a burst of whole admissions (the part of one that is left over stays, or slow rates would
        // lose it at every admission); and never a debt of more than some seconds.
        let most = as_signed(limits.burst() + 1) * COST - 1;
        let least = -as_signed(limits.burst() * DEBT_IN_BURSTS) * COST;
        Self {
            slack: (snapshot.credit + earned + by_chance).clamp(least, most),
            share: turnout.share(policy.claim_window),
        }
    }

    /// How many may be called who wait, of whom only a share will come.
    fn affordable(&self) -> u64 {
        whole(as_float(self.slack.max(0).unsigned_abs()) / (as_float(ADMISSION_COST) * self.share))
    }

    /// How many places may be called ahead of the joins: whoever gets one is there.
    fn affordable_ahead(&self) -> u64 {
        self.slack.max(0).unsigned_abs() / ADMISSION_COST
    }

    fn call(&mut self, count: u64) {
        self.slack -= cost_of(as_float(count) * self.share);
    }

    fn call_ahead(&mut self, count: u64) {
        self.slack -= as_signed(count) * COST;
    }
}

/// Calls as far as every bound allows, and answers whether the number of sessions was what stopped it.
fn call(snapshot: &Snapshot, policy: &Policy<'_>, lanes: &mut [LaneDecision], books: &mut Books) -> bool {
    let reserved = snapshot.active.saturating_add(snapshot.outstanding());
    let max_active = u64::from(policy.limits.max_active);
    if reserved > max_active {
        take_back(snapshot, lanes, reserved - max_active);
        return true;
    }
    let by_capacity = max_active - reserved;
    let by_rate = books.affordable();
    let waiting = waiting(snapshot, policy);
    let wanted: u64 = waiting.iter().map(|lane| lane.demand).sum();
    let more = wanted.min(by_rate).min(by_capacity);
    books.call(more);
    give(lanes, waiting, more);

    let newcomers = newcomers(snapshot, policy, lanes);
    let wanted_ahead: u64 = newcomers.iter().map(|lane| lane.demand).sum();
    let by_rate_ahead = books.affordable_ahead();
    let ahead = wanted_ahead.min(by_rate_ahead).min(by_capacity - more);
    books.call_ahead(ahead);
    give(lanes, newcomers, ahead);

    if more == wanted && ahead == wanted_ahead {
        // With nobody left to call, what was earned is not saved up for a rush.
        books.slack = books.slack.min(0).max(books.slack % COST);
    }
    by_capacity < (wanted + wanted_ahead).min(by_rate.max(1))
}

/// Those who wait in each lane and could be called.
fn waiting(snapshot: &Snapshot, policy: &Policy<'_>) -> Vec<Contender> {
    contenders(snapshot, policy, |lane, _| {
        let reach = lane
            .rounds
            .callable_below(policy.method, lane.called, lane.issued);
        reach.min(lane.issued).saturating_sub(lane.called)
    })
}

/// Places for those who will come: in lanes where nobody waits, a burst ahead of the joins in all.
fn newcomers(snapshot: &Snapshot, policy: &Policy<'_>, lanes: &[LaneDecision]) -> Vec<Contender> {
    let weights: u64 = policy.weights.iter().copied().map(u64::from).sum();
    let mut decided = lanes.iter();
    contenders(snapshot, policy, |lane, weight| {
        let called = decided.next().map_or(lane.called, |lane| lane.called);
        let reach = lane
            .rounds
            .callable_below(policy.method, lane.called, lane.issued);
        if called < lane.issued || reach < u64::MAX {
            return 0;
        }
        let part = policy.limits.burst() * u64::from(weight) / weights.max(1);
        (lane.issued + part.max(1)).saturating_sub(called)
    })
}

fn contenders(
    snapshot: &Snapshot,
    policy: &Policy<'_>,
    mut demand: impl FnMut(&Lane, u32) -> u64,
) -> Vec<Contender> {
    let weight = |index: usize| policy.weights.get(index).copied().unwrap_or(1);
    let lanes = snapshot.lanes.iter().enumerate();
    lanes
        .map(|(index, lane)| Contender {
            demand: demand(lane, weight(index)),
            weight: weight(index),
            turn: lane.turn,
        })
        .collect()
}

fn give(lanes: &mut [LaneDecision], mut contenders: Vec<Contender>, count: u64) {
    if count == 0 {
        return;
    }
    let given = apportion(count, &mut contenders);
    for ((lane, more), contender) in lanes.iter_mut().zip(given).zip(contenders) {
        lane.called += more;
        lane.turn = lane.turn.max(contender.turn);
    }
}

/// Calls back up to `count` places that nobody was dealt yet.
fn take_back(snapshot: &Snapshot, lanes: &mut [LaneDecision], count: u64) {
    let mut left = count;
    for (lane, known) in lanes.iter_mut().zip(&snapshot.lanes) {
        let back = known.ahead_of_joins().min(left);
        lane.called -= back;
        left -= back;
    }
}

fn wants_draw(snapshot: &Snapshot, policy: &Policy<'_>) -> bool {
    let pause = DRAWS_AT_MOST_EVERY.max(policy.claim_window / DRAWS_A_WINDOW);
    let soon = policy.method == Method::Random && snapshot.taken_at.since(snapshot.frozen_at) < pause;
    let pending = snapshot.lanes.iter().any(|lane| lane.rounds.is_pending());
    let mut lanes = snapshot.lanes.iter();
    !soon && !pending && lanes.any(|lane| lane.rounds.wants_draw(policy.method, lane.called, lane.issued))
}

fn cost_of(admissions: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as far from 2^63 as people from stars"
    )]
    let cost = (admissions * as_float(ADMISSION_COST)) as i64;
    cost
}

fn as_float(count: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of people and their costs, below 2^52"
    )]
    let float = count as f64;
    float
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole admissions, never negative"
    )]
    let whole = number.max(0.0) as u64;
    whole
}

fn as_signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
