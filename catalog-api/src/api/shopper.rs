//! Who is asking.
//!
//! This is the one place that turns a request into a shopper: the member who is signed in, else the session of the pass that
//! the edge forwards. Without a pass nobody shops.

use super::{ApiProblem, Kind, Refuses, Shop, member::MaybeMember};
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
    /// To whom orders belong.
    pub id: ShopperId,
    /// To whom those belong that were placed in this session, perhaps before the shopper signed in.
    pub session: ShopperId,
    /// Since when there is this shopper, Unix milliseconds: when the session began, or the account was made. The same for
    /// every request, so that a key names the same order whenever it is used.
    pub since_unix_ms: u64,
}

impl Shopper {
    /// Whose orders the shopper may see.
    pub fn owners(&self) -> [ShopperId; 2] {
        [self.id.clone(), self.session.clone()]
    }
}

impl Refuses for Shopper {
    const KINDS: &'static [Kind] = &[
        (401, "pass-required"),
        (401, "token-refused"),
        (403, "foreign-origin"),
    ];
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
        let session = ShopperId::of_session(&claims.sid);
        let MaybeMember(member) = MaybeMember::from_request_parts(parts, shop).await?;
        Ok(match member {
            Some(member) => Self {
                id: ShopperId::of_member(member.id),
                session,
                since_unix_ms: member.id.since_unix_ms(),
            },
            None => Self {
                id: session.clone(),
                session,
                since_unix_ms: claims.sst,
            },
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
