//! Where a line is kept. Two stores keep the same promises, and one test suite holds both to them: the embedded
//! memory store for a single edge, and Redis when several edges share a line.

mod live;
mod memory;
mod redis;

pub use live::{
    Attribution, CHANGES_MAX, ConfigDraft, ConfigPut, ConfigVersion, LiveStore, Note, RoomChange, Word,
};
pub use memory::MemoryStore;
pub use redis::RedisStore;

use async_trait::async_trait;
use contract::RoomId;
use std::{fmt, time::Duration};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, Epoch, Held, Holder, JoinGroup, JoinOutcome,
    Marks, Moment, Renewal, SessionId, SessionRule, Snapshot,
};

/// An edge that has not refreshed its lease for this long has lost it. Several ticks, so that one slow answer
/// changes nothing; well under a second, so that a dead leader is hardly noticed.
pub const LEASE: Duration = Duration::from_millis(500);

/// How long a store that forgot is given to be told: longer than every edge needs to look once.
pub const RECOVERY: Duration = Duration::from_millis(1_000);

/// Which line: every scheduled drop of a room has its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineKey {
    /// The room.
    pub room: RoomId,
    /// The drop.
    pub epoch: Epoch,
}

impl fmt::Display for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.room, self.epoch.0)
    }
}

/// Names an edge process while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeId(pub String);

/// The right to decide, until another edge takes it. It grows with every holder: what an earlier holder writes
/// late is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// What an edge believes when it asks for numbers: the store refuses if it is not (or no longer) so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The life of the store.
    pub incarnation: u64,
    /// Every number of the lane that is asked for below this was dealt.
    pub issued: u64,
}

/// What an edge brings along when it looks at a line.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Who looks.
    pub edge: &'a EdgeId,
    /// What it remembers, in case the store forgot. Its lanes are those of the room.
    pub marks: &'a Marks,
    /// Sessions ended since then are asked for.
    pub ended_since: Moment,
    /// What it sees of its origins, for the edge that decides; nothing if empty.
    pub report: &'a str,
}

/// Lines of the public log that are taken or given in one round trip.
pub const LOG_LINES_AT_ONCE: usize = 2_000;

/// What an edge sees when it looks at a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The line.
    pub snapshot: Snapshot,
    /// Sessions that were ended since the moment asked for.
    pub ended: Vec<SessionId>,
    /// The right to decide, if this edge has it.
    pub lease: Option<Fence>,
    /// How many lines the public log has.
    pub log_length: u64,
    /// Those beyond the ones that the edge has, [`LOG_LINES_AT_ONCE`] at most.
    pub log: Vec<String>,
    /// What each edge sees of its origins.
    pub reports: Vec<String>,
}

/// Why the store did not answer. Whatever it was asked may or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, or refused.
    #[error("{operation}: the store did not answer")]
    Unavailable {
        /// What was asked of it.
        operation: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered something that this version does not understand.
    #[error("{operation}: the store's answer makes no sense")]
    Nonsense {
        /// What was asked of it.
        operation: &'static str,
    },
}

/// A store of lines. Every method is one round trip.
#[async_trait]
pub trait LineStore: Send + Sync + 'static {
    /// Deals numbers in a row to a group. Numbers lost on the way back are skipped, never dealt again.
    async fn join(&self, line: &LineKey, group: &JoinGroup, known: Known) -> Result<JoinOutcome, StoreError>;

    /// The places that these have, in their order.
    async fn held_by(&self, line: &LineKey, holders: &[Holder]) -> Result<Vec<Option<Held>>, StoreError>;

    /// Uses something that can be used once in a room; answers whether it was unused. It is remembered for `keep`.
    async fn spend(&self, room: &RoomId, what: &str, keep: Duration) -> Result<bool, StoreError>;

    /// Lets a called ticket in; asking again answers the same session.
    async fn claim(
        &self,
        line: &LineKey,
        claim: Claim,
        rule: &SessionRule,
        incarnation: u64,
    ) -> Result<ClaimOutcome, StoreError>;

    /// Prolongs the sessions that are still on, and answers until when.
    async fn renew(
        &self,
        line: &LineKey,
        renewals: &[Renewal],
        rule: &SessionRule,
    ) -> Result<Vec<(SessionId, Moment)>, StoreError>;

    /// Ends a session and tells every edge; answers whether it was on. The word is kept for `keep`, as long as
    /// passes of the session may be around.
    async fn end(&self, line: &LineKey, session: SessionId, keep: Duration) -> Result<bool, StoreError>;

    /// Looks at a line, tells the store what the edge remembers in case it forgot, takes or keeps the lease.
    async fn observe(&self, line: &LineKey, look: Look<'_>) -> Result<Observation, StoreError>;

    /// Puts a decision into force, if this edge still has the lease and nothing has changed since it looked.
    async fn advance(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        fence: Fence,
        revision: u64,
        decision: &Decision,
    ) -> Result<Advance, StoreError>;

    /// Changes a room's control for every edge and every line of it, and notes who did it; in the line's public log,
    /// too, if the note says so.
    async fn change_control(
        &self,
        line: &LineKey,
        change: &ControlChange,
        note: &Note,
    ) -> Result<(), StoreError>;

    /// Writes lines that the public log has lost, if they follow on the `at` lines that it has; answers whether.
    async fn restore_log(&self, line: &LineKey, at: u64, lines: &[String]) -> Result<bool, StoreError>;
}
