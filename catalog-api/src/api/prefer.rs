//! `Prefer: wait=N` as an extractor, and the header that says it was honoured.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use catalog_domain::preferred_wait;
use std::{convert::Infallible, time::Duration};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long the shopper would rather wait for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Wait(pub Option<Duration>);

impl Wait {
    /// Says on the response that the preference was honoured.
    pub fn applied_to(self, mut response: Response) -> Response {
        let applied = self
            .0
            .and_then(|wait| HeaderValue::try_from(format!("wait={}", wait.as_secs())).ok());
        if let Some(applied) = applied {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts
            .headers
            .get_all(PREFER)
            .iter()
            .filter_map(|value| value.to_str().ok());
        Ok(Self(preferred_wait(values)))
    }
}
