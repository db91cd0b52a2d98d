//! The config file as it is written: names and defaults, nothing checked. An unknown name is a mistake.

use super::entrance::{RawBypass, RawIdentity, RawLimits, RawProof};
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
    pub(super) origins: Vec<Origin>,
    #[serde(default, rename = "room")]
    pub(super) rooms: Vec<Room>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Edge {
    pub(super) listen: String,
    pub(super) poll_budget_per_second: u32,
    pub(super) secure_cookies: bool,
    pub(super) grace_seconds: u64,
    pub(super) languages: Option<PathBuf>,
    pub(super) trusted_proxies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    pub(super) name: String,
    /// `http://host:port` or `https://host:port`, one or several.
    pub(super) addresses: Vec<String>,
    pub(super) host: Option<String>,
    #[serde(default = "health_path")]
    pub(super) health_path: String,
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
            secure_cookies: false,
            grace_seconds: 5,
            languages: None,
            trusted_proxies: Vec::new(),
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
        let origin = Origin {
            name: "origin".to_owned(),
            addresses: vec![origin.to_owned()],
            host: None,
            health_path: root(),
        };
        let room = Room {
            id: "default".to_owned(),
            title: Some("Waiting room".to_owned()),
            host: any_host(),
            path: root(),
            origin: None,
            users_per_minute: limits.users_per_minute,
            max_active: limits.max_active,
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
            origins: vec![origin],
            rooms: vec![room],
        }
    }
}

fn minute() -> u64 {
    60
}

fn one() -> u32 {
    1
}

fn health_path() -> String {
    "/".to_owned()
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
