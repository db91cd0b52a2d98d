//! What operators change live, in memory.

use super::MemoryStore;
use crate::store::{
    CHANGES_MAX, ConfigDraft, ConfigPut, ConfigVersion, LiveStore, Note, RoomChange, StoreError, Word,
};
use async_trait::async_trait;
use contract::RoomId;
use std::collections::VecDeque;
use waiting_room_domain::{Control, Moment, Stamp};

/// The changes of a room.
#[derive(Default)]
pub(super) struct Changes {
    count: u64,
    kept: VecDeque<RoomChange>,
}

impl Changes {
    pub(super) fn note(&mut self, note: &Note, before: Control, after: Control, at: Moment) {
        self.count += 1;
        self.kept.push_back(RoomChange {
            version: self.count,
            at,
            by: note.by.clone(),
            before,
            after,
        });
        while self.kept.len() > CHANGES_MAX {
            self.kept.pop_front();
        }
    }
}

// === impl LiveStore ===

#[async_trait]
impl LiveStore for MemoryStore {
    async fn config_since(&self, known: Stamp) -> Result<(Stamp, Vec<ConfigVersion>), StoreError> {
        let rooms = self.rooms();
        Ok((rooms.config.stamp(), rooms.config.since(known)))
    }

    async fn put_config(&self, expected: u64, draft: &ConfigDraft, _: Word) -> Result<ConfigPut, StoreError> {
        let now = self.now();
        let put = self.rooms().config.put(expected, draft.clone(), now);
        Ok(put.map_or_else(ConfigPut::Conflict, ConfigPut::Written))
    }

    async fn restore_config(&self, versions: &[ConfigVersion]) -> Result<bool, StoreError> {
        Ok(self.rooms().config.take(versions.to_vec()))
    }

    async fn changes(&self, room: &RoomId) -> Result<Vec<RoomChange>, StoreError> {
        let rooms = self.rooms();
        let changes = rooms.changes.get(room);
        Ok(changes
            .map(|changes| changes.kept.iter().rev().cloned().collect())
            .unwrap_or_default())
    }
}
