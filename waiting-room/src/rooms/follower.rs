//! Follows a line: looks at it every tick, and decides whom to call while this edge holds the lease.

use super::{
    Course, Room, draw,
    view::{LineMemory, View},
};
use crate::store::{EdgeId, LOG_LINES_AT_ONCE, LineKey, Look, Observation, StoreError};
use clock::Clock;
use std::sync::Arc;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use waiting_room_domain::{Advance, Doors, Limits, Moment, Rules, TICK, decide};

/// Looks at sessions ended up to this long before the last look, in case two writes crossed.
const LOOK_BACK_MS: u64 = 2_000;

/// The line followed now, and what must not be forgotten of it.
pub(super) type Followed = Option<(LineKey, Arc<LineMemory>)>;

struct Follower {
    room: Arc<Room>,
    edge: EdgeId,
    clock: Arc<dyn Clock>,
    /// Handed on when the room's config changes: one follower at a time.
    line: OwnedMutexGuard<Followed>,
    leading: bool,
    silent: bool,
}

pub(super) async fn follow(
    room: Arc<Room>,
    edge: EdgeId,
    clock: Arc<dyn Clock>,
    token: CancellationToken,
) -> anyhow::Result<()> {
    let line = tokio::select! {
        line = Arc::clone(&room.followed).lock_owned() => line,
        () = token.cancelled() => return Ok(()),
    };
    let mut follower = Follower {
        room,
        edge,
        clock,
        line,
        leading: false,
        silent: false,
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = follower.room.attention.notified() => {}
            () = token.cancelled() => return Ok(()),
        }
        let looked = follower.look().await;
        follower.report(looked);
    }
}

impl Follower {
    async fn look(&mut self) -> Result<(), StoreError> {
        let before = self.now();
        let (line, memory) = self.line_at(before);
        let look = Look {
            edge: &self.edge,
            marks: &memory.marks(),
            ended_since: Moment::from_unix_ms(before.unix_ms().saturating_sub(LOOK_BACK_MS)),
            report: &self.report_of_origin(),
        };
        let mut observation = self.room.store.observe(&line, look).await?;
        let seen_at = Instant::now();
        memory.saw(&observation.snapshot);
        memory.ledger().extend(std::mem::take(&mut observation.log));
        for session in &observation.ended {
            self.room.sessions.mark_ended(*session);
        }
        let view = Arc::new(self.view(line, memory, &observation, seen_at));
        let before = self.room.view.swap(Some(Arc::clone(&view)));
        if before.is_none_or(|before| is_news(&before, &view)) || self.silent {
            self.room.listeners.tell_all();
        }
        gauge(&self.room, &view);
        self.restore_log(&view, observation.log_length).await?;
        self.lead(&view, &observation).await
    }

    fn view(
        &self,
        line: LineKey,
        memory: Arc<LineMemory>,
        observation: &Observation,
        seen_at: Instant,
    ) -> View {
        let config = &self.room.config;
        let snapshot = observation.snapshot.clone();
        let (_, phase) = config.schedule.at(snapshot.taken_at);
        let steerer = self.room.steerer(&line, &snapshot);
        let limits = Limits {
            users_per_minute: steerer.rate(snapshot.taken_at, &snapshot.autopilot),
            ..snapshot.control.limits(config.limits)
        };
        View {
            line,
            phase,
            rules: Rules::of(&phase, snapshot.control.switch),
            limits,
            course: Course::of(&self.room, &snapshot),
            snapshot,
            memory,
            seen_at,
        }
    }

    /// What this edge sees of the origin, if anybody goes by it.
    fn report_of_origin(&self) -> String {
        let autopilot = self.room.config.steering.autopilot;
        autopilot.map_or_else(String::new, |_| self.room.ear.report())
    }

    /// Tells the store what it has lost of the public log.
    async fn restore_log(&self, view: &View, length: u64) -> Result<(), StoreError> {
        let lost = view.ledger().lost_by(length, LOG_LINES_AT_ONCE);
        if lost.is_empty() {
            return Ok(());
        }
        let restored = self.room.store.restore_log(&view.line, length, &lost).await?;
        warn!(line = %view.line, lines = lost.len(), restored, "the store had lost lines of the public log");
        Ok(())
    }

    /// The time to choose the line by: the store's as soon as it is known.
    fn now(&self) -> Moment {
        let view = self.room.view();
        view.as_ref()
            .map_or_else(|| Moment::from_unix_ms(self.clock.unix_ms()), |view| view.now())
    }

