//! Answers that are kept, given by the front: one read, one write, and the proxy is not troubled.
//!
//! Only when a fresh answer is kept is anything decided here, and then it is decided for good: whatever else has to become
//! of a request is the proxy's, as if nobody had looked. So a request is counted once, whichever way it goes.

use super::{front::Front, told};
use crate::{
    entrance::Visitor,
    gate::{Outcome, PASS_HEADER},
};
use http::Method;
use pingora_http::RequestHeader;

impl Front {
    /// The whole answer to a plain request for something that is kept, as far as the gate lets its visitor pass; nothing
    /// when the proxy is to see to it.
    pub(super) async fn kept(&self, request: &RequestHeader, visitor: &Visitor) -> Option<Vec<u8>> {
        if request.method != Method::GET {
            return None;
        }
        let gate = self.gate.now();
        let origin = gate.errand(request).origin;
        let stored = self.cache.kept(origin.as_deref(), request)?;
        // What an origin answers to an account may be for this account only.
        if !gate.is_nobodys(request).await {
            return None;
        }
        match gate.decide(request, visitor).await {
            Outcome::Answer(reply) => Some(reply.to_http1(gate.now())),
            Outcome::Proxy(passage) if passage.origin == origin => {
                let beside = told::beside(&passage, request.headers.contains_key(PASS_HEADER), None);
                Some(self.cache.give(&stored, &beside))
            }
            Outcome::Proxy(_) | Outcome::Events(_) => None,
        }
    }
}
