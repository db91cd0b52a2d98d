//! The embedded store: the domain's lines behind a lock. For one edge that needs no Redis.

use super::{EdgeId, Fence, Known, LEASE, LineKey, LineStore, Observation, StoreError};
use async_trait::async_trait;
use clock::Clock;
use contract::RoomId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, Control, ControlChange, Decision, JoinOutcome, LineState, Marks, Moment,
    Renewal, SessionId, SessionRule,
};

/// Lines of earlier drops are dropped beyond this many: a schedule adds one each.
const LINES_MAX: usize = 256;

/// A store that lives and dies with the process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    incarnation: u64,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    lines: HashMap<LineKey, Line>,
    controls: HashMap<RoomId, Control>,
}

#[derive(Default)]
struct Line {
    state: LineState,
    ended: Vec<(SessionId, Moment)>,
    lease: Option<Lease>,
    fence: u64,
}

struct Lease {
    edge: EdgeId,
    until: Moment,
}

impl MemoryStore {
    /// An empty store; `incarnation` is any number that another process would hardly have.
    pub fn new(clock: Arc<dyn Clock>, incarnation: u64) -> Self {
        Self {
            clock,
            incarnation,
            rooms: Mutex::default(),
        }
    }

    fn now(&self) -> Moment {
        Moment::from_unix_ms(self.clock.unix_ms())
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, key: &LineKey, work: impl FnOnce(&mut Line, Moment) -> T) -> T {
        let now = self.now();
        let mut rooms = self.rooms();
        let control = rooms.controls.get(&key.room).copied();
        if rooms.lines.len() >= LINES_MAX && !rooms.lines.contains_key(key) {
            rooms.lines.retain(|line, _| line.room != key.room);
        }
        let line = rooms
            .lines
            .entry(key.clone())
            .or_insert_with(|| Line::new(self.incarnation, control));
        work(line, now)
    }
}

impl Line {
    fn new(incarnation: u64, control: Option<Control>) -> Self {
        let mut line = Self {
            state: LineState::new(incarnation),
            ..Self::default()
        };
        if let Some(Control {
            paused,
            users_per_minute,
            max_active,
        }) = control
        {
            line.state.change_control(ControlChange {
                paused: Some(paused),
                users_per_minute,
                max_active,
            });
        }
        line
    }

    /// The lease, taken if it is free.
    fn lease(&mut self, edge: &EdgeId, now: Moment) -> Option<Fence> {
        let holder = self.lease.as_ref().filter(|lease| lease.until > now);
        if holder.is_some_and(|lease| lease.edge != *edge) {
            return None;
        }
        if holder.is_none() {
            self.fence += 1;
        }
        self.lease = Some(Lease {
            edge: edge.clone(),
            until: now.plus(LEASE),
        });
        Some(Fence(self.fence))
    }

    fn holds_lease(&self, edge: &EdgeId, fence: Fence, now: Moment) -> bool {
        let lease = self.lease.as_ref().filter(|lease| lease.until > now);
        self.fence == fence.0 && lease.is_some_and(|lease| lease.edge == *edge)
    }
}

// === impl LineStore ===

#[async_trait]
impl LineStore for MemoryStore {
    async fn join(&self, key: &LineKey, count: u32, known: Known) -> Result<JoinOutcome, StoreError> {
        Ok(self.with(key, |line, _| line.state.join(count, known.incarnation)))
    }

    async fn claim(
        &self,
        key: &LineKey,
        claim: Claim,
        rule: &SessionRule,
        incarnation: u64,
    ) -> Result<ClaimOutcome, StoreError> {
        if incarnation != self.incarnation {
            return Ok(ClaimOutcome::Resync);
        }
        Ok(self.with(key, |line, now| line.state.claim(claim, rule, now)))
    }

    async fn renew(
        &self,
        key: &LineKey,
        renewals: &[Renewal],
        rule: &SessionRule,
    ) -> Result<Vec<(SessionId, Moment)>, StoreError> {
        Ok(self.with(key, |line, now| line.state.renew(renewals, rule, now)))
    }

    async fn end(&self, key: &LineKey, session: SessionId, keep: Duration) -> Result<bool, StoreError> {
        Ok(self.with(key, |line, now| {
            let was_on = line.state.end(session, now);
            if was_on {
                line.ended.retain(|(_, at)| at.plus(keep) > now);
                line.ended.push((session, now));
            }
            was_on
        }))
    }

    async fn observe(
        &self,
        key: &LineKey,
        edge: &EdgeId,
        marks: Marks,
        ended_since: Moment,
    ) -> Result<Observation, StoreError> {
        Ok(self.with(key, |line, now| {
            // It cannot have forgotten; a shopper's ticket of an earlier process can still know more.
            line.state.restore(marks, now, Duration::ZERO);
            let ended = line
                .ended
                .iter()
                .filter(|(_, at)| *at >= ended_since)
                .map(|(session, _)| *session);
            let ended = ended.collect();
            Observation {
                snapshot: line.state.observe(now),
                ended,
                lease: line.lease(edge, now),
            }
        }))
    }

    async fn advance(
        &self,
        key: &LineKey,
        edge: &EdgeId,
        fence: Fence,
        revision: u64,
        decision: &Decision,
    ) -> Result<Advance, StoreError> {
        Ok(self.with(key, |line, now| {
            if line.holds_lease(edge, fence, now) {
                line.state.advance(revision, decision)
            } else {
                Advance::Stale
            }
        }))
    }

    async fn change_control(&self, room: &RoomId, change: ControlChange) -> Result<(), StoreError> {
        let mut rooms = self.rooms();
        let control = rooms.controls.entry(room.clone()).or_default();
        *control = change.on(*control);
        let lines = rooms.lines.iter_mut().filter(|(key, _)| key.room == *room);
        lines.for_each(|(_, line)| line.state.change_control(change));
        Ok(())
    }
}
