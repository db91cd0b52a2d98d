//! The embedded store: the domain's lines behind a lock. For one edge that needs no Redis.

mod live;

use super::{
    ConfigDraft, EdgeId, Fence, Known, LEASE, LOG_LINES_AT_ONCE, LineKey, LineStore, Look, Note, Observation,
    StoreError,
};
use async_trait::async_trait;
use clock::Clock;
use contract::RoomId;
use live::Changes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, Control, ControlChange, Decision, Held, History, Holder, JoinGroup,
    JoinOutcome, LineState, Moment, Renewal, SessionId, SessionRule,
};

/// Lines of earlier drops are dropped beyond this many: a schedule adds one each.
const LINES_MAX: usize = 256;

/// What an edge that is gone has seen is forgotten after this.
const REPORTS_LAST: Duration = Duration::from_secs(10);
/// So many used things are kept without looking which of them can be forgotten.
const SPENT_AT_LEAST: usize = 1_024;

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
    changes: HashMap<RoomId, Changes>,
    config: History<ConfigDraft>,
    /// What was used once, and until when that is remembered.
    spent: HashMap<(RoomId, String), Moment>,
    spent_checked_at: usize,
}

#[derive(Default)]
struct Line {
    state: LineState,
    ended: Vec<(SessionId, Moment)>,
    /// What each edge sees of its origins, and when it said so.
    reports: HashMap<String, (String, Moment)>,
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
        let control = rooms.controls.get(&key.room).cloned();
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
        if let Some(control) = control {
            let change = ControlChange {
                switch: Some(control.switch),
                users_per_minute: Some(control.users_per_minute),
                max_active: Some(control.max_active),
                message: control.message,
            };
            line.state.change_control(&change, None, Moment::default());
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
    async fn join(&self, key: &LineKey, group: &JoinGroup, known: Known) -> Result<JoinOutcome, StoreError> {
        Ok(self.with(key, |line, now| line.state.join(group, known.incarnation, now)))
    }

    async fn held_by(&self, key: &LineKey, holders: &[Holder]) -> Result<Vec<Option<Held>>, StoreError> {
        Ok(self.with(key, |line, _| {
            let held = holders.iter().map(|holder| line.state.held_by(holder));
            held.collect()
        }))
    }

    async fn spend(&self, room: &RoomId, what: &str, keep: Duration) -> Result<bool, StoreError> {
        let now = self.now();
        let mut rooms = self.rooms();
        // Looked through when it has grown, so that it never holds much more than what is remembered.
        if rooms.spent.len() >= rooms.spent_checked_at {
            rooms.spent.retain(|_, until| *until > now);
            rooms.spent_checked_at = rooms.spent.len() * 2 + SPENT_AT_LEAST;
        }
        let name = (room.clone(), what.to_owned());
        let unused = rooms.spent.get(&name).is_none_or(|until| *until <= now);
        if unused {
            rooms.spent.insert(name, now.plus(keep));
        }
        Ok(unused)
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

    async fn observe(&self, key: &LineKey, look: Look<'_>) -> Result<Observation, StoreError> {
        Ok(self.with(key, |line, now| {
            // It cannot have forgotten; a shopper's ticket of an earlier process can still know more.
            line.state.restore(look.marks, now, Duration::ZERO);
            let ended = line
                .ended
                .iter()
                .filter(|(_, at)| *at >= look.ended_since)
                .map(|(session, _)| *session);
            let ended = ended.collect();
            let (log, log_length) = line.state.log_from(look.marks.log_length);
            let log = log.iter().take(LOG_LINES_AT_ONCE).cloned().collect();
            if !look.report.is_empty() {
                line.reports
                    .insert(look.edge.0.clone(), (look.report.to_owned(), now));
            }
            line.reports.retain(|_, (_, at)| at.plus(REPORTS_LAST) > now);
            Observation {
                snapshot: line.state.observe(now),
                ended,
                lease: line.lease(look.edge, now),
                log_length,
                log,
                reports: line.reports.values().map(|(report, _)| report.clone()).collect(),
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
                line.state.advance(revision, decision, now)
            } else {
                Advance::Stale
            }
        }))
    }

    async fn change_control(
        &self,
        key: &LineKey,
        change: &ControlChange,
        note: &Note,
    ) -> Result<(), StoreError> {
        // The line is there from now on, so that its log has the change.
        self.with(key, |_, _| ());
        let now = self.now();
        let mut rooms = self.rooms();
        let control = rooms.controls.entry(key.room.clone()).or_default();
        let after = change.on(control);
        let before = std::mem::replace(control, after.clone());
        let changes = rooms.changes.entry(key.room.clone()).or_default();
        changes.note(note, before, after, now);
        let lines = rooms.lines.iter_mut().filter(|(line, _)| line.room == key.room);
        for (line, state) in lines {
            let noted = (note.in_log && line == key).then_some(note.by.actor.as_str());
            state.state.change_control(change, noted, now);
        }
        Ok(())
    }

    async fn restore_log(&self, key: &LineKey, at: u64, lines: &[String]) -> Result<bool, StoreError> {
        Ok(self.with(key, |line, _| line.state.restore_log(at, lines)))
    }
}
