//! Where requests go: the servers of an origin, how they are chosen, watched, waited for and left alone.

mod raw;
mod read;

pub(super) use raw::RawOrigin;
pub(super) use read::read_origin;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use waiting_room_domain::{Balance, BreakerRule, CheckRule, EjectionRule};

/// A web site behind the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name in this file and in metrics.
    pub name: Arc<str>,
    /// Where its servers are.
    pub addresses: Vec<Address>,
    /// Whether it is reached by HTTPS.
    pub tls: bool,
    /// The `Host` that it is asked for, instead of the visitor's.
    pub host: Option<String>,
    /// How requests are spread over its servers.
    pub balance: Balance,
    /// Requests that it has to answer at once, at most.
    pub requests_max: u32,
    /// How often a request that failed is sent again, where that can do no harm.
    pub retries: u32,
    /// Of a hundred requests, this many may be sent again.
    pub retry_percent: u32,
    /// Answers that mean: this server cannot.
    pub failure_statuses: Vec<u16>,
    /// How its servers are asked how they are.
    pub health: HealthConfig,
    /// When a server is left out for how it answers.
    pub ejection: EjectionRule,
    /// When the whole origin is left alone, if ever.
    pub breaker: Option<BreakerRule>,
    /// How long it is waited for.
    pub timeouts: Timeouts,
    /// How often names are looked up.
    pub resolve_every: Duration,
    /// The name server that is asked; the system's way, if there is none.
    pub resolver: Option<SocketAddr>,
}

/// Where one server is, or several under one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Its part of the requests.
    pub weight: u32,
}

/// How servers are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// What is asked for.
    pub path: String,
    /// How often.
    pub every: Duration,
    /// How soon there must be an answer.
    pub timeout: Duration,
    /// How many answers change the opinion.
    pub rule: CheckRule,
}

/// How long an origin is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// How long it may be silent: before its answer begins, and within it.
    pub silence: Duration,
    /// The same of a connection that was upgraded, such as a WebSocket.
    pub upgraded_silence: Duration,
    /// From the request to the end of the answer.
    pub whole: Duration,
}

impl Address {
    /// `host:port`, as it is named in reports.
    pub fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// The address, where it is no name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}
