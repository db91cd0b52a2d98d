//! The config while the edge runs: which version is in force here, what makes another one so, and how every edge comes
//! to have the same one (docs/decisions/live-config.md).

mod asked;
mod begin;
mod follow;

pub use asked::{Asked, Changed, Refused};
pub use begin::Beginning;

use crate::{
    access::Issuers,
    config::{Config, Mistakes},
    edge::{Cache, Origins},
    gate::CurrentGate,
    pages::Pages,
    rooms::{Ground, Room},
    store::{ConfigDraft, ConfigVersion, LiveStore, Note},
};
use contract::RoomId;
use process::Shutdown;
use serde::Serialize;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};
use waiting_room_domain::{ControlChange, History, PollPacing, Stamp};

/// A room that is new is waited for so long before requests meet it.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The config while the edge runs.
pub struct Live {
    /// What requests meet.
    pub gate: Arc<CurrentGate>,
    origins: Arc<Origins>,
    cache: Arc<Cache>,
    /// What this edge began with: what cannot change without a restart stays as it says.
    own: Config,
    folder: PathBuf,
    /// What its file says, for all edges.
    file: ConfigDraft,
    store: Arc<dyn LiveStore>,
    ground: Ground,
    shutdown: Shutdown,
    /// One change at a time.
    state: Mutex<State>,
}

struct State {
    history: History<ConfigDraft>,
    /// The version in force here; none if this edge knows but its own file.
    applied: Stamp,
    /// What it says, and the same as it was written.
    config: Config,
    text: String,
    /// A version that could not be put into force is tried again then.
    again_at: Option<Instant>,
    /// Limits that operators set before the config said otherwise, to be taken back as soon as that can be.
    overridden: Vec<Overridden>,
}

struct Overridden {
    room: RoomId,
    change: ControlChange,
    note: Note,
}

/// A document that was read.
struct Wanted {
    config: Config,
    pages: Arc<Pages>,
}

/// Which rooms are not as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChangedRooms {
    /// New ones.
    pub added: Vec<String>,
    /// The same by another config.
    pub changed: Vec<String>,
    /// Those that are no more.
    pub removed: Vec<String>,
}

impl ChangedRooms {
    /// What becomes of the rooms of one config with the next.
    pub fn between(before: &Config, after: &Config) -> Self {
        let mut rooms = Self::default();
        for room in &after.rooms {
            match before.rooms.iter().find(|other| other.id == room.id) {
                None => rooms.added.push(room.id.to_string()),
                Some(other) if other != room => rooms.changed.push(room.id.to_string()),
                Some(_) => {}
            }
        }
        let stays = |id: &RoomId| after.rooms.iter().any(|room| room.id == *id);
        let gone = before.rooms.iter().filter(|room| !stays(&room.id));
        rooms.removed = gone.map(|room| room.id.to_string()).collect();
        rooms
    }
}

impl Live {
    /// The version in force here with its document. The stamp is 0 if this edge knows but its own file.
    pub async fn in_force(&self) -> (Stamp, String, Option<ConfigVersion>) {
        let mut state = self.state.lock().await;
        self.look_if_possible(&mut state).await;
        let version = state.history.get(state.applied.number).cloned();
        (state.applied, state.text.clone(), version)
    }

    /// All versions that are kept, the newest first.
    pub async fn versions(&self) -> Vec<ConfigVersion> {
        let mut state = self.state.lock().await;
        self.look_if_possible(&mut state).await;
        state.history.newest_first().cloned().collect()
    }

    async fn look_if_possible(&self, state: &mut State) {
        // What this edge knows is the best there is while the store is silent.
        if let Err(error) = self.look(state).await {
            let error = anyhow::Error::from(error);
            warn!(error = format!("{error:#}"), "the config cannot be looked at");
        }
    }

    fn read(&self, text: &str) -> Result<Wanted, Mistakes> {
        let config = Config::from_toml_in(text, &self.folder)?;
        let pages = Arc::new(Pages::of(&config)?);
        Ok(Wanted { config, pages })
    }

    /// Puts the newest version into force here, if it is not.
    async fn catch_up(&self, state: &mut State) {
        let Some(version) = state.history.newest().cloned() else {
            return;
        };
        let waits = state.again_at.is_some_and(|at| Instant::now() < at);
        if version.stamp == state.applied || waits {
            return;
        }
        let applied = match self.read(&version.made.text) {
            Ok(wanted) => self.apply(state, wanted, &version).await,
            Err(mistakes) => Err(mistakes.into()),
        };
        if let Err(error) = applied {
            let (version, error) = (version.stamp.number, format!("{error:#}"));
            warn!(
                version,
                error, "this edge cannot put the newest config into force; it goes on with the one before"
            );
            state.again_at = Some(Instant::now() + follow::AGAIN_AFTER);
        }
    }

    /// Puts a version into force here.
    async fn apply(&self, state: &mut State, wanted: Wanted, version: &ConfigVersion) -> anyhow::Result<()> {
        let in_force = self.own.with_live_parts_of(&wanted.config);
        self.put_in_force(&in_force, wanted.pages, SEEN_WITHIN).await?;
        let rooms = ChangedRooms::between(&state.config, &wanted.config);
        let (number, actor) = (version.stamp.number, &version.made.by.actor);
        info!(
            version = number,
            actor,
            added = ?rooms.added,
            changed = ?rooms.changed,
            removed = ?rooms.removed,
            "another config is in force"
        );
        if state.config.needs_restart_for(&wanted.config) {
            warn!(
                version = number,
                "some of this config needs a restart of this edge"
            );
        }
        state.config = wanted.config;
        state.text.clone_from(&version.made.text);
        state.applied = version.stamp;
        state.again_at = None;
        gauge(version.stamp);
        Ok(())
    }

    /// The one place where everything that is made from the config is replaced.
    async fn put_in_force(
        &self,
        config: &Config,
        pages: Arc<Pages>,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let before = self.gate.now();
        let pacing = PollPacing {
            budget_per_second: config.poll_budget_per_second,
        };
        // Rooms may name origins that are new.
        let origins_changed = self.origins.apply(&config.origins).await;
        let rooms = before.rooms.with(&config.rooms, pacing, &self.ground)?;
        rooms.seen(patience).await;
        let new: Vec<Arc<Room>> = rooms
            .iter()
            .filter(|room| !before.rooms.has(room))
            .cloned()
            .collect();
        let issuers = Issuers::start(config, before.issuers(), self.ground.clock(), &self.shutdown);
        let gate = match issuers.and_then(|issuers| before.with(rooms, pages, config, issuers)) {
            Ok(gate) => Arc::new(gate),
            Err(error) => {
                new.iter().for_each(|room| room.stop().cancel());
                return Err(error);
            }
        };
        self.gate.replace(Arc::clone(&gate));
        self.cache.adopt(&config.cache);
        if origins_changed {
            // What another server said is no answer of this one.
            self.cache.purge(None);
        }
        before.rooms.make_way_for(&gate.rooms);
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
fn gauge(version: Stamp) {
    metrics::gauge!("waiting_room_config_version").set(version.number as f64);
}
