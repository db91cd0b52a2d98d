//! The origins of a config file as they are written: names and defaults, nothing checked.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawOrigin {
    pub(in crate::config) name: String,
    /// `http://host:port` or `https://host:port`, one or several.
    pub(super) addresses: Vec<RawAddress>,
    pub(super) host: Option<String>,
    pub(super) health_path: Option<String>,
    pub(super) balance: Option<String>,
    #[serde(default = "requests_max")]
    pub(super) requests_max: u32,
    #[serde(default = "retries")]
    pub(super) retries: u32,
    #[serde(default = "retry_percent")]
    pub(super) retry_percent: u32,
    #[serde(default = "failure_statuses")]
    pub(super) failure_statuses: Vec<u16>,
    #[serde(default)]
    pub(super) health: RawHealth,
    #[serde(default)]
    pub(super) ejection: RawEjection,
    #[serde(default)]
    pub(super) breaker: RawBreaker,
    #[serde(default)]
    pub(super) timeouts: RawTimeouts,
    #[serde(default = "resolve_seconds")]
    pub(super) resolve_seconds: u64,
    pub(super) resolver: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawAddress {
    Plain(String),
    Weighted(RawWeighted),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWeighted {
    pub(super) url: String,
    pub(super) weight: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHealth {
    pub(super) path: Option<String>,
    pub(super) every_ms: u64,
    pub(super) timeout_ms: u64,
    pub(super) healthy_after: u32,
    pub(super) unhealthy_after: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEjection {
    pub(super) failures: u32,
    pub(super) seconds: u64,
    pub(super) seconds_max: u64,
    pub(super) percent_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBreaker {
    pub(super) enabled: bool,
    pub(super) window_seconds: u64,
    pub(super) requests_min: u32,
    pub(super) failure_percent: u32,
    pub(super) open_seconds: u64,
    pub(super) trials: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTimeouts {
    pub(super) connect_ms: u64,
    pub(super) silence_seconds: u64,
    pub(super) upgraded_silence_seconds: u64,
    pub(super) whole_seconds: u64,
}

impl RawOrigin {
    /// An origin of which nothing is said but where it is.
    pub(in crate::config) fn at(url: &str) -> Self {
        Self {
            name: "origin".to_owned(),
            addresses: vec![RawAddress::Plain(url.to_owned())],
            host: None,
            health_path: None,
            balance: None,
            requests_max: requests_max(),
            retries: retries(),
            retry_percent: retry_percent(),
            failure_statuses: failure_statuses(),
            health: RawHealth::default(),
            ejection: RawEjection::default(),
            breaker: RawBreaker::default(),
            timeouts: RawTimeouts::default(),
            resolve_seconds: resolve_seconds(),
            resolver: None,
        }
    }
}

impl Default for RawHealth {
    fn default() -> Self {
        Self {
            path: None,
            every_ms: 1_000,
            timeout_ms: 2_000,
            healthy_after: 1,
            unhealthy_after: 2,
        }
    }
}

impl Default for RawEjection {
    fn default() -> Self {
        Self {
            failures: 5,
            seconds: 5,
            seconds_max: 300,
            percent_max: 50,
        }
    }
}

impl Default for RawBreaker {
    fn default() -> Self {
        Self {
            enabled: true,
            window_seconds: 10,
            requests_min: 20,
            failure_percent: 50,
            open_seconds: 2,
            trials: 3,
        }
    }
}

impl Default for RawTimeouts {
    fn default() -> Self {
        Self {
            connect_ms: 2_000,
            silence_seconds: 60,
            upgraded_silence_seconds: 3_600,
            whole_seconds: 600,
        }
    }
}

fn requests_max() -> u32 {
    4_096
}

fn retries() -> u32 {
    1
}

fn retry_percent() -> u32 {
    20
}

fn failure_statuses() -> Vec<u16> {
    vec![502, 503, 504]
}

fn resolve_seconds() -> u64 {
    10
}
