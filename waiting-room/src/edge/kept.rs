//! Answers that are kept, given by the front: one read, one write, and the proxy is not troubled.
//!
//! Only when a fresh answer is kept is anything decided here, and then it is decided for good: whatever else has to become
//! of a request is the proxy's, as if nobody had looked. So a request is counted once, whichever way it goes.

use super::{
    front::Front,
    plain_head::{PlainGet, header_space},
};
use crate::{
    entrance::{Visitor, client_address},
    gate::{Outcome, PASS_HEADER, Passage},
};
use http::{HeaderName, HeaderValue, header::SET_COOKIE};
use pingora_http::RequestHeader;
use std::net::IpAddr;
use waiting_room_domain::{HeadRead, read_head};

impl Front {
    /// Whether it is worth looking for an answer: cheap, for the many requests for which it is not.
    pub(super) fn may_be_kept(&self, bytes: &[u8]) -> bool {
        let target = bytes.strip_prefix(b"GET ").unwrap_or_default();
        let path = target
            .split(|byte| b" ?".contains(byte))
            .next()
            .unwrap_or_default();
        // By TLS there is more to say.
        self.tls.is_none() && self.cache.may_keep(path)
    }

    /// The whole answer to a plain request for something that is kept, as far as the gate lets its visitor pass; nothing
    /// when the proxy is to see to it.
    pub(super) async fn kept(&self, bytes: &[u8], peer: Option<IpAddr>) -> Option<Vec<u8>> {
        let mut space = header_space();
        let plain = PlainGet::read(bytes, &mut space)?;
        if read_head(bytes, &self.limits.head) != HeadRead::Whole(bytes.len()) {
            return None;
        }
        let request = request(&plain)?;
        let _in_flight = self.drain.in_flight();
        let gate = self.gate.now();
        let origin = gate.errand(&request).origin;
        let stored = self.cache.kept(origin.as_deref(), &request)?;
        // What an origin answers to an account may be for this account only.
        if !gate.is_nobodys(&request).await {
            return None;
        }
        let visitor = Visitor {
            address: peer.map(|peer| client_address(peer, &request.headers, &self.trusted_proxies)),
            ..Visitor::default()
        };
        match gate.decide(&request, &visitor).await {
            Outcome::Answer(reply) => Some(reply.to_http1(gate.now())),
            Outcome::Proxy(passage) if passage.origin == origin => {
                Some(self.cache.give(&stored, &beside(&passage, &request)))
            }
            Outcome::Proxy(_) | Outcome::Events(_) => None,
        }
    }
}

fn request(plain: &PlainGet<'_>) -> Option<RequestHeader> {
    let size = Some(plain.headers.len());
    let mut request = RequestHeader::build_no_case("GET", plain.target.as_bytes(), size).ok()?;
    for header in plain.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(header.value).ok()?;
        request.append_header(name, value).ok()?;
    }
    Some(request)
}

/// What a visitor is told beside the answer: their quotas, and what they come in with the next time.
fn beside(passage: &Passage, request: &RequestHeader) -> Vec<(HeaderName, HeaderValue)> {
    let mut told = passage.limits.to_vec();
    let Some(admitted) = &passage.admitted else {
        return told;
    };
    told.extend(passage.cookies.iter().map(|cookie| (SET_COOKIE, cookie.clone())));
    if admitted.is_new && request.headers.contains_key(PASS_HEADER) {
        told.push((PASS_HEADER, admitted.pass.clone()));
    }
    told
}
