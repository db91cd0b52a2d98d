//! Names of servers, looked up again and again: servers come and go behind a name.

use super::origin::Origin;
use crate::config::{self, Address};
use futures::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::time::timeout;

/// How long a look-up may take.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(5);
/// How long the start of an origin waits for its names.
const STARTS_WITHIN: Duration = Duration::from_secs(2);
/// Servers behind one name.
const SERVERS_MAX: usize = 64;

/// The names of an origin with what they last stood for.
pub(super) struct Names {
    every: Duration,
    resolver: Option<TokioResolver>,
    names: Vec<Name>,
}

struct Name {
    address: Address,
    servers: Vec<SocketAddr>,
}

impl Names {
    pub(super) fn new(config: &config::Origin) -> Self {
        let name = |address: &Address| Name {
            servers: address
                .ip()
                .map(|ip| SocketAddr::new(ip, address.port))
                .into_iter()
                .collect(),
            address: address.clone(),
        };
        Self {
            every: config.resolve_every,
            resolver: config.resolver.and_then(resolver),
            names: config.addresses.iter().map(name).collect(),
        }
    }

    /// Whether anything can change.
    pub(super) fn are_needed(&self) -> bool {
        self.names.iter().any(|name| name.address.ip().is_none())
    }

    /// Looks up for the first time. What was known of the origin before is better than nothing.
    pub(super) async fn look_up_first(&mut self, origin: &Origin) {
        for name in &mut self.names {
            if name.address.ip().is_none() {
                name.servers = origin.servers_of(&name.address);
            }
        }
        if self.are_needed() && timeout(STARTS_WITHIN, self.look_up()).await.is_err() {
            tracing::warn!(
                origin = &*origin.config.name,
                "its names take long to be looked up"
            );
        }
        self.tell(origin);
    }

    /// Looks up for as long as it is asked.
    pub(super) async fn follow(mut self, origin: std::sync::Arc<Origin>) {
        loop {
            // Not an interval: a name server that is slow is not asked faster for it.
            tokio::time::sleep(self.every).await;
            self.look_up().await;
            self.tell(&origin);
        }
    }

    async fn look_up(&mut self) {
        let resolver = self.resolver.as_ref();
        join_all(self.names.iter_mut().map(|name| name.look_up(resolver))).await;
    }

    fn tell(&self, origin: &Origin) {
        origin.set_servers(
            self.names
                .iter()
                .flat_map(|name| name.servers.iter().map(|server| (*server, &name.address))),
        );
    }
}

impl Name {
    /// A look-up that fails leaves what was known.
    async fn look_up(&mut self, resolver: Option<&TokioResolver>) {
        if self.address.ip().is_some() {
            return;
        }
        let (host, port) = (self.address.host.as_str(), self.address.port);
        let found = timeout(LOOKED_UP_WITHIN, look_up(resolver, host, port)).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match found {
            Ok(mut servers) if !servers.is_empty() => {
                servers.sort_unstable();
                servers.dedup();
                servers.truncate(SERVERS_MAX);
                if servers != self.servers {
                    tracing::info!(name = host, ?servers, "the servers behind a name");
                }
                self.servers = servers;
            }
            failed => {
                let error = failed.map_or_else(|error| error.to_string(), |_| "no address".to_owned());
                tracing::warn!(
                    name = host,
                    error,
                    "a name could not be looked up; its servers stay"
                );
            }
        }
    }
}

async fn look_up(resolver: Option<&TokioResolver>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match resolver {
        None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
        Some(resolver) => {
            let found = resolver.lookup_ip(host).await.map_err(io::Error::other)?;
            Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
        }
    }
}

/// Asks one name server, each time anew: what it said is kept here.
fn resolver(server: SocketAddr) -> Option<TokioResolver> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().cache_size = 0;
    let built = builder.build();
    built
        .inspect_err(|error| tracing::error!(%error, "no resolver; names are looked up as the system does"))
        .ok()
}
