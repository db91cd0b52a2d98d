//! One request through the edge: Pingora's phases, each a few lines around the gate.

use super::{
    origins::RunningOrigin,
    visitor::{peer, read_form},
};
use crate::{
    entrance::{Visitor, client_address},
    gate::{Gate, Listener, Outcome, PASS_HEADER, Passage},
    reply::Reply,
    signals::Asked,
};
use async_trait::async_trait;
use contract::Problem;
use http::{HeaderName, HeaderValue, header::HOST, header::SET_COOKIE};
use ipnet::IpNet;
use pingora_core::{Error, ErrorSource, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Everything that begins so is said by the edge; visitors' own copies are dropped.
const OURS: &str = "waiting-room-";
/// The session, for an origin that does not read the pass.
const SESSION_HEADER: HeaderName = HeaderName::from_static("waiting-room-session");
/// The room, likewise. From an origin, `Waiting-Room-Session: end` ends the session.
const ROOM_HEADER: HeaderName = HeaderName::from_static("waiting-room-room");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A request on its way.
#[derive(Debug, Default)]
pub(super) struct Visit {
    passage: Passage,
    /// What the origin was asked, until it answers.
    asked: Option<Asked>,
}

/// The edge's proxy.
pub(super) struct Edge {
    pub(super) gate: Arc<Gate>,
    pub(super) origins: Vec<RunningOrigin>,
    /// Proxies in front, which say whom they speak for.
    pub(super) trusted_proxies: Vec<IpNet>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Visit;

    fn new_ctx(&self) -> Visit {
        Visit::default()
    }

    /// Answers true when the request was answered here.
    async fn request_filter(&self, session: &mut Session, visit: &mut Visit) -> Result<bool> {
        let address = self.client(session);
        let Some(form) = read_form(session).await? else {
            let problem = Problem::new(413, "too-long", "The form is too long");
            write(session, Reply::problem(&problem)).await?;
            return Ok(true);
        };
        let visitor = Visitor { address, form };
        match self.gate.decide(session.req_header(), &visitor).await {
            Outcome::Answer(reply) => {
                write(session, reply).await?;
                Ok(true)
            }
            Outcome::Proxy(granted) => {
                visit.passage = granted;
                Ok(false)
            }
            Outcome::Events(listener) => {
                send_events(session, listener).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, visit: &mut Visit) -> Result<Box<HttpPeer>> {
        if visit.asked.is_none()
            && let Some(admitted) = &visit.passage.admitted
        {
            let patient = takes_its_time(session.req_header());
            visit.asked = Some(admitted.room.ear.origin.asks(patient));
        }
        let peer = self.origin(&visit.passage).and_then(RunningOrigin::peer);
        peer.map(Box::new)
            .ok_or_else(|| Error::explain(ErrorType::ConnectError, "no server of the origin is well"))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        let passage = &visit.passage;
        let theirs: Vec<HeaderName> = request
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with(OURS))
            .cloned()
            .collect();
        for name in theirs {
            request.remove_header(&name);
        }
        if let Some(admitted) = &passage.admitted {
            request.insert_header(PASS_HEADER, &admitted.pass)?;
            request.insert_header(SESSION_HEADER, admitted.session.to_string())?;
            request.insert_header(ROOM_HEADER, admitted.room.config.id.as_str())?;
        }
        if let Some(host) = self.origin(passage).and_then(RunningOrigin::host) {
            request.insert_header(HOST, host)?;
        }
        if let Some(address) = self.client(session) {
            request.insert_header(FORWARDED_FOR, address.to_string())?;
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        visit: &mut Visit,
    ) -> Result<()> {
        if let Some(asked) = visit.asked.take() {
            asked.answered(response.status.as_u16());
        }
        let passage = &visit.passage;
        let Some(admitted) = &passage.admitted else {
            return Ok(());
        };
        let ends = response
            .headers
            .get(SESSION_HEADER)
            .is_some_and(|value| value == "end");
        response.remove_header(&SESSION_HEADER);
        if ends {
            self.end(admitted).await;
            return Ok(());
        }
        for cookie in &passage.cookies {
            response.append_header(SET_COOKIE, cookie.to_string())?;
        }
        if admitted.is_new && session.req_header().headers.contains_key(PASS_HEADER) {
            response.insert_header(PASS_HEADER, &admitted.pass)?;
        }
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, visit: &mut Visit) -> FailToProxy {
        let status = status_of(error);
        // Whatever the visitor did wrong says nothing about the origin.
        if let Some(asked) = visit.asked.take().filter(|_| status >= 500) {
            asked.failed();
        }
        // A visitor who went away needs no answer.
        if status != 0 {
            let problem = Problem::new(status, "origin", "The shop does not answer right now");
            let reply = Reply::problem(&problem.detail("You keep your place. Try again in a moment."));
            let reply = reply.retry_after(Duration::from_secs(2));
            // The connection is not used again after this, and the visitor is told so.
            session.set_keepalive(None);
            if let Err(error) = write(session, reply).await {
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

    fn origin(&self, passage: &Passage) -> Option<&RunningOrigin> {
        self.origins.get(passage.origin)
    }

    async fn end(&self, admitted: &crate::gate::Admitted) {
        let Some(view) = admitted.room.view().clone() else {
            return;
        };
        if let Err(error) = admitted.room.end(&view, admitted.session).await {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "a session could not be ended"
            );
        }
    }
}

/// Whether the visitor asks the origin to wait for something: RFC 7240.
fn takes_its_time(request: &RequestHeader) -> bool {
    let mut preferences = request.headers.get_all("prefer").iter();
    preferences.any(|value| value.as_bytes().windows(5).any(|part| part == b"wait="))
}

/// 0 when there is nobody to answer.
fn status_of(error: &Error) -> u16 {
    match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(status), _) => *status,
        (
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
            ErrorSource::Downstream,
        ) => 0,
        (_, ErrorSource::Downstream) => 400,
        (ErrorType::ConnectTimedout | ErrorType::ReadTimedout, _) => 504,
        (_, ErrorSource::Upstream) => 502,
        _ => 503,
    }
}

/// Tells a listener who came by another way than the plain one, such as HTTP/2.
async fn send_events(session: &mut Session, mut listener: Listener) -> Result<()> {
    let mut response = ResponseHeader::build(http::StatusCode::OK, None)?;
    for (name, value) in Listener::head() {
        response.append_header(name, value)?;
    }
    session.set_keepalive(None);
    session.write_response_header(Box::new(response), false).await?;
    while let Some((event, pause)) = listener.tell() {
        session.write_response_body(Some(event.into()), false).await?;
        listener.wait(pause).await;
    }
    session.write_response_body(None, true).await
}

async fn write(session: &mut Session, reply: Reply) -> Result<()> {
    // Nothing of ours takes a body. Who sends one all the same is answered, and the connection ends with it.
    if !session.as_downstream_mut().is_body_empty() {
        session.set_keepalive(None);
    }
    let head_only = session.req_header().method == http::Method::HEAD;
    let mut response = ResponseHeader::build(reply.status, Some(reply.headers.len() + 1))?;
    for (name, value) in reply.headers {
        response.append_header(name, value)?;
    }
    if reply.status != http::StatusCode::NO_CONTENT {
        response.insert_header(http::header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()))?;
    }
    let empty = head_only || reply.body.is_empty();
    session.write_response_header(Box::new(response), empty).await?;
    if !empty {
        session.write_response_body(Some(reply.body), true).await?;
    }
    Ok(())
}
