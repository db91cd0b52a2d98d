//! A JSON body with known fields.

use super::{ApiProblem, Kind, Refuses, request_body::JsonBytes};
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

/// A body read as `T`: 400 when it is not JSON, 422 when its fields are others.
#[derive(Debug, Clone)]
pub struct Fields<T>(pub T);

impl<T> Refuses for Fields<T> {
    const KINDS: &'static [Kind] = &[
        (400, "malformed"),
        (403, "foreign-origin"),
        (408, "timeout"),
        (413, "too-large"),
        (415, "unsupported-media-type"),
        (422, "invalid-fields"),
    ];
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Fields<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiProblem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            if error.is_data() {
                ApiProblem::new(422, "invalid-fields", "The body is not valid", error.to_string())
            } else {
                ApiProblem::new(400, "malformed", "The body is not JSON", error.to_string())
            }
        })
    }
}
