//! Starts Pingora and runs it until the process is asked to stop.

use super::{
    cache::Cache,
    connections::{Connections, PerAddress, allowed_by_open_files},
    drain::SharedDrain,
    front::{Front, Tls},
    origins::Origins,
    proxy::{Clients, Edge},
    takeover::{self, Ending},
    tls::{Certificates, acceptor},
};
use crate::{
    config::{Config, TlsConfig},
    gate::CurrentGate,
};
use anyhow::Context;
use http::HeaderValue;
use pingora_core::{
    listeners::{L4BufferSettings, ListenerConfig},
    server::{
        RunArgs, Server,
        configuration::{Opt, ServerConf},
    },
    services::{background::background_service, listening::Service},
};
use pingora_proxy::HttpProxy;
use std::{path::PathBuf, sync::Arc};
use tracing::info;

/// Connections to origins kept for reuse, in all.
const IDLE_CONNECTIONS: usize = 512;

/// What shoppers meet.
pub struct Parts {
    /// What decides about requests.
    pub gate: Arc<CurrentGate>,
    /// Where they go.
    pub origins: Arc<Origins>,
    /// What is answered without going there.
    pub cache: Arc<Cache>,
    /// The end, when it comes.
    pub drain: SharedDrain,
}

/// How an edge follows upon another one, and makes way for the next.
#[derive(Debug, Clone, Default)]
pub struct Succession {
    /// Where the running edge is asked to hand over, and where this one will be.
    pub socket: Option<PathBuf>,
    /// Whether to ask.
    pub take_over: bool,
}

/// Serves shoppers until SIGTERM (draining, then waiting for requests in flight), SIGINT (at once), or until another
/// process has taken over.
///
/// # Errors
/// When a certificate cannot be read, or a running edge does not hand over. Pingora itself ends the process when it cannot
/// listen.
pub fn serve(config: &Config, parts: Parts, succession: &Succession) -> anyhow::Result<()> {
    let drain = Arc::clone(&parts.drain);
    let socket = succession.socket.as_deref();
    let upgrade = match socket.filter(|_| succession.take_over) {
        Some(socket) => takeover::ask(socket)?,
        None => false,
    };
    let mut conf = ServerConf::new().unwrap_or_default();
    conf.threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    conf.upstream_keepalive_pool_size = IDLE_CONNECTIONS;
    conf.grace_period_seconds = Some(config.grace.as_secs());
    conf.graceful_shutdown_timeout_seconds = Some(config.grace.as_secs());
    if let Some(socket) = socket {
        conf.upgrade_sock = takeover::transfer_socket(socket).display().to_string();
    }
    let opt = Opt {
        upgrade,
        ..Opt::default()
    };
    let mut server = Server::new_with_opt_and_conf(Some(opt), conf);
    server.bootstrap();
    let ending = Ending::new(Arc::clone(&drain), config.drain, socket)?;
    add_services(&mut server, config, parts)?;

    let phases = server.watch_execution_phase();
    // On a thread of its own: Pingora sits out the whole grace, even if nothing is left to wait for.
    let running = std::thread::Builder::new()
        .name("edge".to_owned())
        .spawn(move || {
            server.run(RunArgs {
                shutdown_signal: Box::new(ending),
            });
        })
        .context("start a thread")?;
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?
        .block_on(takeover::over(phases, &drain, config.grace));
    if running.is_finished() {
        running
            .join()
            .map_err(|_| anyhow::anyhow!("the server ended by a panic"))?;
    }
    info!("the edge has ended");
    Ok(())
}

fn add_services(server: &mut Server, config: &Config, parts: Parts) -> anyhow::Result<()> {
    let Parts {
        gate,
        origins,
        cache,
        drain,
    } = parts;
    let limits = Arc::new(config.clients.clone());
    let hsts = config.tls.as_ref().and_then(hsts);
    let edge = Edge {
        gate: Arc::clone(&gate),
        cache: Arc::clone(&cache),
        origins: Arc::clone(&origins),
        trusted_proxies: config.trusted_proxies.clone(),
        clients: Clients {
            limits: Arc::clone(&limits),
            drain: Arc::clone(&drain),
            hsts: hsts.clone(),
        },
    };
    let mut proxy = HttpProxy::new(edge, Arc::clone(&server.configuration));
    proxy.handle_init_modules();
    let most = limits.connections_max.unwrap_or_else(allowed_by_open_files);
    let per_address = PerAddress::new(limits.connections_per_address, config.trusted_proxies.clone());
    let front = Front {
        gate,
        cache,
        origins,
        hsts,
        trusted_proxies: config.trusted_proxies.clone(),
        proxy: Arc::new(proxy),
        limits,
        connections: Arc::new(Connections::new(most, per_address)),
        drain,
        tls: config
            .tls
            .as_ref()
            .map(|tls| secure(server, config, tls))
            .transpose()?,
    };
    let mut service = Service::new("shoppers".to_owned(), front);
    let second = config.tls.as_ref().and_then(|tls| tls.listen);
    for address in std::iter::once(config.listen).chain(second) {
        // Whoever reads from a connection brings a buffer along; one that waits with the connection would be most of
        // what an idle shopper costs.
        let buffers = L4BufferSettings::default().read(0);
        service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(buffers));
    }
    server.add_service(service);
    Ok(())
}

fn secure(server: &mut Server, config: &Config, tls: &TlsConfig) -> anyhow::Result<Tls> {
    let certificates = Certificates::read(tls.certificates.clone())?;
    let following = background_service("certificates", certificates);
    let certificates = following.task();
    server.add_service(following);
    Ok(Tls {
        acceptor: acceptor(tls, certificates)?,
        listen: tls.listen.unwrap_or(config.listen),
        redirect: tls.redirect,
    })
}

fn hsts(tls: &TlsConfig) -> Option<HeaderValue> {
    let seconds = tls.hsts?.as_secs();
    HeaderValue::from_str(&format!("max-age={seconds}")).ok()
}
