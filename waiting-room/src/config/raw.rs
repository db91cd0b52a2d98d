//! The config file as it is written: names and defaults, nothing checked. An unknown name is a mistake.

use super::access::{RawAccess, RawIssuer};
use super::cache::{RawCache, RawCacheRule};
use super::entrance::{RawBypass, RawIdentity, RawLimits, RawProof};
use super::listeners::{RawClients, RawTls};
use super::origins::RawOrigin;
use super::rates::RawRate;
use super::steering::{RawAutopilot, RawRamp, RawSignals, RawStock};
use serde::Deserialize;
use std::path::PathBuf;
use toml::value::Datetime;
use waiting_room_domain::Limits;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) edge: Edge,
    #[serde(default, rename = "origin")]
    pub(super) origins: Vec<RawOrigin>,
    #[serde(default, rename = "room")]
    pub(super) rooms: Vec<Room>,
    #[serde(default, rename = "issuer")]
    pub(super) issuers: Vec<RawIssuer>,
    #[serde(default)]
    pub(super) access: Vec<RawAccess>,
    #[serde(default, rename = "rate")]
    pub(super) rates: Vec<RawRate>,
    #[serde(default, rename = "cache")]
    pub(super) caches: Vec<RawCacheRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Edge {
    pub(super) listen: String,
    pub(super) poll_budget_per_second: u32,
    /// By default as far as there is TLS here.
    pub(super) secure_cookies: Option<bool>,
    pub(super) drain_seconds: u64,
    pub(super) grace_seconds: u64,
    pub(super) languages: Option<PathBuf>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) cache: RawCache,
    pub(super) tls: Option<RawTls>,
    pub(super) clients: RawClients,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Room {
    pub(super) id: String,
    pub(super) title: Option<String>,
    #[serde(default = "any_host")]
    pub(super) host: String,
    #[serde(default = "root")]
    pub(super) path: String,
    pub(super) origin: Option<String>,
    pub(super) users_per_minute: u32,
    pub(super) max_active: u32,
    pub(super) body_bytes: Option<u64>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(default, rename = "lane")]
    pub(super) lanes: Vec<Lane>,
    #[serde(default)]
    pub(super) public_log: Option<bool>,
    pub(super) beacon: Option<Beacon>,
    #[serde(default = "claim_window_seconds")]
    pub(super) claim_window_seconds: u64,
    pub(super) language: Option<String>,
    pub(super) template: Option<PathBuf>,
    pub(super) assets: Option<PathBuf>,
    #[serde(default)]
    pub(super) session: Session,
    #[serde(default, rename = "drop")]
    pub(super) drops: Vec<ScheduledDrop>,
    pub(super) ramp: Option<RawRamp>,
    pub(super) autopilot: Option<RawAutopilot>,
    pub(super) signals: Option<RawSignals>,
    pub(super) stock: Option<RawStock>,
    pub(super) identity: Option<RawIdentity>,
    pub(super) proof: Option<RawProof>,
    #[serde(default, rename = "bypass")]
    pub(super) bypasses: Vec<RawBypass>,
    #[serde(default)]
    pub(super) limits: RawLimits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Beacon {
    pub(super) urls: Vec<String>,
    #[serde(default = "minute")]
    pub(super) wait_seconds: u64,
    /// Rather no draw than one without the beacon.
    #[serde(default)]
    pub(super) required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lane {
    pub(super) name: String,
    #[serde(default = "one")]
    pub(super) weight: u32,
    #[serde(default)]
    pub(super) invited_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Session {
    pub(super) length_seconds: u64,
    pub(super) sliding: bool,
    pub(super) hard_cap_seconds: u64,
    pub(super) clients_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduledDrop {
    pub(super) prequeue_opens: Option<Datetime>,
    pub(super) doors_open: Datetime,
    pub(super) doors_close: Datetime,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            poll_budget_per_second: 30_000,
            secure_cookies: None,
            drain_seconds: 0,
            grace_seconds: 5,
            languages: None,
            trusted_proxies: Vec::new(),
            cache: RawCache::default(),
            tls: None,
            clients: RawClients::default(),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            length_seconds: 600,
            sliding: true,
            hard_cap_seconds: 3_600,
            clients_max: 10,
        }
    }
}

impl Config {
    pub(super) fn in_front_of(origin: &str, limits: Limits) -> Self {
        let room = Room {
            id: "default".to_owned(),
            title: Some("Waiting room".to_owned()),
            host: any_host(),
            path: root(),
            origin: None,
            users_per_minute: limits.users_per_minute,
            max_active: limits.max_active,
            body_bytes: None,
            method: None,
            lanes: Vec::new(),
            public_log: None,
            beacon: None,
            claim_window_seconds: claim_window_seconds(),
            language: None,
            template: None,
            assets: None,
            session: Session::default(),
            drops: Vec::new(),
            ramp: None,
            autopilot: None,
            signals: None,
            stock: None,
            identity: None,
            proof: None,
            bypasses: Vec::new(),
            limits: RawLimits::default(),
        };
        Self {
            edge: Edge::default(),
            origins: vec![RawOrigin::at(origin)],
            rooms: vec![room],
            issuers: Vec::new(),
            access: Vec::new(),
            rates: Vec::new(),
            caches: Vec::new(),
        }
    }
}

fn minute() -> u64 {
    60
}

fn one() -> u32 {
    1
}

fn any_host() -> String {
    "*".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn claim_window_seconds() -> u64 {
    60
}
