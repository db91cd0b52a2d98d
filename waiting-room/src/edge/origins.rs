//! Origins and their health.

use crate::config::Origin;
use anyhow::Context;
use pingora_core::{services::background::background_service, upstreams::peer::HttpPeer};
use pingora_http::RequestHeader;
use pingora_load_balancing::{
    LoadBalancer,
    health_check::{HealthCheck, HttpHealthCheck},
    selection::RoundRobin,
};
use std::{sync::Arc, time::Duration};

/// How often each server is asked how it is.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// How long a server may take to be connected to, and to say something.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Idle connections to an origin are kept this long.
const IDLE: Duration = Duration::from_secs(60);

/// One origin with the servers that are well.
pub(super) struct RunningOrigin {
    origin: Origin,
    servers: Arc<LoadBalancer<RoundRobin>>,
}

/// The task that asks an origin's servers how they are.
pub(super) type HealthService =
    pingora_core::services::background::GenBackgroundService<LoadBalancer<RoundRobin>>;

impl RunningOrigin {
    pub(super) fn start(origin: Origin) -> anyhow::Result<(Self, HealthService)> {
        let name = &origin.name;
        let mut servers = LoadBalancer::<RoundRobin>::try_from_iter(&origin.addresses)
            .with_context(|| format!("find the servers of the origin {name}"))?;
        servers.set_health_check(health_check(&origin)?);
        servers.health_check_frequency = Some(ASKED_EVERY);
        servers.parallel_health_check = true;
        let service = background_service(&format!("health of {name}"), servers);
        let servers = service.task();
        Ok((Self { origin, servers }, service))
    }

    /// A server that is well, if there is one.
    pub(super) fn peer(&self) -> Option<HttpPeer> {
        let server = self.servers.select(b"", self.origin.addresses.len().max(1))?;
        let name = self.origin.tls_name.clone();
        let mut peer = HttpPeer::new(server.addr, name.is_some(), name.unwrap_or_default());
        peer.options.connection_timeout = Some(CONNECT_WITHIN);
        peer.options.total_connection_timeout = Some(CONNECT_WITHIN * 2);
        peer.options.read_timeout = Some(ANSWER_WITHIN);
        peer.options.write_timeout = Some(ANSWER_WITHIN);
        peer.options.idle_timeout = Some(IDLE);
        Some(peer)
    }

    /// The `Host` that the origin is asked for instead of the visitor's.
    pub(super) fn host(&self) -> Option<&str> {
        self.origin.host.as_deref()
    }
}

fn health_check(origin: &Origin) -> anyhow::Result<Box<dyn HealthCheck + Send + Sync>> {
    let host = origin
        .host
        .as_deref()
        .or(origin.tls_name.as_deref())
        .unwrap_or("localhost");
    let mut check = HttpHealthCheck::new(host, origin.tls_name.is_some());
    let mut request = RequestHeader::build("GET", origin.health_path.as_bytes(), None)?;
    request.append_header("Host", host)?;
    check.req = request;
    check.consecutive_success = 1;
    check.consecutive_failure = 2;
    check.peer_template.options.connection_timeout = Some(CONNECT_WITHIN);
    check.peer_template.options.read_timeout = Some(CONNECT_WITHIN);
    // A page that moved or wants a sign-in is a site that is well; only its own errors say otherwise.
    check.validator = Some(Box::new(|answer| {
        if answer.status.is_server_error() {
            return pingora_core::Error::e_explain(
                pingora_core::ErrorType::HTTPStatus(answer.status.as_u16()),
                "unwell",
            );
        }
        Ok(())
    }));
    Ok(Box::new(check))
}
