//! Starts Pingora and runs it until the process is asked to stop.

use super::{front::Front, origins::RunningOrigin, proxy::Edge};
use crate::{config::Config, gate::Gate};
use pingora_core::{
    server::{RunArgs, Server, configuration::ServerConf},
    services::listening::Service,
};
use pingora_proxy::HttpProxy;
use std::sync::Arc;

/// Connections to origins kept for reuse, in all.
const IDLE_CONNECTIONS: usize = 512;

/// Serves shoppers until SIGTERM (waiting for requests in flight) or SIGINT (at once).
///
/// # Errors
/// When an origin's address cannot be found. Pingora itself ends the process when it cannot listen.
pub fn serve(config: &Config, gate: Arc<Gate>) -> anyhow::Result<()> {
    let mut conf = ServerConf::new().unwrap_or_default();
    conf.threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    conf.upstream_keepalive_pool_size = IDLE_CONNECTIONS;
    conf.grace_period_seconds = Some(config.grace.as_secs());
    conf.graceful_shutdown_timeout_seconds = Some(config.grace.as_secs());
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let mut origins = Vec::with_capacity(config.origins.len());
    for origin in &config.origins {
        let (running, health) = RunningOrigin::start(origin.clone())?;
        origins.push(running);
        server.add_service(health);
    }
    let edge = Edge {
        gate: Arc::clone(&gate),
        origins,
        trusted_proxies: config.trusted_proxies.clone(),
    };
    let mut proxy = HttpProxy::new(edge, Arc::clone(&server.configuration));
    proxy.handle_init_modules();
    let front = Front {
        gate,
        trusted_proxies: config.trusted_proxies.clone(),
        proxy: Arc::new(proxy),
    };
    let mut service = Service::new("shoppers".to_owned(), front);
    service.add_tcp(&config.listen.to_string());
    server.add_service(service);
    server.run(RunArgs::default());
    Ok(())
}
