//! The way of one request to its origin: whether it may go, to which server, and whether it may go once more.

use super::{
    Origins,
    connection::{IDLE, ServerToAsk},
    origin::{Origin, locked},
    server::{Server, UnderWay},
};
use metrics::counter;
use pingora_core::upstreams::peer::HttpPeer;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;
use waiting_room_domain::{Broken, Ended, Permit, Sent, may_send_again};

/// How soon to ask again where an origin cannot be asked.
const PAUSE: Duration = Duration::from_secs(2);

/// A request on its way to an origin. Dropped before an answer came, it was the visitor who went away.
#[derive(Debug)]
pub(in crate::edge) struct Trip {
    origin: Arc<Origin>,
    sent: Sent,
    client: Option<IpAddr>,
    began: Instant,
    /// Until when the breaker does not know how it ended.
    permit: Option<Permit>,
    tried: Vec<SocketAddr>,
    /// Times that it was sent again.
    retried: u32,
    /// Where it is.
    at: Option<UnderWay>,
    /// The connection was upgraded and belongs to both ends.
    is_upgraded: bool,
}

/// Why a request does not go to its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum Refusal {
    /// The origin is left alone for this long.
    LeftAlone(Duration),
    /// It has as much to do as it may.
    Busy,
    /// None of its servers is well.
    NoServer,
}

/// What becomes of a request whose origin has said something, or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum NextStep {
    /// It goes to another server.
    Again,
    /// That was it.
    Done,
}

impl Refusal {
    /// In a word, for programs.
    pub(in crate::edge) const fn reason(self) -> &'static str {
        match self {
            Self::LeftAlone(_) => "breaker-open",
            Self::Busy => "too-many-requests",
            Self::NoServer => "no-server",
        }
    }

    /// How soon to ask again, in whole seconds.
    pub(in crate::edge) fn pause(self) -> Duration {
        match self {
            Self::LeftAlone(pause) => Duration::from_secs(pause.as_secs() + 1),
            Self::Busy | Self::NoServer => PAUSE,
        }
    }
}

impl Origins {
    /// A request for the origin of this name sets out.
    pub(in crate::edge) fn set_out(
        &self,
        name: Option<&str>,
        sent: Sent,
        client: Option<IpAddr>,
    ) -> Result<Trip, Refusal> {
        let origin = self.find(name).ok_or(Refusal::NoServer)?;
        let trip = Trip::new(Arc::clone(&origin), sent, client);
        trip.inspect_err(|refusal| {
            counter!("waiting_room_origin_refusals_total",
                "origin" => origin.config.name.to_string(), "reason" => refusal.reason())
            .increment(1);
        })
    }
}

impl Trip {
    fn new(origin: Arc<Origin>, sent: Sent, client: Option<IpAddr>) -> Result<Self, Refusal> {
        let requests = origin.under_way.fetch_add(1, Relaxed);
        let mut trip = Self {
            sent,
            client,
            began: Instant::now(),
            permit: None,
            tried: Vec::new(),
            retried: 0,
            at: None,
            is_upgraded: false,
            origin,
        };
        // What is refused from here on is dropped, and no longer counts as under way.
        if requests >= trip.origin.config.requests_max {
            return Err(Refusal::Busy);
        }
        // Nobody is a trial who has nowhere to go.
        if !trip.origin.servers().iter().any(|server| server.is_well()) {
            return Err(Refusal::NoServer);
        }
        trip.permit = trip.ask_breaker()?;
        trip.origin.earns_retries();
        Ok(trip)
    }

    fn ask_breaker(&self) -> Result<Option<Permit>, Refusal> {
        let Some(rule) = &self.origin.config.breaker else {
            return Ok(None);
        };
        let mut breaker = locked(&self.origin.breaker);
        let (next, asked) = std::mem::take(&mut *breaker).ask(rule, self.origin.time.now());
        *breaker = next;
        asked.map(Some).map_err(Refusal::LeftAlone)
    }

    /// The next server to ask, by Pingora. `wait` is how long the visitor allows the origin to take in addition.
    pub(in crate::edge) fn next(&mut self, upgrades: bool, wait: Duration) -> Result<HttpPeer, Refusal> {
        let server = self.next_server()?;
        let (config, timeouts) = (&self.origin.config, &self.origin.config.timeouts);
        let mut peer = server.peer(config.tls, timeouts);
        let silence = if upgrades {
            timeouts.upgraded_silence
        } else {
            self.silence(wait)
        };
        peer.options.read_timeout = Some(silence);
        peer.options.write_timeout = Some(timeouts.silence);
        peer.options.idle_timeout = Some(IDLE);
        Ok(peer)
    }

