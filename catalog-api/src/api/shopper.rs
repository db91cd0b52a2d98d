//! Who is asking.
//!
//! This is the one place that turns a request into a shopper. Today that is the session of the pass that the edge
//! forwards; when members can sign in, their access token is read here and nothing behind it changes.

use super::{ApiProblem, Kind, Refuses, Shop};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header::WWW_AUTHENTICATE, request::Parts},
};
use contract::ShopperId;
use std::sync::Arc;
use tracing::debug;

/// The edge puts the pass here and strips what clients put here themselves. It is verified all the same.
const PASS_HEADER: HeaderName = HeaderName::from_static("waiting-room-pass");

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub struct Shopper {
    pub id: ShopperId,
    /// When the session began, Unix milliseconds: the same for every request of it.
    pub session_start_unix_ms: u64,
}

impl Refuses for Shopper {
    const KINDS: &'static [Kind] = &[(401, "pass-required")];
}

impl FromRequestParts<Arc<Shop>> for Shopper {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, ApiProblem> {
        let token =
            only(&parts.headers).ok_or_else(|| refused("This needs a pass from the waiting room."))?;
        let claims = shop
            .passes
            .verify(token, shop.clock.unix_ms() / 1000)
            .await
            .map_err(|error| {
                debug!(%error, "a pass was refused");
                refused("The pass is not valid, or not any more. Join the line again.")
            })?;
        Ok(Self {
            id: ShopperId::of_session(&claims.sid),
            session_start_unix_ms: claims.sst,
        })
    }
}

/// The pass, if there is exactly one.
fn only(headers: &HeaderMap) -> Option<&str> {
    let mut passes = headers.get_all(PASS_HEADER).iter();
    let pass = passes.next()?.to_str().ok()?;
    passes.next().is_none().then_some(pass)
}

fn refused(detail: &str) -> ApiProblem {
    ApiProblem::new(401, "pass-required", "A pass is required", detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Waiting-Room-Pass"))
}
