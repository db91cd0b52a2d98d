//! One origin: its servers, what it may be asked, and what it is known for.

use super::{
    Time,
    server::{Known, Server},
};
use crate::config::{self, Address};
use arc_swap::ArcSwap;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};
use waiting_room_domain::{Breaker, Candidate, RetryBudget, choose, client_key};

/// A running origin.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) config: config::Origin,
    pub(super) time: Time,
    servers: ArcSwap<Vec<Arc<Server>>>,
    turn: AtomicU64,
    pub(super) breaker: Arc<Mutex<Breaker>>,
    budget: Arc<Mutex<RetryBudget>>,
    /// Requests that were not answered yet, by whichever version of the config they began.
    pub(super) under_way: Arc<AtomicU32>,
}

/// Nobody panics while holding one of these, and half a change of a number is none.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Origin {
    /// An origin that knows what `before`, the same with another config, knew.
    pub(super) fn new(config: config::Origin, before: Option<&Self>, time: Time) -> Self {
        let breaker = before
            .filter(|before| before.config.breaker == config.breaker)
            .map(|before| Arc::clone(&before.breaker));
        let full = || Arc::new(Mutex::new(RetryBudget::full(time.now())));
        Self {
            servers: ArcSwap::new(before.map_or_else(Arc::default, |before| before.servers.load_full())),
            turn: AtomicU64::new(0),
            breaker: breaker.unwrap_or_default(),
            budget: before.map_or_else(full, |before| Arc::clone(&before.budget)),
            under_way: before.map_or_else(Arc::default, |before| Arc::clone(&before.under_way)),
            config,
            time,
        }
    }

    pub(super) fn servers(&self) -> Arc<Vec<Arc<Server>>> {
        self.servers.load_full()
    }

    /// Where the servers of this address were last.
    pub(super) fn servers_of(&self, address: &Address) -> Vec<SocketAddr> {
        let servers = self.servers.load();
        let known = servers
            .iter()
            .filter(|server| (&server.address.host, server.address.port) == (&address.host, address.port));
        known.map(|server| server.at).collect()
    }

    /// These are its servers now. Who stays keeps what is known of it.
    pub(super) fn set_servers<'a>(&self, found: impl Iterator<Item = (SocketAddr, &'a Address)>) {
        let before = self.servers.load_full();
        let mut next: Vec<Arc<Server>> = Vec::with_capacity(before.len());
        for (at, address) in found {
            if next.iter().any(|server| server.at == at) {
                continue;
            }
            let server = match before.iter().find(|server| server.at == at) {
                Some(server) if server.address == *address => Arc::clone(server),
                known => {
                    let known = known.map_or_else(Arc::<Known>::default, |server| Arc::clone(&server.known));
                    Arc::new(Server::new(&self.config.name, at, address.clone(), known))
                }
            };
            next.push(server);
        }
        self.servers.store(Arc::new(next));
    }

    /// The server to ask: one that is well and trusted and was not asked before for the same request. When all that are
    /// well are distrusted, one of those: they are better than none.
    pub(super) fn choose(&self, client: Option<IpAddr>, tried: &[SocketAddr]) -> Option<Arc<Server>> {
        let (servers, now) = (self.servers.load(), self.time.now());
        let fresh: Vec<&Arc<Server>> = servers
            .iter()
            .filter(|server| !tried.contains(&server.at) && server.is_well())
            .collect();
        let trusted: Vec<&Arc<Server>> = fresh
            .iter()
            .copied()
            .filter(|server| server.ejected_until(now).is_none())
            .collect();
        let of = if trusted.is_empty() { fresh } else { trusted };
        let candidates: Vec<Candidate> = of.iter().map(|server| candidate(server)).collect();
        let turn = self.turn.fetch_add(1, Relaxed);
        let chosen = choose(self.config.balance, &candidates, turn, client.map(client_key))?;
        of.get(chosen).map(|server| Arc::clone(server))
    }

    /// Notes a failure of a server, and leaves it out if it was one too many.
    pub(super) fn failed(&self, server: &Server) {
        let (servers, now) = (self.servers.load(), self.time.now());
        let left_out = servers
            .iter()
            .filter(|server| server.ejected_until(now).is_some())
            .count();
        let rule = &self.config.ejection;
        if server.failed(rule, left_out < rule.ejected_max(servers.len()), now) {
            server.counts.ejected.increment(1);
            tracing::warn!(origin = &*self.config.name, server = %server.at, "left out for its failures");
        }
    }

    /// One more request that was not sent before.
    pub(super) fn earns_retries(&self) {
        let mut budget = locked(&self.budget);
        *budget = budget.earned(self.config.retry_percent);
    }

    /// Takes one retry, if there is one.
    pub(super) fn spends_retry(&self) -> bool {
        let mut budget = locked(&self.budget);
        let (next, granted) = budget.spent(self.time.now());
        *budget = next;
        granted
    }
}

fn candidate(server: &Server) -> Candidate {
    let port = u64::from(server.at.port());
    Candidate {
        weight: server.address.weight,
        under_way: server.under_way(),
        key: client_key(server.at.ip()).rotate_left(16) ^ port,
    }
}
