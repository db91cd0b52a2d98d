//! What operators are shown of a room.

use crate::rooms::{Room, View};
use serde::Serialize;
use std::collections::BTreeMap;
use waiting_room_domain::{SignalName, Steering, Stock};

/// The numbers of a line.
#[derive(Debug, Serialize)]
pub(super) struct RoomBody {
    room: String,
    title: String,
    method: &'static str,
    phase: &'static str,
    switch: &'static str,
    message: Option<String>,
    epoch: u32,
    /// What the operator allows.
    users_per_minute: u32,
    /// What is in force: less while a drop begins or the shop is slow.
    admits_per_minute: u32,
    max_active: u32,
    autopilot: Option<AutopilotBody>,
    stock: Option<StockBody>,
    /// Which share of those called comes.
    turnout: f64,
    lanes: Vec<LaneBody>,
    joined: u64,
    waiting: u64,
    called: u64,
    claimed: u64,
    missed: u64,
    active_sessions: u64,
    /// Whether the number of sessions, not the rate, keeps people waiting.
    full: bool,
    recovering: bool,
    store_silent: bool,
    server_time_unix_ms: u64,
}

/// Where the autopilot stands.
#[derive(Debug, Serialize)]
struct AutopilotBody {
    /// Users a minute.
    rate: u32,
    /// Why, with the numbers that decided it.
    reason: String,
    /// What it goes by, as last heard.
    signals: BTreeMap<&'static str, Option<u64>>,
}

impl AutopilotBody {
    fn of(steering: &Steering) -> Self {
        let names = SignalName::ALL.iter().map(|name| name.as_str());
        Self {
            rate: steering.rate,
            reason: steering.state.reason.to_string(),
            signals: names.zip(steering.heard).collect(),
        }
    }
}

/// What is left, for operators alone.
#[derive(Debug, Serialize)]
struct StockBody {
    left: u64,
    held: u64,
    sold: u64,
    /// Whether it reaches as far as a newcomer's place.
    reach: &'static str,
}

impl StockBody {
    fn of(view: &View) -> Option<Self> {
        let Stock { left, held, sold } = view.stock()?;
        let reach = view.stock_ahead(view.snapshot.waiting())?.reach.as_str();
        Some(Self {
            left,
            held,
            sold,
            reach,
        })
    }
}

/// The numbers of a lane.
#[derive(Debug, Serialize)]
struct LaneBody {
    name: String,
    weight: u32,
    joined: u64,
    waiting: u64,
    called: u64,
    missed: u64,
}

impl RoomBody {
    pub(super) fn of(room: &Room, view: &View) -> Self {
        let snapshot = &view.snapshot;
        Self {
            room: room.config.id.to_string(),
            title: room.config.title.clone(),
            method: room.config.method.as_str(),
            phase: view.phase.as_str(),
            switch: snapshot.control.switch.as_str(),
            message: snapshot.control.message.clone(),
            epoch: view.line.epoch.0,
            users_per_minute: view.course.allowed_per_minute,
            admits_per_minute: view.limits.users_per_minute,
            autopilot: view.course.autopilot.as_ref().map(AutopilotBody::of),
            stock: StockBody::of(view),
            max_active: view.limits.max_active,
            turnout: snapshot.turnout.share(room.config.claim_window),
            lanes: lanes(room, view),
            joined: snapshot.issued(),
            waiting: snapshot.waiting(),
            called: snapshot.outstanding(),
            claimed: snapshot.claimed,
            missed: snapshot.missed(),
            active_sessions: snapshot.active,
            full: snapshot.full,
            recovering: snapshot.is_recovering(),
            store_silent: view.is_stale(),
            server_time_unix_ms: view.now().unix_ms(),
        }
    }
}

fn lanes(room: &Room, view: &View) -> Vec<LaneBody> {
    let config = &room.config.lanes;
    let lanes = view.snapshot.lanes.iter().zip(&config.names).zip(&config.weights);
    lanes
        .map(|((lane, name), weight)| LaneBody {
            name: name.clone(),
            weight: *weight,
            joined: lane.issued,
            waiting: lane.waiting(),
            called: lane.outstanding(),
            missed: lane.missed,
        })
        .collect()
}
