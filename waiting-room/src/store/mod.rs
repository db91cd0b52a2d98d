//! Where a line is kept. Two stores keep the same promises, and one test suite holds both to them: the embedded
//! memory store for a single edge, and Redis when several edges share a line.

mod memory;
mod redis;

pub use memory::MemoryStore;
pub use redis::RedisStore;

use async_trait::async_trait;
use contract::RoomId;
use std::{fmt, time::Duration};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, Epoch, JoinOutcome, Marks, Moment, Renewal,
    SessionId, SessionRule, Snapshot,
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
    /// Every number below was dealt.
    pub issued: u64,
}

/// What an edge sees when it looks at a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The line.
    pub snapshot: Snapshot,
    /// Sessions that were ended since the moment asked for.
    pub ended: Vec<SessionId>,
    /// The right to decide, if this edge has it.
    pub lease: Option<Fence>,
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
    /// Deals `count` numbers in a row. Numbers lost on the way back are skipped, never dealt again.
    async fn join(&self, line: &LineKey, count: u32, known: Known) -> Result<JoinOutcome, StoreError>;

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
    async fn observe(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        marks: Marks,
        ended_since: Moment,
    ) -> Result<Observation, StoreError>;

    /// Puts a decision into force, if this edge still has the lease and nothing has changed since it looked.
    async fn advance(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        fence: Fence,
        revision: u64,
        decision: &Decision,
    ) -> Result<Advance, StoreError>;

    /// Changes a room's control for every edge and every line of it.
    async fn change_control(&self, room: &RoomId, change: ControlChange) -> Result<(), StoreError>;
}
