//! One request through the edge: Pingora's phases, each a few lines around the gate.

use super::{
    body::BodySoFar,
    cache::{Cache, Caching},
    drain::SharedDrain,
    failing::{self, patience, takes_its_time},
    forwarding,
    origins::{NextStep, Origins, Refusal as NotAsked, Trip},
    refusal::Refusal,
    sold_out,
    to_origin::{self, SESSION_ENDS, SESSION_HEADER},
    told,
    visitor::{peer, read_form, sends_form},
};
use crate::{
    config::ClientLimits,
    entrance::{Visitor, client_address, form::JoinForm},
    gate::{CurrentGate, Listener, Outcome, PASS_HEADER, Passage},
    reply::Reply,
    signals::Asked,
};
use async_trait::async_trait;
use bytes::Bytes;
use contract::Problem;
use http::{
    HeaderValue,
    header::{HOST, STRICT_TRANSPORT_SECURITY},
};
use ipnet::IpNet;
use pingora_cache::{CacheKey, RespCacheable};
use pingora_core::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::{net::IpAddr, sync::Arc, time::Duration};
use waiting_room_domain::{Broken, HeadFault};

/// A request on its way.
#[derive(Debug, Default)]
pub(super) struct Visit {
    passage: Passage,
    /// What the origin was asked, until it answers.
    asked: Option<Asked>,
    /// The way to the origin, once it has begun.
    trip: Option<Trip>,
    /// Why the origin is not asked.
    refusal: Option<NotAsked>,
    /// Another server is to be asked, whose answer will be better.
    goes_again: bool,
    caching: Caching,
    /// How much of the visitor's body has come.
    body: BodySoFar,
}

/// What holds for every client.
pub(super) struct Clients {
    pub(super) limits: Arc<ClientLimits>,
    pub(super) drain: SharedDrain,
    /// What browsers are told by TLS.
    pub(super) hsts: Option<HeaderValue>,
}

