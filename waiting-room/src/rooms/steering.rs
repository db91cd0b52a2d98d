//! The admission follows the shop: what a view shows of it, what the deciding edge does about it, and what operators
//! see of it.

use super::{Room, View};
use crate::{
    signals::{self, Puller, Steered, Steerer, Told},
    store::LineKey,
};
use anyhow::Context;
use process::Shutdown;
use std::sync::Arc;
use tracing::info;
use waiting_room_domain::{Reach, SignalName, Signals, Snapshot, Steering, Stock, StockSeen};

/// What the line says of itself besides its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Course {
    /// The operator's rate, in users a minute; what is in force may be less.
    pub allowed_per_minute: u32,
    /// Where the autopilot stands, if the room has one.
    pub autopilot: Option<Steering>,
    /// What is left, if that was ever heard.
    pub stock: Option<StockSeen>,
}

/// What is left, as told to somebody with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockAhead {
    /// Units that an order could still get.
    pub left: u64,
    /// Whether that reaches as far as the place.
    pub reach: Reach,
}

impl Course {
    /// What this look at the line says.
    pub(super) fn of(room: &Room, snapshot: &Snapshot) -> Self {
        let steering = &room.config.steering;
        Self {
            allowed_per_minute: snapshot.control.limits(room.config.limits).users_per_minute,
            autopilot: steering.autopilot.and_then(|_| snapshot.autopilot.parse().ok()),
            stock: steering.stock.as_ref().and_then(|_| snapshot.stock.parse().ok()),
        }
    }
}

impl View {
    /// What is left for somebody with `ahead` people in front who were not called yet; nothing when it is not known.
    pub fn stock_ahead(&self, ahead: u64) -> Option<StockAhead> {
        let seen = self.course.stock?;
        let ahead = ahead.saturating_add(may_still_come(&self.snapshot));
        let reach = seen.reach(ahead, turns(&self.snapshot), self.now())?;
        Some(StockAhead {
            left: seen.stock.left,
            reach,
        })
    }

    /// What is left and how it is divided, for operators.
    pub fn stock(&self) -> Option<Stock> {
        self.stock_ahead(0)?;
        self.course.stock.map(|seen| seen.stock)
    }

    /// What the admission follows, as metrics.
    #[expect(
        clippy::cast_precision_loss,
        reason = "gauges are floating point, and nobody sells 2^53 units"
    )]
    pub(super) fn gauge_course(&self, room: &Room) {
        let id = room.config.id.to_string();
        if let Some(steering) = &self.course.autopilot {
            metrics::gauge!("waiting_room_autopilot_users_per_minute", "room" => id.clone())
                .set(f64::from(steering.rate));
        }
        if let Some(stock) = self.stock() {
            metrics::gauge!("waiting_room_stock_left", "room" => id).set(stock.left as f64);
        }
    }

    /// Whether an order can get nothing, as far as this edge knows right now.
    pub fn is_gone(&self) -> bool {
        let (now, stale) = self.now_and_stale();
        !stale && self.course.stock.is_some_and(|seen| seen.is_gone(now))
    }

    /// Whether the line is closed to newcomers: the place that the next one would get is out of reach.
    pub fn is_sold_out(&self, room: &crate::config::RoomConfig) -> bool {
        let closes = room
            .steering
            .stock
            .as_ref()
            .is_some_and(|stock| stock.closes_line);
        closes
            && self
                .stock_ahead(self.snapshot.waiting())
                .is_some_and(|stock| stock.reach == Reach::Beyond)
    }
}

/// People who were called and may still claim. Places called ahead of the joins are nobody's.
fn may_still_come(snapshot: &Snapshot) -> u64 {
    let lanes = snapshot.lanes.iter().map(|lane| {
        lane.called
            .min(lane.issued)
            .saturating_sub(lane.settled_below)
            .saturating_sub(lane.open_claims)
    });
    lanes.sum()
}

/// How many had their turn: they came in, or let it pass.
fn turns(snapshot: &Snapshot) -> u64 {
    snapshot.claimed.saturating_add(snapshot.missed())
}

impl Room {
    /// Steers this line as the config says.
    pub(super) fn steerer(&self, line: &LineKey, snapshot: &Snapshot) -> Steerer<'_> {
        Steerer {
            config: &self.config.steering,
            users_per_minute: snapshot.control.limits(self.config.limits).users_per_minute,
            doors_open: line.epoch.doors_open(),
        }
    }

    /// The next step of the deciding edge. `reports` is what every edge sees of the origin.
    pub(super) fn steer(&self, view: &View, reports: &[String]) -> Steered {
        let signals = self.ear.signals(reports);
        gauge_signals(self, &signals);
        let snapshot = &view.snapshot;
        self.steerer(&view.line, snapshot).step(&Told {
            now: snapshot.taken_at,
            turns: turns(snapshot),
            autopilot: &snapshot.autopilot,
            stock: &snapshot.stock,
            signals: &signals,
            heard: self.ear.stock(),
        })
    }

    /// Says that the autopilot has changed the rate, once that is in force.
    pub(super) fn steered(&self, steered: &Steered) {
        let Some((from, to, reason)) = steered.change else {
            return;
        };
        let direction = if to < from { "down" } else { "up" };
        info!(room = %self.config.id, from, to, %reason, "the autopilot changes the rate");
        metrics::counter!(
            "waiting_room_autopilot_steps_total",
            "room" => self.config.id.to_string(), "direction" => direction, "reason" => reason.as_str()
        )
        .increment(1);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and nobody has 2^53 orders"
)]
fn gauge_signals(room: &Room, signals: &Signals) {
    for (signal, name) in SignalName::ALL.into_iter().zip([
        "waiting_room_signal_backlog",
        "waiting_room_signal_oldest_age_ms",
        "waiting_room_signal_decision_p90_ms",
        "waiting_room_signal_origin_p90_ms",
        "waiting_room_signal_origin_errors_percent",
    ]) {
        if let Some(reading) = signals.get(signal) {
            metrics::gauge!(name, "room" => room.config.id.to_string()).set(reading.value as f64);
        }
    }
}

/// Has the shop of a room asked, if it is to be.
pub(super) fn listen(room: &Arc<Room>, shutdown: &Shutdown) -> anyhow::Result<()> {
    let steering = &room.config.steering;
    if steering.signals.is_empty() {
        return Ok(());
    }
    let product = steering.stock.as_ref().map(|stock| stock.product.as_str());
    let puller = Puller::new(&steering.signals, product).context("make a client for the signals")?;
    let (ear, id) = (Arc::clone(&room.ear), room.config.id.clone());
    shutdown.spawn_until(
        "listen to the shop",
        room.stop.clone(),
        signals::listen(ear, id, puller, room.stop.clone()),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiting_room_domain::Lane;

    #[test]
    fn places_ahead_of_the_joins_are_nobodys_and_turns_are_claimed_or_missed() {
        let lane = |issued, called, settled_below, open_claims, missed| Lane {
            issued,
            called,
            settled_below,
            open_claims,
            missed,
            ..Lane::default()
        };
        let snapshot = Snapshot {
            lanes: vec![lane(10, 6, 2, 1, 1), lane(5, 15, 5, 0, 2)],
            claimed: 7,
            ..Snapshot::default()
        };
        assert_eq!(may_still_come(&snapshot), 3);
        assert_eq!(turns(&snapshot), 10);
    }
}
