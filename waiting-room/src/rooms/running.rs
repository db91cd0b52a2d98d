//! All rooms of an edge, with the tasks that keep each going. When the config changes there is another set: what has
//! not changed is in both, and what has changed hands on what must not be forgotten.

use super::{
    Counters, Joiner, Listeners, Room, Sessions, beacon, beacon::BeaconRounds, follower, joiner, sessions,
    steering,
};
use crate::{
    config::RoomConfig,
    keys::DrawSecrets,
    store::{EdgeId, LineStore},
};
use arc_swap::ArcSwapOption;
use clock::Clock;
use process::Shutdown;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use waiting_room_domain::PollPacing;

/// What the rooms of an edge stand on, whatever their config.
pub struct Ground {
    edge: EdgeId,
    secrets: Arc<DrawSecrets>,
    store: Arc<dyn LineStore>,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

/// All rooms of this edge.
pub struct Rooms {
    rooms: Vec<Arc<Room>>,
}

impl Ground {
    /// An edge of these lines.
    pub fn new(
        secrets: DrawSecrets,
        store: Arc<dyn LineStore>,
        clock: Arc<dyn Clock>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            edge: EdgeId(format!("{:016x}", u64::from_be_bytes(clock::random_bytes::<8>()))),
            secrets: Arc::new(secrets),
            store,
            clock,
            shutdown,
        }
    }
}

impl Ground {
    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

impl Rooms {
    /// No rooms.
    pub fn none() -> Self {
        Self { rooms: Vec::new() }
    }

    /// The rooms of these configs. Those that `self` has in the same way are taken over as they are; of the others the
    /// tasks are started. Those of a room that changes wait for [`Self::make_way_for`].
    ///
    /// # Errors
    /// When there is no client to ask a shop with.
    pub fn with(&self, configs: &[RoomConfig], pacing: PollPacing, ground: &Ground) -> anyhow::Result<Self> {
        let mut rooms = Vec::with_capacity(configs.len());
        for config in configs {
            let before = self.by_id(config.id.as_str());
            let same = before.filter(|room| room.config == *config && room.pacing == pacing);
            let room = match same {
                Some(room) => Ok(Arc::clone(room)),
                None => start(config, before, pacing, ground),
            };
            match room {
                Ok(room) => rooms.push(room),
                Err(error) => {
                    // Nothing of a set that does not come about goes on.
                    Self { rooms }.make_way_for(self);
                    return Err(error);
                }
            }
        }
        Ok(Self { rooms })
    }

    /// Ends the tasks of the rooms that are not in `next`; those in their place go on.
    pub fn make_way_for(&self, next: &Self) {
        for room in self.iter().filter(|room| !next.has(room)) {
            room.stop.cancel();
            room.listeners.tell_all();
            room.attention.notify_one();
        }
    }

    /// Whether this very room is among them.
    pub fn has(&self, room: &Arc<Room>) -> bool {
        self.iter().any(|other| Arc::ptr_eq(other, room))
    }

    /// Waits until every line was seen, `patience` at most.
    pub async fn seen(&self, patience: Duration) {
        let all_seen = async {
            for room in self.iter() {
                let mut changes = room.changes();
                while room.view().is_none() && changes.changed().await.is_ok() {}
            }
        };
        // A store that is silent must not keep the other rooms from changing.
        let _ = tokio::time::timeout(patience, all_seen).await;
    }

    /// The room with this identifier.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Room>> {
        self.rooms.iter().find(|room| room.config.id.as_str() == id)
    }

    /// The room that guards a path of a host: the one with the longest path, named hosts before any host.
    pub fn guarding(&self, host: &str, path: &str) -> Option<&Arc<Room>> {
        let guarding = self.rooms.iter().filter(|room| room.config.guards(host, path));
        guarding.max_by_key(|room| (room.config.host.is_some(), room.config.path.len()))
    }

    /// Every room.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Room>> {
        self.rooms.iter()
    }
}

/// A room with its tasks, in the place of `before`.
fn start(
    config: &RoomConfig,
    before: Option<&Arc<Room>>,
    pacing: PollPacing,
    ground: &Ground,
) -> anyhow::Result<Arc<Room>> {
    let room = Arc::new(match before {
        Some(before) => before.changed(config, pacing, ground),
        None => Room::new(config, pacing, ground),
    });
    let (shutdown, stop) = (&ground.shutdown, &room.stop);
    let follow = follower::follow(
        Arc::clone(&room),
        ground.edge.clone(),
        Arc::clone(&ground.clock),
        stop.clone(),
    );
    shutdown.spawn_until("follow a line", stop.clone(), follow);
    let deal = joiner::deal(Arc::clone(&room), Arc::clone(&room.joins), stop.clone());
    shutdown.spawn_until("deal numbers", stop.clone(), deal);
    if let Some(beacon) = &room.config.beacon {
        let ask = beacon::ask(Arc::clone(&room), beacon.urls.clone(), stop.clone());
        shutdown.spawn_until("ask the beacon", stop.clone(), ask);
    }
    let renew = sessions::renew(Arc::clone(&room), stop.clone());
    shutdown.spawn_until("renew sessions", stop.clone(), renew);
    steering::listen(&room, shutdown)?;
    Ok(room)
}

impl Room {
    fn new(config: &RoomConfig, pacing: PollPacing, ground: &Ground) -> Self {
        let (joiner, joins) = Joiner::new();
        Self {
            sessions: Sessions::new(config.session),
            counters: Counters::of(&config.id),
            config: config.clone(),
            pacing,
            ear: Arc::default(),
            store: Arc::clone(&ground.store),
            secrets: Arc::clone(&ground.secrets),
            view: Arc::new(ArcSwapOption::empty()),
            joiner,
            joins,
            followed: Arc::default(),
            attention: Arc::new(Notify::new()),
            listeners: Arc::new(Listeners::default()),
            beacon: Arc::new(BeaconRounds::default()),
            past: Arc::default(),
            stop: ground.shutdown.token().child_token(),
        }
    }

    /// The same room by another config.
    fn changed(&self, config: &RoomConfig, pacing: PollPacing, ground: &Ground) -> Self {
        Self {
            sessions: self.sessions.by_rule(config.session),
            ear: Arc::clone(&self.ear),
            view: Arc::clone(&self.view),
            joiner: self.joiner.clone(),
            joins: Arc::clone(&self.joins),
            followed: Arc::clone(&self.followed),
            attention: Arc::clone(&self.attention),
            listeners: Arc::clone(&self.listeners),
            beacon: Arc::clone(&self.beacon),
            past: Arc::clone(&self.past),
            ..Self::new(config, pacing, ground)
        }
    }
}
