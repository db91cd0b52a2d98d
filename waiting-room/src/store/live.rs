//! What operators change live, as a store keeps it: the config's versions, and what was changed in each room.

use super::StoreError;
use async_trait::async_trait;
use contract::RoomId;
use serde::{Deserialize, Serialize};
use waiting_room_domain::{Control, Moment, Stamp, Version};

/// Changes that are kept of each room; the oldest are forgotten first.
pub const CHANGES_MAX: usize = 200;

/// Who changes something, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// The operator's name, or `file`.
    pub actor: String,
    /// Whether a token of their own says so; otherwise they say so themselves.
    pub proven: bool,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version that this goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverts: Option<u64>,
}

/// A version of the config before it has a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigDraft {
    /// Who and why.
    #[serde(flatten)]
    pub by: Attribution,
    /// What is different from the version before, a line each.
    pub changes: Vec<String>,
    /// Hashes of the config files that this version contains or has overtaken. An edge that starts with one of them
    /// has nothing new to say.
    pub files: Vec<String>,
    /// The whole document.
    pub text: String,
}

/// A version of the config.
pub type ConfigVersion = Version<ConfigDraft>;

/// What became of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigPut {
    /// It is in force.
    Written(Stamp),
    /// It was made from another version than this one, which is in force.
    Conflict(u64),
    /// The store may have forgotten something, and waits for edges that know.
    Recovering,
}

/// Whose word a new version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// An operator's: it waits until the store knows what it forgot.
    Operators,
    /// A config file's: an edge that starts waits for nobody. What other edges know stands above it.
    Files,
}

/// What operators changed in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomChange {
    /// Counts the changes of the room.
    pub version: u64,
    /// By the store's clock.
    pub at: Moment,
    /// Who and why.
    pub by: Attribution,
    /// How it was.
    pub before: Control,
    /// How it is since then.
    pub after: Control,
}

/// What is noted of a change in a room.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// Who and why.
    #[serde(flatten)]
    pub by: Attribution,
    /// Whether the line's public log is to say so, too.
    #[serde(skip)]
    pub in_log: bool,
}

impl Note {
    /// What `actor` says of themselves.
    pub fn of(actor: &str) -> Self {
        let by = Attribution {
            actor: actor.to_owned(),
            ..Attribution::default()
        };
        Self {
            by,
            ..Self::default()
        }
    }
}

/// A store of what operators change live. Every method is one round trip.
#[async_trait]
pub trait LiveStore: Send + Sync + 'static {
    /// The stamp of the config in force (0 if the store knows none), and the versions that are news to somebody who
    /// knows `known`, the oldest first.
    async fn config_since(&self, known: Stamp) -> Result<(Stamp, Vec<ConfigVersion>), StoreError>;

    /// Puts a version into force, if `expected` is the number of the one that is.
    async fn put_config(
        &self,
        expected: u64,
        draft: &ConfigDraft,
        word: Word,
    ) -> Result<ConfigPut, StoreError>;

    /// Tells a store that forgot: all versions that an edge knows, the oldest first. Answers whether they were news.
    async fn restore_config(&self, versions: &[ConfigVersion]) -> Result<bool, StoreError>;

    /// What was changed in a room, the newest first.
    async fn changes(&self, room: &RoomId) -> Result<Vec<RoomChange>, StoreError>;
}
