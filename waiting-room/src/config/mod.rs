//! What the edge is told: a config file, or just an origin.
//!
//! The file is read as it stands, then checked as a whole: every mistake is reported at
//! once, each with its place, and nothing but a valid [`Config`] exists further in.

mod entrance;
mod raw;
mod steering;
mod validate;

pub use entrance::{BypassRule, EntranceConfig, IdentityConfig, JwksPlace, ProofConfig, TokenPlace};
pub use steering::{SteeringConfig, StockConfig};
pub use validate::Mistakes;

use contract::RoomId;
use ipnet::IpNet;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use waiting_room_domain::{LaneId, Limits, Method, RoomTag, Schedule, SessionRule};

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where shoppers come in.
    pub listen: SocketAddr,
    /// Polls a second that all edges of this line together will answer.
    pub poll_budget_per_second: u32,
    /// Whether cookies are sent over HTTPS only.
    pub secure_cookies: bool,
    /// How long requests in flight are waited for at the end.
    pub grace: Duration,
    /// The folder with further languages of the pages.
    pub languages: Option<PathBuf>,
    /// Proxies in front, which say whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// Where requests go. The first one takes what no room guards.
    pub origins: Vec<Origin>,
    /// What is guarded.
    pub rooms: Vec<RoomConfig>,
}

/// A web site behind the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in this file and in metrics.
    pub name: String,
    /// `host:port` of each server that serves it.
    pub addresses: Vec<String>,
    /// The name on its certificate, when it is reached by HTTPS.
    pub tls_name: Option<String>,
    /// The `Host` that it is asked for, instead of the visitor's.
    pub host: Option<String>,
    /// The path that answers 200 while it is well.
    pub health_path: String,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomConfig {
    /// Its identifier.
    pub id: RoomId,
    /// The same in four bytes.
    pub tag: RoomTag,
    /// What shoppers read.
    pub title: String,
    /// The host it guards, without port; any host if there is none.
    pub host: Option<String>,
    /// It guards this path and everything below.
    pub path: String,
    /// Index of its origin.
    pub origin: usize,
    /// How people are lined up.
    pub method: Method,
    /// Its lanes; one without a name if the file has none.
    pub lanes: Lanes,
    /// Whether its lines keep a public log.
    pub keeps_log: bool,
    /// The public beacon that its draws bind, if they do.
    pub beacon: Option<BeaconConfig>,
    /// How many come in, unless an operator says otherwise.
    pub limits: Limits,
    /// How long a called ticket may be claimed.
    pub claim_window: Duration,
    /// How long a session lasts.
    pub session: SessionRule,
    /// When the doors are open.
    pub schedule: Schedule,
    /// What the admission follows besides the limits.
    pub steering: SteeringConfig,
    /// How its pages look.
    pub pages: PageConfig,
    /// Who may get a place.
    pub entrance: EntranceConfig,
}

/// What a room's pages have of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageConfig {
    /// The language for those whose own there is not.
    pub language: Option<String>,
    /// The file of its template.
    pub template: Option<PathBuf>,
    /// The folder of the files that its template names.
    pub assets: Option<PathBuf>,
}

/// Where the public beacon is asked for its rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconConfig {
    /// Servers of the drand network, asked in this order.
    pub urls: Vec<String>,
    /// How long a draw waits for a round that was published; for ever, if nothing.
    pub patience: Option<Duration>,
}

/// A room's lanes, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    /// What shoppers and operators call them.
    pub names: Vec<String>,
    /// Their parts of the rate.
    pub weights: Vec<u32>,
    /// Whether only who is invited may stand in them.
    pub invited_only: Vec<bool>,
}

impl Lanes {
    /// The lane with this name.
    pub fn by_name(&self, name: &str) -> Option<LaneId> {
        let index = self.names.iter().position(|known| known == name)?;
        u8::try_from(index).ok().map(LaneId)
    }

    /// The name of a lane; nothing if the room has only the one.
    pub fn name(&self, lane: LaneId) -> Option<&str> {
        let name = self.names.get(lane.index())?;
        (self.names.len() > 1).then_some(name.as_str())
    }
}

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    /// [`Mistakes`]: every one that is in it.
    pub fn from_file(path: &Path) -> Result<Self, Mistakes> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Mistakes::one(format!("cannot read {}: {error}", path.display())))?;
        let mut config = Self::from_toml(&text)?;
        config.look_beside(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Files and folders are named as seen from the config file.
    fn look_beside(&mut self, folder: &Path) {
        for room in &mut self.rooms {
            if let Some(IdentityConfig {
                keys: JwksPlace::File(file),
                ..
            }) = &mut room.entrance.identity
            {
                *file = folder.join(&file);
            }
        }
        let rooms = self
            .rooms
            .iter_mut()
            .flat_map(|room| [&mut room.pages.template, &mut room.pages.assets]);
        for path in rooms.chain([&mut self.languages]).flatten() {
            *path = folder.join(&path);
        }
    }

    /// Reads the text of a config file.
    ///
    /// # Errors
    /// [`Mistakes`]: every one that is in it.
    pub fn from_toml(text: &str) -> Result<Self, Mistakes> {
        let raw = toml::from_str(text).map_err(|error| Mistakes::one(error.to_string().trim().to_owned()))?;
        validate::validate(raw)
    }

    /// A room named `default` in front of a whole web site, with limits that suit a small shop.
    ///
    /// # Errors
    /// [`Mistakes`], if `origin` is not an address.
    pub fn in_front_of(origin: &str, limits: Limits) -> Result<Self, Mistakes> {
        validate::validate(raw::Config::in_front_of(origin, limits))
    }
}
