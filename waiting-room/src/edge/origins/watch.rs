//! Asks an origin's servers how they are.

use super::{
    origin::{Origin, locked},
    server::Server,
};
use crate::config::{self, Address};
use futures::future::join_all;
use metrics::gauge;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_load_balancing::{
    Backend,
    health_check::{HealthCheck, HttpHealthCheck},
};
use std::{collections::HashMap, sync::Arc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use waiting_room_domain::BreakerState;

/// Checks for ever.
pub(super) async fn check(origin: Arc<Origin>) {
    let mut checks: HashMap<Address, HttpHealthCheck> = HashMap::new();
    for address in &origin.config.addresses {
        match health_check(&origin.config, address) {
            Ok(check) => drop(checks.insert(address.clone(), check)),
            Err(error) => tracing::error!(%error, "an address cannot be checked"),
        }
    }
    let mut ticks = interval(origin.config.health.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let servers = origin.servers();
        servers.iter().for_each(|server| server.idle.close_old());
        let checked = servers.iter().filter_map(|server| {
            let check = checks.get(&server.address)?;
            Some(check_one(&origin, server, check))
        });
        join_all(checked).await;
        measure(&origin);
    }
}

async fn check_one(origin: &Origin, server: &Server, check: &HttpHealthCheck) {
    let health = &origin.config.health;
    let Ok(backend) = Backend::new(&server.at.to_string()) else {
        return;
    };
    let answer = timeout(health.timeout, check.check(&backend)).await;
    let is_good = matches!(answer, Ok(Ok(())));
    if server.checked(&health.rule, is_good) {
        let (origin, server) = (&*origin.config.name, server.at);
        if is_good {
            tracing::info!(origin, %server, "well again");
        } else {
            let why = answer.map_or_else(
                |_| "no answer in time".to_owned(),
                |answer| answer.err().map_or_else(String::new, |error| error.to_string()),
            );
            tracing::warn!(origin, %server, why, "not well");
        }
    }
}

fn health_check(origin: &config::Origin, address: &Address) -> Result<HttpHealthCheck> {
    let authority = address.authority();
    let host = origin.host.as_deref().unwrap_or(&authority);
    let mut check = HttpHealthCheck::new(&address.host, origin.tls);
    let mut request = RequestHeader::build("GET", origin.health.path.as_bytes(), None)?;
    request.append_header("Host", host)?;
    check.req = request;
    check.peer_template.options.connection_timeout = Some(origin.health.timeout);
    check.peer_template.options.read_timeout = Some(origin.health.timeout);
    // A page that moved or wants a sign-in is a site that is well; only its own errors say otherwise.
    check.validator = Some(Box::new(|answer| {
        if answer.status.is_server_error() {
            return Error::e_explain(ErrorType::HTTPStatus(answer.status.as_u16()), "unwell");
        }
        Ok(())
    }));
    Ok(check)
}

/// Tells what is true of the origin now.
fn measure(origin: &Origin) {
    let name = &origin.config.name;
    let (servers, now) = (origin.servers(), origin.time.now());
    let (mut well, mut failing, mut ejected) = (0_u32, 0_u32, 0_u32);
    for server in servers.iter() {
        match (server.is_well(), server.ejected_until(now)) {
            (false, _) => failing += 1,
            (true, Some(_)) => ejected += 1,
            (true, None) => well += 1,
        }
    }
    for (state, count) in [("well", well), ("failing", failing), ("ejected", ejected)] {
        gauge!("waiting_room_origin_servers", "origin" => name.to_string(), "state" => state).set(count);
    }
    let open = match locked(&origin.breaker).state() {
        BreakerState::Closed(_) => 0,
        BreakerState::HalfOpen { .. } => 1,
        BreakerState::Open { .. } => 2,
    };
    gauge!("waiting_room_origin_breaker", "origin" => name.to_string()).set(open);
    let under_way = origin.under_way.load(std::sync::atomic::Ordering::Relaxed);
    gauge!("waiting_room_origin_requests_under_way", "origin" => name.to_string()).set(under_way);
}
