//! One server of an origin: how it is reached, and what is known of it.

use super::{connection::Idle, origin::locked};
use crate::config::{self, Address};
use metrics::{Counter, counter};
use pingora_core::upstreams::peer::HttpPeer;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use waiting_room_domain::{CheckRule, Checked, Conduct, EjectionRule, Moment};

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) at: SocketAddr,
    /// As it stands in the config.
    pub(super) address: Address,
    /// What outlives a change of the config.
    pub(super) known: Arc<Known>,
    pub(super) counts: Counts,
    /// What is not Pingora's to keep.
    pub(super) idle: Idle,
}

/// What is known of a server.
#[derive(Debug, Default)]
pub(super) struct Known {
    checked: Mutex<Checked>,
    conduct: Mutex<Conduct>,
    under_way: AtomicU32,
}

/// What its requests come to.
pub(super) struct Counts {
    pub(super) answered: Counter,
    pub(super) refused: Counter,
    pub(super) unconnected: Counter,
    pub(super) unanswered: Counter,
    pub(super) ejected: Counter,
}

/// A request that it has not answered yet.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Arc<Server>);

impl Server {
    pub(super) fn new(origin: &str, at: SocketAddr, address: Address, known: Arc<Known>) -> Self {
        Self {
            counts: Counts::of(origin, &address.authority()),
            idle: Idle::default(),
            at,
            address,
            known,
        }
    }

    /// How it is reached.
    pub(super) fn peer(&self, tls: bool, timeouts: &config::Timeouts) -> HttpPeer {
        let name = if tls {
            self.address.host.clone()
        } else {
            String::new()
        };
        let mut peer = HttpPeer::new(self.at, tls, name);
        peer.options.connection_timeout = Some(timeouts.connect);
        peer.options.total_connection_timeout = Some(timeouts.connect * 2);
        peer
    }

    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.known.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    pub(super) fn under_way(&self) -> u32 {
        self.known.under_way.load(Relaxed)
    }

    /// Whether its checks say that it is well.
    pub(super) fn is_well(&self) -> bool {
        locked(&self.known.checked).is_well()
    }

    pub(super) fn ejected_until(&self, now: Moment) -> Option<Moment> {
        locked(&self.known.conduct).ejected_until(now)
    }

    /// Learns from a check, and answers whether the opinion has changed.
    pub(super) fn checked(&self, rule: &CheckRule, good: bool) -> bool {
        let mut checked = locked(&self.known.checked);
        let before = checked.is_well();
        *checked = checked.seen(rule, good);
        checked.is_well() != before
    }

    pub(super) fn succeeded(&self, rule: &EjectionRule, now: Moment) {
        let mut conduct = locked(&self.known.conduct);
        *conduct = conduct.succeeded(rule, now);
    }

    /// Learns from a failure, and answers whether the server is left out because of it.
    pub(super) fn failed(&self, rule: &EjectionRule, may_eject: bool, now: Moment) -> bool {
        let mut conduct = locked(&self.known.conduct);
        let before = conduct.ejected_until(now);
        *conduct = conduct.failed(rule, may_eject, now);
        before.is_none() && conduct.ejected_until(now).is_some()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.known.under_way.fetch_sub(1, Relaxed);
    }
}

impl Counts {
    /// Labelled by what stands in the config, so that their number is bounded however servers come and go.
    fn of(origin: &str, server: &str) -> Self {
        let answers = |outcome: &'static str| {
            counter!("waiting_room_origin_answers_total",
                "origin" => origin.to_owned(), "server" => server.to_owned(), "outcome" => outcome)
        };
        Self {
            answered: answers("answered"),
            refused: answers("failure_status"),
            unconnected: answers("no_connection"),
            unanswered: answers("no_answer"),
            ejected: counter!("waiting_room_origin_ejections_total",
                "origin" => origin.to_owned(), "server" => server.to_owned()),
        }
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counts")
    }
}
