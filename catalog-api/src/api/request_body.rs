//! A JSON body of bounded size, not parsed yet.

use super::{ApiProblem, Kind, Refuses};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use catalog_domain::limits::BODY_MAX_BYTES;

/// The bytes of a body that claims to be JSON.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl Refuses for JsonBytes {
    const KINDS: &'static [Kind] = &[
        (400, "malformed"),
        (408, "timeout"),
        (413, "too-large"),
        (415, "unsupported-media-type"),
    ];
}

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiProblem> {
        if !claims_json(request.headers()) {
            let detail = "Send the body as application/json.";
            return Err(ApiProblem::new(
                415,
                "unsupported-media-type",
                "Unsupported media type",
                detail,
            ));
        }
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        let detail = format!("A body may have at most {BODY_MAX_BYTES} bytes.");
                        ApiProblem::new(413, "too-large", "The body is too large", detail)
                    }
                    _ => ApiProblem::new(400, "malformed", "The body cannot be read", "The body broke off."),
                })?;
        Ok(Self(bytes))
    }
}

fn claims_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
