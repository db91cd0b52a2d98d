//! What an operator asks of the config, and what becomes of it.

use super::{ChangedRooms, Live, State, Wanted};
use crate::{
    config::{
        Mistakes,
        live::{LineNow, changed_keys, restart_keys},
    },
    store::{Attribution, ConfigDraft, ConfigPut, ConfigVersion, RECOVERY, StoreError, Word},
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use waiting_room_domain::Stamp;

/// Between two attempts while the store is told what it forgot.
const PAUSE: Duration = Duration::from_millis(100);

/// What an operator asks.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The whole document.
    pub text: String,
    /// Who asks, and why.
    pub by: Attribution,
    /// The version that they have seen.
    pub expected: u64,
    /// Whether rooms may be removed, and what they guard opened.
    pub allow_removal: bool,
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The version in force; the one before if nothing was to be done.
    pub version: u64,
    /// What is different, a line for each key.
    pub changes: Vec<String>,
    /// Which rooms are not as they were.
    pub rooms: ChangedRooms,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The document is wrong.
    #[error("the config has mistakes")]
    Mistakes(Vec<String>),
    /// These keys cannot change while the edge runs.
    #[error("a restart is needed")]
    NeedsRestart(Vec<String>),
    /// These ways would be open, and nobody has said that they may be.
    #[error("something would be open to all")]
    WouldOpen(Vec<String>),
    /// People would lose their places.
    #[error("people would lose their places")]
    LosesPlaces(Vec<String>),
    /// This version is in force, not the one that was seen.
    #[error("version {0} is in force")]
    Conflict(u64),
    /// No such version is kept.
    #[error("there is no version {0}")]
    NoSuchVersion(u64),
    /// The store has just begun again, and hears from the edges what it forgot.
    #[error("the store is being told what it forgot")]
    Recovering,
    /// The store does not answer.
    #[error(transparent)]
    Silent(#[from] StoreError),
    /// It is in force, but not on this edge.
    #[error("version {0} cannot be put into force on this edge")]
    NotHere(u64, #[source] anyhow::Error),
}

impl From<Mistakes> for Refused {
    fn from(mistakes: Mistakes) -> Self {
        Self::Mistakes(mistakes.lines())
    }
}

impl Live {
    /// What would become of a document.
    ///
    /// # Errors
    /// Why nothing would.
    pub async fn check(&self, text: &str, allow_removal: bool) -> Result<Changed, Refused> {
        let state = self.state.lock().await;
        let wanted = self.read(text)?;
        self.allowed(&state, text, &wanted, allow_removal)
    }

    /// Makes a document the next version, and puts it into force here; the other edges follow within a second. It is
    /// finished even if whoever asked goes away.
    ///
    /// # Errors
    /// Why not; then everything is as it was, except for [`Refused::NotHere`].
    pub async fn change(self: &Arc<Self>, asked: Asked) -> Result<Changed, Refused> {
        let live = Arc::clone(self);
        let change = async move {
            let mut state = live.state.lock().await;
            live.look(&mut state).await?;
            live.put_when_told(&mut state, asked).await
        };
        finished(change).await
    }

    /// Makes the document of an earlier version the next one.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn revert(
        self: &Arc<Self>,
        version: u64,
        expected: Option<u64>,
        by: Attribution,
        allow_removal: bool,
    ) -> Result<Changed, Refused> {
        let live = Arc::clone(self);
        let change = async move {
            let mut state = live.state.lock().await;
            live.look(&mut state).await?;
            let earlier = state
                .history
                .get(version)
                .ok_or(Refused::NoSuchVersion(version))?;
            let asked = Asked {
                text: earlier.made.text.clone(),
                by: Attribution {
                    reverts: Some(version),
                    ..by
                },
                expected: expected.unwrap_or_else(|| state.history.stamp().number),
                allow_removal,
            };
            live.put_when_told(&mut state, asked).await
        };
        finished(change).await
    }

    /// [`Self::put`], once a store that has just begun has heard from the edges what it forgot.
    async fn put_when_told(&self, state: &mut State, asked: Asked) -> Result<Changed, Refused> {
        let deadline = Instant::now() + RECOVERY * 2;
        loop {
            match self.put(state, asked.clone()).await {
                Err(Refused::Recovering) if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                    self.look(state).await?;
                }
                done => return done,
            }
        }
    }

    async fn put(&self, state: &mut State, asked: Asked) -> Result<Changed, Refused> {
        let newest = state.history.stamp();
        if asked.expected != newest.number {
            return Err(Refused::Conflict(newest.number));
        }
        let wanted = self.read(&asked.text)?;
        let changed = self.allowed(state, &asked.text, &wanted, asked.allow_removal)?;
        if asked.text == state.text && state.applied == newest {
            return Ok(changed);
        }
        let files = state.history.newest().map(|newest| newest.made.files.clone());
        let made = ConfigDraft {
            by: asked.by,
            changes: changed.changes.clone(),
            files: files.unwrap_or_else(|| self.file.files.clone()),
            text: asked.text,
        };
        let stamp = match self
            .store
            .put_config(asked.expected, &made, Word::Operators)
            .await?
        {
            ConfigPut::Written(stamp) => stamp,
            ConfigPut::Conflict(number) => return Err(Refused::Conflict(number)),
            ConfigPut::Recovering => return Err(Refused::Recovering),
        };
        self.written(state, ConfigVersion { stamp, made }, wanted).await?;
        Ok(Changed {
            version: stamp.number,
            ..changed
        })
    }

    async fn written(
        &self,
        state: &mut State,
        version: ConfigVersion,
        wanted: Wanted,
    ) -> Result<(), Refused> {
        let before = state.text.clone();
        state.history.take(vec![version.clone()]);
        let Stamp { number, .. } = version.stamp;
        let applied = self.apply(state, wanted, &version).await;
        applied.map_err(|error| Refused::NotHere(number, error))?;
        self.note_overridden(state, &before, &version);
        self.take_back(state).await;
        Ok(())
    }

    /// What would become of a document, if that may be.
    fn allowed(
        &self,
        state: &State,
        text: &str,
        wanted: &Wanted,
        allow_removal: bool,
    ) -> Result<Changed, Refused> {
        let (before, after) = (&state.config, &wanted.config);
        let changes = changed_keys(&state.text, text);
        if before.needs_restart_for(after) {
            return Err(Refused::NeedsRestart(restart_keys(&changes)));
        }
        let opened = before.opens(after);
        if !opened.is_empty() && !allow_removal {
            return Err(Refused::WouldOpen(opened));
        }
        let gate = self.gate.load();
        let lost = before.rooms.iter().flat_map(|room| {
            let next = after.rooms.iter().find(|next| next.id == room.id);
            let line = gate.rooms.by_id(room.id.as_str()).and_then(|running| {
                let view = running.view();
                view.as_ref().map(|view| LineNow {
                    epoch: view.line.epoch,
                    joined: view.snapshot.issued(),
                    now: view.now(),
                })
            });
            next.map(|next| room.loses_places(next, line)).unwrap_or_default()
        });
        let lost: Vec<String> = lost.collect();
        if !lost.is_empty() {
            return Err(Refused::LosesPlaces(lost));
        }
        Ok(Changed {
            version: state.applied.number,
            changes,
            rooms: ChangedRooms::between(before, after),
        })
    }
}

/// What `change` comes to, also if nobody waits for it any more: half a change would be worse than none.
async fn finished<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::spawn(change).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
