//! The part of an address that names something.

use super::{ApiProblem, Kind, Refuses};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

/// The only variable segment of the route. What is not even text names nothing.
#[derive(Debug, Clone)]
pub struct Segment(pub String);

impl Refuses for Segment {
    const KINDS: &'static [Kind] = &[(404, "not-found")];
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text))
            .map_err(|_| ApiProblem::not_found())
    }
}