/// The edge's proxy.
pub(super) struct Edge {
    pub(super) gate: Arc<CurrentGate>,
    pub(super) origins: Arc<Origins>,
    pub(super) cache: Arc<Cache>,
    /// Proxies in front, which say whom they speak for.
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) clients: Clients,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Visit;

    fn new_ctx(&self) -> Visit {
        Visit::default()
    }

    /// Answers true when the request was answered here.
    async fn request_filter(&self, session: &mut Session, visit: &mut Visit) -> Result<bool> {
        if Caching::is_refresh(session) {
            visit.passage = self.gate.load().errand(session.req_header());
            self.answer_kept(session, visit).await?;
            // Under other rules than when it began there is nothing left to do.
            return Ok(!visit.caching.reads());
        }
        let limits = &self.clients.limits;
        session.set_read_timeout(Some(limits.body_within));
        session.set_write_timeout(Some(limits.answer_within));
        // By HTTP/2; the front refuses it before.
        if session.req_header().method == http::Method::TRACE {
            self.write(session, Refusal::Head(HeadFault::Method).reply())
                .await?;
            return Ok(true);
        }
        let address = self.client(session);
        // Who sends no form needs no timer either.
        let form = if sends_form(session.req_header()) {
            let Ok(form) = tokio::time::timeout(limits.body_within, read_form(session)).await else {
                self.write(session, Refusal::BodySlow.reply()).await?;
                return Ok(true);
            };
            form?
        } else {
            Some(JoinForm::default())
        };
        let Some(form) = form else {
            let problem = Problem::new(413, "too-long", "The form is too long");
            self.write(session, Reply::problem(&problem)).await?;
            return Ok(true);
        };
        let visitor = Visitor { address, form };
        let gate = self.gate.now();
        match gate.decide(session.req_header(), &visitor).await {
            Outcome::Answer(reply) => {
                self.write(session, reply).await?;
                Ok(true)
            }
            Outcome::Proxy(granted) => {
                visit.passage = granted;
                let own = body_bytes_of_room(&visit.passage);
                if BodySoFar::is_announced_too_long(session.req_header(), own, limits) {
                    self.write(session, Refusal::BodyTooLarge.reply()).await?;
                    return Ok(true);
                }
                if let Some(reply) = sold_out::answer(session, &visit.passage, limits.body_within).await? {
                    self.write(session, reply).await?;
                    return Ok(true);
                }
                self.answer_kept(session, visit).await
            }
            Outcome::Events(listener) => {
                send_events(session, listener, &self.clients.drain).await?;
                Ok(true)
            }
        }
    }

    fn request_cache_filter(&self, session: &mut Session, visit: &mut Visit) -> Result<()> {
        self.cache.begin(session, &visit.caching);
        Ok(())
    }

    fn cache_key_callback(&self, _: &Session, visit: &mut Visit) -> Result<CacheKey> {
        self.cache.key(&visit.caching)
    }

    fn response_cache_filter(
        &self,
        _: &Session,
        response: &ResponseHeader,
        visit: &mut Visit,
    ) -> Result<RespCacheable> {
        Ok(self.cache.keep(response, &visit.caching))
    }

    fn should_serve_stale(&self, session: &mut Session, visit: &mut Visit, error: Option<&Error>) -> bool {
        self.cache.use_stale(session, error, &mut visit.caching)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        visit: &mut Visit,
    ) -> Result<()> {
        // What follows upon an upgrade is a conversation, not a body.
        if session.was_upgraded() {
            return Ok(());
        }
        let own = body_bytes_of_room(&visit.passage);
        let come = body.as_ref().map_or(0, Bytes::len);
        match visit.body.more(come, own, &self.clients.limits) {
            None => Ok(()),
            Some(refusal) => Err(Error::explain(
                ErrorType::HTTPStatus(refusal.status()),
                refusal.name(),
            )),
        }
    }

    async fn upstream_peer(&self, session: &mut Session, visit: &mut Visit) -> Result<Box<HttpPeer>> {
        if visit.asked.is_none()
            && let Some(admitted) = &visit.passage.admitted
        {
            let patient = takes_its_time(session.req_header());
            visit.asked = Some(admitted.room.ear.origin.asks(patient));
        }
        let next = self.next_server(session, visit);
        next.map(Box::new).map_err(|refusal| {
            visit.refusal = Some(refusal);
            Error::explain(ErrorType::HTTPStatus(503), refusal.reason())
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        let passage = &visit.passage;
        // What is fetched for everybody says nothing of whoever asked first.
        if !Cache::make_common(session, request, &visit.caching)? {
            to_origin::tell(request, passage)?;
            let peer = peer(session.client_addr());
            forwarding::tell(request, peer, is_secure(session), &self.trusted_proxies)?;
        }
        to_origin::vouch(request, self.gate.load().origin_secret())?;
        if let Some(host) = visit.trip.as_ref().and_then(Trip::host) {
            request.insert_header(HOST, host)?;
        }
        forwarding::keep_to_http1(request)
    }

    /// The origin has answered; nobody has seen it yet.
    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        Cache::hear(session, response, &mut visit.caching);
        let status = response.status;
        let Some(trip) = visit.trip.as_mut() else {
            return Ok(());
        };
        if trip.is_overdue() {
            return Err(overdue());
        }
        // "Go on" and the like are no answers.
        if status.is_informational() && status != http::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        if trip.answered(status.as_u16()) == NextStep::Again {
            visit.goes_again = true;
            return Err(Error::new_up(ErrorType::HTTPStatus(status.as_u16())));
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        visit: &mut Visit,
    ) -> Result<Option<Duration>> {
        let is_overdue = visit.trip.as_ref().is_some_and(Trip::is_overdue);
        if is_overdue && !end_of_stream {
            return Err(overdue());
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        visit: &mut Visit,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let trip = visit.trip.as_mut();
        let again = trip.is_some_and(|trip| trip.broke(Broken::NoConnection) == NextStep::Again);
        error.set_retry(again);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        visit: &mut Visit,
        reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("asked {}", peer._address));
        let has_begun = session.response_written().is_some();
        let broken = failing::broken(&mut error, has_begun, reused);
        let again = match (std::mem::take(&mut visit.goes_again), &mut visit.trip) {
            (true, _) => true,
            (false, Some(trip)) => broken.is_some_and(|broken| trip.broke(broken) == NextStep::Again),
            (false, None) => false,
        };
        error.set_retry(again);
        error
    }

    /// Counted, and no news for each single request.
    fn suppress_error_log(&self, _session: &Session, visit: &Visit, _error: &Error) -> bool {
        visit.refusal.is_some()
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _visit: &Visit,
        _error: &Error,
        context: ProxyWarnLogContext,
    ) -> bool {
        matches!(context, ProxyWarnLogContext::UpstreamRetry)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        if !response.status.is_informational()
            && let Some(asked) = visit.asked.take()
        {
            asked.answered(response.status.as_u16());
        }
        self.cache.tell(session, response, &visit.caching)?;
        if let Some(admitted) = &visit.passage.admitted {
            let said = response.remove_header(&SESSION_HEADER);
            if said.is_some_and(|value| value == SESSION_ENDS) {
                admitted.end().await;
                visit.passage.end();
            }
        }
        self.hand_over(&visit.passage, session, response)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, visit: &mut Visit) -> FailToProxy {
        let status = failing::status_of(error);
        // Whatever the visitor did wrong says nothing about the origin.
        if let Some(asked) = visit.asked.take().filter(|_| status >= 500) {
            asked.failed();
        }
        // Whoever counts requests under way counts this one no more.
        visit.trip = None;
        // A visitor who went away needs no answer, and half an answer cannot be taken back.
        if status != 0 && session.response_written().is_none() {
            let limits = visit.passage.limits.drain(..);
            let reply = Refusal::of_status(status)
                .map_or_else(|| failing::reply(status, visit.refusal), Refusal::reply);
            let reply = limits.fold(reply, |reply, (name, value)| reply.with(name, value));
            // The connection is not used again after this, and the visitor is told so.
            session.set_keepalive(None);
            if let Err(error) = self.write(session, reply).await {
                tracing::debug!(%error, "could not answer");
            }
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }
}

impl Edge {
    /// The visitor's address.
    fn client(&self, session: &Session) -> Option<IpAddr> {
        let headers = &session.req_header().headers;
        peer(session.client_addr()).map(|peer| client_address(peer, headers, &self.trusted_proxies))
    }

    /// The server to ask next.
    fn next_server(
        &self,
        session: &mut Session,
        visit: &mut Visit,
    ) -> std::result::Result<HttpPeer, NotAsked> {
        let upgrades = session.is_upgrade_req();
        let patience = patience(session.req_header());
        if visit.trip.is_none() {
            let has_body = !session.as_mut().is_body_empty();
            let sent = failing::sent(session.req_header(), has_body, upgrades);
            let origin = visit.passage.origin.as_deref();
            visit.trip = Some(self.origins.set_out(origin, sent, self.client(session))?);
        }
        visit
            .trip
            .as_mut()
            .ok_or(NotAsked::NoServer)?
            .next(upgrades, patience)
    }

    /// Answers true when a fresh answer was kept; to those who came so far it is shown with what the gate gave them.
    async fn answer_kept(&self, session: &mut Session, visit: &mut Visit) -> Result<bool> {
        let passage = &visit.passage;
        // What an origin answers to an account may be for this account only.
        if passage.account.is_some() {
            return Ok(false);
        }
        let origin = passage.origin.as_deref();
        let Some((mut head, body)) = self.cache.answer(session, origin, &mut visit.caching) else {
            return Ok(false);
        };
        self.hand_over(passage, session, &mut head)?;
        write_whole(session, head, body).await?;
        Ok(true)
    }

    /// Gives somebody what the edge has to tell them beside the answer.
    fn hand_over(&self, passage: &Passage, session: &Session, response: &mut ResponseHeader) -> Result<()> {
        let hsts = self.clients.hsts.as_ref().filter(|_| is_secure(session));
        let shows_pass = session.req_header().headers.contains_key(PASS_HEADER);
        for (name, value) in told::beside(passage, shows_pass, hsts) {
            if told::replaces(&name) {
                response.insert_header(name, value)?;
            } else {
                response.append_header(name, value)?;
            }
        }
        Ok(())
    }

    async fn write(&self, session: &mut Session, reply: Reply) -> Result<()> {
        let hsts = self.clients.hsts.clone().filter(|_| is_secure(session));
        let reply = match hsts {
            Some(hsts) => reply.with(STRICT_TRANSPORT_SECURITY, hsts),
            None => reply,
        };
        write(session, reply).await
    }
}

/// It took longer than anything may.
fn overdue() -> Box<Error> {
    Error::explain(ErrorType::ReadTimedout, "the whole answer takes too long").into_up()
}

/// How long a body the visitor's room takes, if it says so.
fn body_bytes_of_room(passage: &Passage) -> Option<u64> {
    passage.admitted.as_ref()?.room.config.body_bytes
}

fn is_secure(session: &Session) -> bool {
    session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
}

/// Tells a listener who came by another way than the plain one, such as HTTP/2.
async fn send_events(session: &mut Session, mut listener: Listener, drain: &SharedDrain) -> Result<()> {
    let mut draining = drain.watch();
    let mut response = ResponseHeader::build(http::StatusCode::OK, None)?;
    for (name, value) in Listener::head() {
        response.append_header(name, value)?;
    }
    session.set_keepalive(None);
    session.write_response_header(Box::new(response), false).await?;
    while let Some((event, pause)) = listener.tell() {
        session.write_response_body(Some(event.into()), false).await?;
        if !*draining.borrow() {
            tokio::select! {
                () = listener.wait(pause) => continue,
                _ = draining.changed() => {}
            }
        }
        let farewell = listener.farewell().into();
        session.write_response_body(Some(farewell), false).await?;
        break;
    }
    session.write_response_body(None, true).await
}

async fn write(session: &mut Session, reply: Reply) -> Result<()> {
    // A body that nobody has read is not waited for: the connection ends with the answer.
    if !session.as_downstream_mut().is_body_done() {
        session.set_keepalive(None);
    }
    let mut response = ResponseHeader::build(reply.status, Some(reply.headers.len() + 1))?;
    for (name, value) in reply.headers {
        response.append_header(name, value)?;
    }
    if reply.status != http::StatusCode::NO_CONTENT {
        response.insert_header(http::header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()))?;
    }
    write_whole(session, response, reply.body).await
}

async fn write_whole(session: &mut Session, head: ResponseHeader, body: Bytes) -> Result<()> {
    let empty = session.req_header().method == http::Method::HEAD || body.is_empty();
    session.write_response_header(Box::new(head), empty).await?;
    if !empty {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
