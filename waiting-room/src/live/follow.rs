//! Every edge looks twice a second whether there is another version, tells a store that forgot, and takes back the
//! limits that a new config has overtaken.

use super::{Live, Overridden, State};
use crate::{
    config::Config,
    store::{Attribution, ConfigVersion, Note, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use waiting_room_domain::ControlChange;

/// How often an edge looks; within a second every edge has the newest version.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// A version that cannot be put into force is tried again after this time: files of its may come later.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Live {
    /// Follows the config until it is told to stop.
    ///
    /// # Errors
    /// Never: a store that is silent is asked again.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(LOOKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let mut state = self.state.lock().await;
            let looked = self.look(&mut state).await;
            if let (Err(error), false) = (&looked, silent) {
                warn!(%error, "the config cannot be looked at");
            }
            silent = looked.is_err();
        }
    }

    /// Takes over what is new, and tells what the store does not know.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn look(&self, state: &mut State) -> Result<(), StoreError> {
        let known = state.history.stamp();
        let (stamp, news) = self.store.config_since(known).await?;
        if stamp < known {
            let restored = self.store.restore_config(&state.history.all()).await?;
            warn!(
                version = known.number,
                restored, "the store had lost the newest config"
            );
        }
        state.history.take(news);
        self.catch_up(state).await;
        self.tell_file(state).await?;
        self.take_back(state).await;
        Ok(())
    }

    /// Notes which operators' limits a version has overtaken: what the config says now is the newer word.
    pub(super) fn note_overridden(&self, state: &mut State, before: &str, version: &ConfigVersion) {
        let (Ok(before), Ok(after)) = (
            Config::from_toml_in(before, &self.folder),
            Config::from_toml_in(&version.made.text, &self.folder),
        ) else {
            return;
        };
        for room in &after.rooms {
            let Some(old) = before.rooms.iter().find(|old| old.id == room.id) else {
                continue;
            };
            let changed = |same: bool| (!same).then_some(None);
            let change = ControlChange {
                users_per_minute: changed(old.limits.users_per_minute == room.limits.users_per_minute),
                max_active: changed(old.limits.max_active == room.limits.max_active),
                ..ControlChange::default()
            };
            if !change.is_empty() {
                let by = Attribution {
                    reason: Some(format!("version {} of the config", version.stamp.number)),
                    reverts: None,
                    ..version.made.by.clone()
                };
                let note = Note {
                    by,
                    ..Note::default()
                };
                state.overridden.push(Overridden {
                    room: room.id.clone(),
                    change,
                    note,
                });
            }
        }
    }

    /// Takes back the limits that were overtaken, as far as their rooms are known and the store answers.
    pub(super) async fn take_back(&self, state: &mut State) {
        let gate = self.gate.now();
        for overridden in std::mem::take(&mut state.overridden) {
            let Some(room) = gate.rooms.by_id(overridden.room.as_str()) else {
                continue;
            };
            let Some(view) = room.view().clone() else {
                state.overridden.push(overridden);
                continue;
            };
            let control = &view.snapshot.control;
            let change = &overridden.change;
            let is_set = (change.users_per_minute.is_some() && control.users_per_minute.is_some())
                || (change.max_active.is_some() && control.max_active.is_some());
            if is_set && let Err(error) = room.change_control(&view, change, overridden.note.clone()).await {
                warn!(room = %room.config.id, %error, "a limit could not be taken back yet");
                state.overridden.push(overridden);
            }
        }
    }
}
