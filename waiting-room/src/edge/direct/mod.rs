//! The direct way of plain requests to origins: two reads and two writes.
//!
//! The proxy is made for everything that HTTP allows, and every request pays for that. What nearly all of them are (a whole
//! head, no body or a short one that came with it, for an origin without TLS and nothing that is kept) goes this way:
//! decided by the same [gate](crate::gate::Gate), told to origins by the same functions, held against the same breaker,
//! retries and health. Whatever is not plain is the proxy's, as if nobody had looked.

mod answer;
mod body;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod journey;
mod request;

use super::{
    body::BodySoFar,
    failing::{self, patience, sent, takes_its_time},
    front::{Client, Front},
    refusal::Refusal,
    sold_out, told,
};
use crate::{
    entrance::{Visitor, client_address},
    gate::{Outcome, PASS_HEADER, Passage},
    reply::Reply,
    signals::Asked,
};
use http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY};
use journey::{Arrived, Failure, Journey};
use pingora_core::protocols::Stream;
use request::Request;
use std::net::IpAddr;

/// What has become of a request.
pub(super) enum Done {
    /// It has this answer.
    Answer(Vec<u8>),
    /// It has this answer, after which the connection ends.
    LastAnswer(Vec<u8>),
    /// It was answered, and another one may follow.
    Answered,
    /// It was answered as far as could be, and the connection ends.
    Ended,
}

impl Front {
    /// Sees to a plain request that is not for the waiting room itself; nothing when it is for the proxy to see to.
    pub(super) async fn see_to(&self, stream: &mut Stream, bytes: &[u8], client: Client) -> Option<Done> {
        let request = Request::read(bytes, &self.limits.head)?;
        let _in_flight = self.drain.in_flight();
        let headers = &request.head.headers;
        let visitor = Visitor {
            address: client
                .peer
                .map(|peer| client_address(peer, headers, &self.trusted_proxies)),
            ..Visitor::default()
        };
        if self.cache.may_keep(request.head.uri.path().as_bytes()) {
            // By TLS there is more to say.
            let kept = (!client.is_secure).then(|| self.kept(&request.head, &visitor))?;
            return kept.await.map(Done::Answer);
        }
        let gate = self.gate.now();
        if !self
            .origins
            .is_plain(gate.errand(&request.head).origin.as_deref())
        {
            return None;
        }
        let mut passage = match gate.decide(&request.head, &visitor).await {
            Outcome::Proxy(passage) => passage,
            Outcome::Answer(reply) => {
                return Some(Done::Answer(self.secured(reply, client).to_http1(gate.now())));
            }
            // Nothing leads there that is not addressed to the waiting room.
            Outcome::Events(_) => return None,
        };
        let passed_on = self
            .pass_on(stream, request, &visitor, client, &mut passage)
            .await;
        Some(passed_on.unwrap_or_else(|reply| {
            let limits = passage.limits.drain(..);
            let reply = limits.fold(reply, |reply, (name, value)| reply.with(name, value));
            Done::LastAnswer(self.secured(reply, client).to_http1_and_close())
        }))
    }

    /// Takes a request to its origin, and the answer to the visitor.
    ///
    /// # Errors
    /// What the visitor is told instead, before the connection ends.
    async fn pass_on(
        &self,
        stream: &mut Stream,
        request: Request,
        visitor: &Visitor,
        client: Client,
        passage: &mut Passage,
    ) -> Result<Done, Reply> {
        let admitted = passage.admitted.as_ref();
        let body_bytes = admitted.and_then(|admitted| admitted.room.config.body_bytes);
        if BodySoFar::is_announced_too_long(&request.head, body_bytes, &self.limits) {
            return Err(Refusal::BodyTooLarge.reply());
        }
        if let Some(reply) = sold_out::reply(passage, &request.head, &request.body) {
            let reply = self.secured(reply, client);
            return Ok(Done::Answer(reply.to_http1(self.gate.load().now())));
        }
        let asked = admitted.map(|admitted| admitted.room.ear.origin.asks(takes_its_time(&request.head)));
        let shows_pass = request.head.headers.contains_key(PASS_HEADER);
        let (journey, arrived) = match self.ask(stream, request, visitor.address, client, passage).await {
            Ok(arrived) => arrived,
            // Who went away needs no answer.
            Err(Failure::Gone) => return Ok(Done::Ended),
            Err(Failure::Unanswered(status, refusal)) => {
                asked.into_iter().for_each(Asked::failed);
                return Err(failing::reply(status, refusal));
            }
        };
        if let Some(asked) = asked {
            asked.answered(arrived.status().as_u16());
        }
        if let Some(admitted) = &passage.admitted
            && arrived.ends_session()
        {
            admitted.end().await;
            passage.end();
        }
        let told = told::beside(passage, shows_pass, self.hsts(client));
        let (last, now) = (self.drain.has_begun(), self.gate.load().now());
        Ok(journey.deliver(arrived, &told, last, now).await)
    }

    /// Asks the origin.
    async fn ask<'a>(
        &self,
        stream: &'a mut Stream,
        request: Request,
        address: Option<IpAddr>,
        client: Client,
        passage: &Passage,
    ) -> Result<(Journey<'a>, Arrived), Failure> {
        let origin = passage.origin.as_deref();
        let sent = sent(&request.head, !request.body.is_empty(), false);
        let trip = self.origins.set_out(origin, sent, address);
        let trip = trip.map_err(|refusal| Failure::Unanswered(503, Some(refusal)))?;
        let patience = patience(&request.head);
        let told = request.told(passage, client, &self.trusted_proxies);
        let told = told.and_then(|request| {
            let gate = self.gate.load();
            request.addressed(trip.host(), gate.origin_secret())
        });
        // Nothing that is said here cannot be written down.
        let to_send = told.map_err(|_| Failure::Unanswered(503, None))?.write();
        let mut journey = Journey::new(stream, trip, to_send, patience, self.limits.answer_within);
        let arrived = journey.ask().await?;
        Ok((journey, arrived))
    }

    fn hsts(&self, client: Client) -> Option<&HeaderValue> {
        self.hsts.as_ref().filter(|_| client.is_secure)
    }

    /// An answer of our own, with what browsers are told by TLS.
    fn secured(&self, reply: Reply, client: Client) -> Reply {
        match self.hsts(client) {
            Some(hsts) => reply.with(STRICT_TRANSPORT_SECURITY, hsts.clone()),
            None => reply,
        }
    }
}