    fn line_at(&mut self, now: Moment) -> (LineKey, Arc<LineMemory>) {
        let (epoch, _) = self.room.config.schedule.at(now);
        let lanes = self.room.config.lanes.weights.len();
        match &*self.line {
            Some((line, memory)) if line.epoch == epoch => {
                memory.widen(lanes);
                (line.clone(), Arc::clone(memory))
            }
            _ => {
                let line = LineKey {
                    room: self.room.config.id.clone(),
                    epoch,
                };
                let memory = Arc::new(LineMemory::new(&line, lanes));
                if let Some((_, before)) = self.line.replace((line.clone(), Arc::clone(&memory))) {
                    self.room.is_past(before);
                }
                (line, memory)
            }
        }
    }

    async fn lead(&mut self, view: &View, observation: &Observation) -> Result<(), StoreError> {
        let lease = observation.lease;
        self.room.ear.set_listening(lease.is_some());
        if lease.is_some() != self.leading {
            self.leading = lease.is_some();
            info!(line = %view.line, leading = self.leading, "the lease changed hands");
        }
        let Some(fence) = lease else { return Ok(()) };
        if view.snapshot.is_recovering() {
            return Ok(());
        }
        let config = &self.room.config;
        let steered = self.room.steer(view, &observation.reports);
        let mut policy = view.policy(config);
        policy.limits.users_per_minute = steered.users_per_minute;
        let mut decision = decide(&view.snapshot, &policy);
        decision.autopilot.clone_from(&steered.autopilot);
        decision.stock.clone_from(&steered.stock);
        if config.keeps_log {
            let ledger = view.ledger();
            // Who has not read all of the log yet must not add to it.
            if ledger.length() != observation.log_length {
                return Ok(());
            }
            draw::write(&self.room, view, &ledger, &mut decision);
        }
        let revision = view.snapshot.revision;
        match self
            .room
            .store
            .advance(&view.line, &self.edge, fence, revision, &decision)
            .await?
        {
            Advance::Written => self.room.steered(&steered),
            // Somebody changed something in between; the next tick decides on what is true then.
            Advance::Stale => metrics::counter!("waiting_room_stale_decisions_total").increment(1),
        }
        Ok(())
    }

    fn report(&mut self, looked: Result<(), StoreError>) {
        match looked {
            Err(error) if !self.silent => {
                let error = anyhow::Error::from(error);
                warn!(room = %self.room.config.id, error = format!("{error:#}"), "the store is silent; holding the gate");
                self.silent = true;
                self.room.listeners.tell_all();
            }
            Ok(()) if self.silent => {
                info!(room = %self.room.config.id, "the store answers again");
                self.silent = false;
            }
            _ => {}
        }
    }
}

/// Whether everybody who waits wants to know at once.
fn is_news(before: &View, now: &View) -> bool {
    before.line != now.line
        || before.phase.as_str() != now.phase.as_str()
        || before.snapshot.control != now.snapshot.control
        || before.snapshot.draw_step != now.snapshot.draw_step
        || nothing_left(before) != nothing_left(now)
}

fn nothing_left(view: &View) -> bool {
    view.stock().is_some_and(|stock| stock.left == 0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating point; 2^53 people do not wait"
)]
fn gauge(room: &Room, view: &View) {
    let id = room.config.id.to_string();
    let set = |name: &'static str, value: f64| metrics::gauge!(name, "room" => id.clone()).set(value);
    let snapshot = &view.snapshot;
    set("waiting_room_waiting", snapshot.waiting() as f64);
    set("waiting_room_called", snapshot.outstanding() as f64);
    set("waiting_room_active_sessions", snapshot.active as f64);
    set("waiting_room_joined", snapshot.issued() as f64);
    set("waiting_room_missed", snapshot.missed() as f64);
    set(
        "waiting_room_turnout",
        snapshot.turnout.share(room.config.claim_window),
    );
    set(
        "waiting_room_users_per_minute",
        f64::from(view.limits.users_per_minute),
    );
    set("waiting_room_listeners", room.listeners.how_many() as f64);
    view.gauge_course(room);
    set("waiting_room_max_active", f64::from(view.limits.max_active));
    let calls = view.rules.doors == Doors::Open;
    set("waiting_room_open", f64::from(u8::from(calls)));
}