    /// The next server to ask, without Pingora.
    pub(in crate::edge) fn next_direct(&mut self, wait: Duration) -> Result<ServerToAsk, Refusal> {
        Ok(ServerToAsk {
            server: self.next_server()?,
            connect_within: self.origin.config.timeouts.connect,
            silence: self.silence(wait),
        })
    }

    fn next_server(&mut self) -> Result<Arc<Server>, Refusal> {
        let server = self
            .origin
            .choose(self.client, &self.tried)
            .ok_or(Refusal::NoServer)?;
        self.tried.push(server.at);
        self.at = Some(server.begin());
        Ok(server)
    }

    /// How long the server may say nothing.
    fn silence(&self, wait: Duration) -> Duration {
        (self.origin.config.timeouts.silence + wait).min(self.left())
    }

    /// The `Host` that the origin is asked for instead of the visitor's.
    pub(in crate::edge) fn host(&self) -> Option<&str> {
        self.origin.config.host.as_deref()
    }

    /// The server has answered with this status, and nobody has seen it yet.
    pub(in crate::edge) fn answered(&mut self, status: u16) -> NextStep {
        if status == 101 {
            self.is_upgraded = true;
        }
        let is_failure = self.origin.config.failure_statuses.contains(&status);
        if let Some(UnderWay(server)) = &self.at {
            if is_failure {
                server.counts.refused.increment(1);
                self.origin.failed(server);
            } else {
                server.counts.answered.increment(1);
                server.succeeded(&self.origin.config.ejection, self.origin.time.now());
            }
        }
        if is_failure && self.goes_again(Broken::BadStatus) {
            return NextStep::Again;
        }
        self.ends(if is_failure { Ended::Badly } else { Ended::Well });
        NextStep::Done
    }

    /// The request came to nothing at this server.
    pub(in crate::edge) fn broke(&mut self, broken: Broken) -> NextStep {
        if let Some(UnderWay(server)) = &self.at {
            match broken {
                Broken::NoConnection => server.counts.unconnected.increment(1),
                _ => server.counts.unanswered.increment(1),
            }
            // That a server closes connections which are idle is no fault of it.
            if broken != Broken::IdleConnection {
                self.origin.failed(server);
            }
        }
        if self.goes_again(broken) {
            return NextStep::Again;
        }
        self.ends(Ended::Badly);
        NextStep::Done
    }

    /// Whether it has taken as long as anything may.
    pub(in crate::edge) fn is_overdue(&self) -> bool {
        !self.is_upgraded && self.left().is_zero()
    }

    fn left(&self) -> Duration {
        let whole = self.origin.config.timeouts.whole;
        whole.saturating_sub(self.began.elapsed())
    }

    /// Whether it is sent again, to another server; to the same only where that one is well, and the only one.
    fn goes_again(&mut self, broken: Broken) -> bool {
        let may = self.retried < self.origin.config.retries
            && may_send_again(self.sent, broken)
            && !self.left().is_zero();
        if !may {
            return false;
        }
        if self.origin.choose(self.client, &self.tried).is_none() {
            if broken != Broken::IdleConnection {
                return false;
            }
            self.tried.clear();
        }
        // A connection that was refused has cost the origin nothing, and so costs nothing here.
        if broken != Broken::NoConnection && !self.origin.spends_retry() {
            return false;
        }
        self.retried += 1;
        let origin = self.origin.config.name.to_string();
        counter!("waiting_room_origin_retries_total", "origin" => origin).increment(1);
        true
    }

    /// Tells the breaker, once.
    fn ends(&mut self, ended: Ended) {
        let (Some(permit), Some(rule)) = (self.permit.take(), &self.origin.config.breaker) else {
            return;
        };
        let mut breaker = locked(&self.origin.breaker);
        *breaker = std::mem::take(&mut *breaker).learn(rule, &permit, ended, self.origin.time.now());
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        self.ends(Ended::Unknown);
        self.origin.under_way.fetch_sub(1, Relaxed);
    }
}
