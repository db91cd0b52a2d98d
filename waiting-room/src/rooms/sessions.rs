//! Sessions, as far as an edge has to do with them between claim and end: which are over though their passes are
//! not, and which are to be prolonged. A request with a valid pass reads memory only.

use super::Room;
use moka::{Expiry, sync::Cache};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use waiting_room_domain::{Moment, Renewal, SessionId, SessionRule};

/// How often gathered renewals are written.
const FLUSH: Duration = Duration::from_secs(2);
/// Sessions written in one round trip at most.
const RENEWED_MAX: usize = 2_000;
/// Sessions gathered at most; those beyond are gathered at their next request.
const GATHERED_MAX: usize = 200_000;
const REMEMBERED_MAX: u64 = 1_000_000;

/// What an edge remembers of sessions.
pub struct Sessions {
    rule: SessionRule,
    memory: Arc<Memory>,
}

/// What stays when the rule changes.
struct Memory {
    ended: Cache<SessionId, Kept>,
    prolonged: Cache<SessionId, (Moment, Kept)>,
    gathered: Mutex<HashMap<SessionId, Moment>>,
}

/// How long something is remembered: by the rule that was in force when it happened.
#[derive(Debug, Clone, Copy)]
struct Kept(Duration);

/// Forgets each thing when its own time has come.
struct InItsTime;

impl Expiry<SessionId, Kept> for InItsTime {
    fn expire_after_create(&self, _: &SessionId, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.0)
    }
}

impl Expiry<SessionId, (Moment, Kept)> for InItsTime {
    fn expire_after_create(&self, _: &SessionId, (_, kept): &(Moment, Kept), _: Instant) -> Option<Duration> {
        Some(kept.0)
    }

    fn expire_after_update(
        &self,
        _: &SessionId,
        (_, kept): &(Moment, Kept),
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.0)
    }
}

impl Sessions {
    pub(super) fn new(rule: SessionRule) -> Self {
        let remembered = Cache::builder().max_capacity(REMEMBERED_MAX);
        let memory = Memory {
            ended: remembered.expire_after(InItsTime).build(),
            prolonged: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .expire_after(InItsTime)
                .build(),
            gathered: Mutex::default(),
        };
        Self {
            rule,
            memory: Arc::new(memory),
        }
    }

    /// The same sessions by another rule.
    pub(super) fn by_rule(&self, rule: SessionRule) -> Self {
        Self {
            rule,
            memory: Arc::clone(&self.memory),
        }
    }

    pub(super) fn mark_ended(&self, session: SessionId) {
        if !self.memory.ended.contains_key(&session) {
            // A pass of an ended session is refused for as long as it can be valid.
            let kept = Kept(self.rule.hard_cap.max(self.rule.length));
            self.memory.ended.insert(session, kept);
        }
    }

    /// Whether the session is over though its pass is not.
    pub fn has_ended(&self, session: &SessionId) -> bool {
        self.memory.ended.contains_key(session)
    }

    /// Notes that the shopper is there, and answers until when the session is known to last if that is later than
    /// the pass says: then a new pass is due. A pass never outlives what the store has granted.
    pub fn touch(
        &self,
        session: SessionId,
        since: Moment,
        pass_until: Moment,
        now: Moment,
    ) -> Option<Moment> {
        // A session is prolonged in its last three quarters, so that most requests do nothing here.
        let fresh = pass_until.since(now) > self.rule.length / 4 * 3;
        if !self.rule.sliding || fresh {
            return None;
        }
        let granted = self.memory.prolonged.get(&session).map(|(until, _)| until);
        let newer = granted.filter(|until| *until > pass_until.plus(Duration::from_secs(1)));
        if newer.is_none() {
            self.gather(session, since);
        }
        newer
    }

    fn gather(&self, session: SessionId, since: Moment) {
        let mut gathered = self
            .memory
            .gathered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if gathered.len() < GATHERED_MAX {
            gathered.insert(session, since);
        }
    }

    fn prolonged_until(&self, session: SessionId, until: Moment) {
        let kept = Kept(self.rule.length);
        self.memory.prolonged.insert(session, (until, kept));
    }

    fn take_gathered(&self) -> Vec<Renewal> {
        let gathered = &self.memory.gathered;
        let gathered = std::mem::take(&mut *gathered.lock().unwrap_or_else(PoisonError::into_inner));
        gathered
            .into_iter()
            .map(|(session, since)| Renewal { session, since })
            .collect()
    }
}

/// Writes the gathered renewals every [`FLUSH`], and what is left at the end.
pub(super) async fn renew(room: Arc<Room>, token: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FLUSH) => flush(&room).await,
            () = token.cancelled() => {
                flush(&room).await;
                return Ok(());
            }
        }
    }
}

async fn flush(room: &Room) {
    let Some(view) = room.view.load_full() else { return };
    let renewals = room.sessions.take_gathered();
    for some in renewals.chunks(RENEWED_MAX) {
        match room.store.renew(&view.line, some, &room.config.session).await {
            Ok(prolonged) => {
                for (session, until) in prolonged {
                    room.sessions.prolonged_until(session, until);
                }
            }
            // Their next requests gather them again.
            Err(error) => tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "sessions not renewed"
            ),
        }
    }
}
