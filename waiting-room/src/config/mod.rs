//! What the edge is told: a config file, or just an origin.
//!
//! The file is read as it stands, then checked as a whole: every mistake is reported at
//! once, each with its place, and nothing but a valid [`Config`] exists further in.

mod access;
mod cache;
mod coverage;
mod entrance;
mod listeners;
pub mod live;
mod origins;
mod rates;
mod raw;
mod rooms;
mod steering;
mod validate;

pub use access::{AccessConfig, AccessRule, IssuerConfig, RevocationsConfig, WhileSilent};
pub use cache::{CacheConfig, CacheRule};
pub use coverage::Coverage;
pub use entrance::{BypassRule, EntranceConfig, JwksPlace, ProofConfig, TokenPlace};
pub use listeners::{CertificateConfig, ClientLimits, TlsConfig};
pub use origins::{Address, HealthConfig, Origin, Timeouts};
pub use rates::{Per, RateRule};
pub use steering::{SteeringConfig, StockConfig};
pub use validate::Mistakes;

use contract::RoomId;
use ipnet::IpNet;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
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
    /// How long shoppers still come in after the edge was asked to stop, while it sends them elsewhere.
    pub drain: Duration,
    /// How long requests in flight are waited for at the end.
    pub grace: Duration,
    /// The folder with further languages of the pages.
    pub languages: Option<PathBuf>,
    /// Proxies in front, which say whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// How shoppers are served by TLS, if they are.
    pub tls: Option<TlsConfig>,
    /// What clients may take up.
    pub clients: ClientLimits,
    /// Where requests go. The first one takes what no room guards.
    pub origins: Vec<Origin>,
    /// What is guarded.
    pub rooms: Vec<RoomConfig>,
    /// Who may ask for what.
    pub access: AccessConfig,
    /// How much may be asked for.
    pub rates: Vec<RateRule>,
    /// What is kept of the origins' answers.
    pub cache: CacheConfig,
}

/// A config as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// TOML.
    pub text: String,
    /// The folder as seen from which it names files.
    pub folder: PathBuf,
}

impl Document {
    /// Reads a config file.
    ///
    /// # Errors
    /// [`Mistakes`], if it cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, Mistakes> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Mistakes::one(format!("cannot read {}: {error}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { text, folder })
    }

    /// What [`Config::in_front_of`] says, as a file would.
    pub fn in_front_of(origin: &str, limits: Limits) -> Self {
        let Limits {
            users_per_minute,
            max_active,
        } = limits;
        let text = format!(
            "[[origin]]\nname = \"origin\"\naddresses = [{origin:?}]\n\n[[room]]\nid = \"default\"\n\
             title = \"Waiting room\"\nusers_per_minute = {users_per_minute}\nmax_active = {max_active}\n"
        );
        Self {
            text,
            folder: PathBuf::new(),
        }
    }
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
    /// The name of its origin.
    pub origin: Arc<str>,
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
    /// How long a body its origin takes, instead of what holds for the whole edge.
    pub body_bytes: Option<u64>,
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
        let document = Document::from_file(path)?;
        Self::from_toml_in(&document.text, &document.folder)
    }

    /// Files and folders are named as seen from the config file.
    fn look_beside(&mut self, folder: &Path) {
        let of_rooms = self
            .rooms
            .iter_mut()
            .filter_map(|room| room.entrance.identity.as_mut());
        for issuer in of_rooms.chain(&mut self.access.issuers) {
            if let JwksPlace::File(file) = &mut issuer.keys {
                *file = folder.join(&file);
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.look_beside(folder);
        }
        let rooms = self
            .rooms
            .iter_mut()
            .flat_map(|room| [&mut room.pages.template, &mut room.pages.assets]);
        for path in rooms.chain([&mut self.languages]).flatten() {
            *path = folder.join(&path);
        }
    }

    /// Every issuer of access tokens, those of rooms too; one that is named in several places comes several times.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerConfig> {
        let of_rooms = self
            .rooms
            .iter()
            .filter_map(|room| room.entrance.identity.as_ref());
        self.access.issuers.iter().chain(of_rooms)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front_of_an_origin_can_be_written_down() {
        let limits = Limits::new(60, 10).unwrap();
        let document = Document::in_front_of("http://127.0.0.1:3000", limits);
        assert_eq!(
            Config::from_toml(&document.text),
            Config::in_front_of("http://127.0.0.1:3000", limits)
        );
    }
}
