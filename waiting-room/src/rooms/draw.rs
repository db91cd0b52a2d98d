//! What the leading edge writes into the public log beside its decision: the commitment to the next draw, the
//! revelation of one that was frozen, and how far was called.

use super::{
    Room,
    beacon::round_for,
    ledger::{Frozen, Ledger, NotedCall},
    view::View,
};
use crate::config::RoomConfig;
use fairness::{Beacon, Entry, Revealed, Secret, beacon::QUICKNET, commitment, seed::seed};
use tracing::{error, warn};
use waiting_room_domain::{Decision, Lane, Method, Moment, Phase, Rounds};

/// Calls are noted this often: for whoever checks, not for whoever waits.
const CALLS_NOTED_EVERY_MS: u64 = 1_000;

/// Puts into `decision` what is due. `ledger` must be the whole log as the store has it.
pub(super) fn write(room: &Room, view: &View, ledger: &Ledger, decision: &mut Decision) {
    let at = decision.decided_at.unix_ms();
    if room.config.method.draws() {
        // Nothing is frozen that was not committed to; and whoever joins the moment after joins a draw that was, too.
        let committed = draws_ahead(&room.config, view).all(|draw| ledger.commitment(draw).is_some());
        decision.freeze &= committed;
        reveal(room, view, ledger, at, decision);
        commit(room, view, ledger, at, decision);
    }
    note_calls(view, ledger, at, decision);
}

fn commit(room: &Room, view: &View, ledger: &Ledger, at: u64, decision: &mut Decision) {
    for draw in draws_ahead(&room.config, view).filter(|draw| ledger.commitment(*draw).is_none()) {
        let secret = room.secrets.first(&view.line, draw);
        let entry = Entry::Commit {
            at,
            draw,
            commitment: commitment(&secret),
            beacon: beacon_for(room, view, draw, at),
        };
        decision.log.push(entry.to_string());
    }
}

/// The draws that must be committed to by now: the next, and in rounds also the one after it.
fn draws_ahead(room: &RoomConfig, view: &View) -> std::ops::Range<u32> {
    let next = view.snapshot.draws;
    match room.method {
        Method::Random => next..next.saturating_add(2),
        _ if next == 0 => 0..1,
        _ => next..next,
    }
}

fn reveal(room: &Room, view: &View, ledger: &Ledger, at: u64, decision: &mut Decision) {
    let is_pending = view.snapshot.draw_step % 2 == 1;
    let Some(draw) = view.snapshot.draws.checked_sub(1).filter(|_| is_pending) else {
        return;
    };
    let (Some(promised), Some(frozen)) = (ledger.commitment(draw), ledger.frozen(draw)) else {
        return;
    };
    let Some(secret) = room.secrets.promised(&view.line, draw, &promised.commitment) else {
        error!(room = %room.config.id, draw, "no key on the ring fits the commitment of the draw; put the key back that was there when the line began");
        return;
    };
    let Some(beacon) = revealed(room, promised.beacon.as_ref(), at) else {
        return;
    };
    let rounds = drawn(view, &secret, frozen, &beacon);
    let entry = Entry::Reveal {
        at,
        draw,
        secret,
        beacon,
    };
    decision.log.push(entry.to_string());
    decision.drawn = Some(rounds);
}

/// The beacon's round for a draw. Only the first draw of a line has a moment that is known beforehand.
fn beacon_for(room: &Room, view: &View, draw: u32, at: u64) -> Option<Beacon> {
    if room.config.beacon.is_none() || draw > 0 {
        return None;
    }
    let doors_open = match view.phase {
        Phase::Early { doors_open, .. } | Phase::PreQueue { doors_open } => Some(doors_open),
        Phase::Open { .. } | Phase::Closed => None,
    };
    Some(round_for(&QUICKNET, Moment::from_unix_ms(at), doors_open))
}

/// What the beacon said of the round that was promised. Nothing while it is worth waiting for.
fn revealed(room: &Room, promised: Option<&Beacon>, at: u64) -> Option<Revealed> {
    let Some(beacon) = promised else {
        return Some(Revealed::None);
    };
    if let Some(signature) = room.beacon.signature(beacon) {
        return Some(Revealed::Signature(signature));
    }
    let patience = room.config.beacon.as_ref().and_then(|beacon| beacon.patience);
    let patience = u64::try_from(patience?.as_millis()).unwrap_or(u64::MAX);
    if at < QUICKNET.published_at(beacon.round).saturating_add(patience) {
        return None;
    }
    warn!(room = %room.config.id, round = beacon.round, "the beacon did not come in time; drawn without it, and the log says so");
    Some(Revealed::Missing)
}

/// Every lane's rounds with the frozen one drawn, and without those that are over.
fn drawn(view: &View, secret: &Secret, frozen: &Frozen, beacon: &Revealed) -> Vec<Rounds> {
    let mut lanes: Vec<_> = view
        .snapshot
        .lanes
        .iter()
        .map(|lane| lane.rounds.clone())
        .collect();
    for range in &frozen.ranges {
        if let Some(rounds) = lanes.get_mut(usize::from(range.lane))
            && rounds.pending() == Some((range.from, range.to))
        {
            rounds.reveal(seed(secret, &frozen.head, range, beacon.signature()));
        }
    }
    for (rounds, lane) in lanes.iter_mut().zip(&view.snapshot.lanes) {
        rounds.forget(lane.settled_below);
    }
    lanes
}

fn note_calls(view: &View, ledger: &Ledger, at: u64, decision: &mut Decision) {
    let lanes = view.snapshot.lanes.iter().zip(&decision.lanes);
    for ((lane, decided), index) in lanes.zip(0u8..) {
        let noted = ledger.noted_call(index);
        let soon = noted.is_some_and(|noted| noted.at + CALLS_NOTED_EVERY_MS > at);
        let now = NotedCall {
            at: noted.map_or(at, |noted| noted.at),
            called: decided.called.min(lane.issued),
            claimed: claimed(lane),
            missed: lane.missed,
        };
        let nothing = now.called + now.claimed + now.missed == 0;
        // What is called when others are frozen is not drawn with them, and the log says so before.
        let due = !soon || decision.freeze;
        if !due || noted == Some(&now) || (noted.is_none() && nothing) {
            continue;
        }
        let entry = Entry::Call {
            at,
            lane: index,
            called: now.called,
            claimed: now.claimed,
            missed: now.missed,
        };
        decision.log.push(entry.to_string());
    }
}

/// Of those whose window has passed, all who were not missed; and of the others those who have claimed.
fn claimed(lane: &Lane) -> u64 {
    lane.settled_below.saturating_sub(lane.missed) + lane.open_claims
}
