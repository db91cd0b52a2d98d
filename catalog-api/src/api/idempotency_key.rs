//! The `Idempotency-Key` of a request, as operators send it.

use super::{ApiProblem, Kind, Refuses, orders::IDEMPOTENCY_KEY};
use axum::{extract::FromRequestParts, http::request::Parts};
use catalog_domain::{Fingerprint, IdempotencyKey, KeyError};
use std::fmt::Display;
use uuid::Uuid;

/// The one that the request has.
#[derive(Debug, Clone)]
pub struct Key(IdempotencyKey);

impl Key {
    /// What it names among those of `whose`.
    pub fn names(&self, whose: impl Display) -> Uuid {
        let hash = Fingerprint::of(&format!("{whose}\n{}", self.0.as_str()));
        Uuid::try_parse(&hash.as_str()[..32]).unwrap_or_default()
    }
}

impl Refuses for Key {
    const KINDS: &'static [Kind] = KeyError::KINDS;
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiProblem> {
        let keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        Ok(Self(IdempotencyKey::from_headers(
            keys.map(|value| value.as_bytes()),
        )?))
    }
}
