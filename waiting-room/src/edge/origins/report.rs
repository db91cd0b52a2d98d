//! How origins are, for operators.

use super::{
    origin::{Origin, locked},
    server::Server,
};
use serde::Serialize;
use std::sync::atomic::Ordering::Relaxed;
use waiting_room_domain::{BreakerState, Moment};

/// How an origin is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OriginReport {
    /// Its name in the config.
    pub name: String,
    /// Requests that it has not answered yet.
    pub requests_under_way: u32,
    /// How many it may have at once.
    pub requests_max: u32,
    /// Whether it may be asked.
    pub breaker: BreakerReport,
    /// Its servers.
    pub servers: Vec<ServerReport>,
}

/// Whether an origin may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BreakerReport {
    /// It has none.
    Off,
    /// By everybody.
    Closed,
    /// By nobody.
    Open {
        /// When a few may try.
        until_unix_ms: u64,
    },
    /// By a few, to try.
    HalfOpen,
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerReport {
    /// Where it is.
    pub address: String,
    /// What stands in the config for it.
    pub configured_as: String,
    /// Its part of the requests.
    pub weight: u32,
    /// Requests that it has not answered yet.
    pub requests_under_way: u32,
    /// Whether it is asked.
    #[serde(flatten)]
    pub state: ServerState,
}

/// Whether a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ServerState {
    /// It is.
    Well,
    /// Its checks fail.
    Failing,
    /// It is left out for how it answered shoppers.
    Ejected {
        /// The end of it.
        until_unix_ms: u64,
    },
}

impl OriginReport {
    pub(super) fn of(origin: &Origin, now: Moment) -> Self {
        Self {
            name: origin.config.name.to_string(),
            requests_under_way: origin.under_way.load(Relaxed),
            requests_max: origin.config.requests_max,
            breaker: breaker(origin),
            servers: origin
                .servers()
                .iter()
                .map(|server| report(server, now))
                .collect(),
        }
    }
}

fn breaker(origin: &Origin) -> BreakerReport {
    if origin.config.breaker.is_none() {
        return BreakerReport::Off;
    }
    match locked(&origin.breaker).state() {
        BreakerState::Closed(_) => BreakerReport::Closed,
        BreakerState::HalfOpen { .. } => BreakerReport::HalfOpen,
        BreakerState::Open { until, .. } => BreakerReport::Open {
            until_unix_ms: until.unix_ms(),
        },
    }
}

fn report(server: &Server, now: Moment) -> ServerReport {
    ServerReport {
        address: server.at.to_string(),
        configured_as: server.address.authority(),
        weight: server.address.weight,
        requests_under_way: server.under_way(),
        state: match (server.is_well(), server.ejected_until(now)) {
            (false, _) => ServerState::Failing,
            (true, None) => ServerState::Well,
            (true, Some(until)) => ServerState::Ejected {
                until_unix_ms: until.unix_ms(),
            },
        },
    }
}
