//! What verifiers of access tokens go by: the published keys, and which sign-ins have ended.

use super::{ApiProblem, SharedShop, Sources};
use crate::members::{is_forgotten, revocations_since};
use axum::{
    Json,
    extract::{Query, State},
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

/// The keys that verify access tokens (RFC 7517).
#[utoipa::path(
    get,
    path = "/members/jwks.json",
    operation_id = "readMemberKeys",
    tag = "members",
    responses((status = 200, description = "A set of keys.", body = serde_json::Value))
)]
pub async fn jwks(State(shop): State<SharedShop>) -> Response {
    let headers = [(CACHE_CONTROL, "public, max-age=60")];
    (headers, Json(shop.members.tokens.jwks())).into_response()
}

#[derive(Debug, Deserialize)]
pub struct Asked {
    since: Option<String>,
}

/// `GET /revocations?since=`, as the edge asks for it (docs/waiting-room.md, tokens that are taken back).
pub async fn revocations(
    State(sources): State<Sources>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiProblem> {
    let since = asked.since.map(|since| since.parse()).transpose();
    let since: Option<u64> = since.map_err(|_| forgotten())?;
    let heard = revocations_since(&sources.pool, since).await;
    let heard = heard.map_err(|error| ApiProblem::unavailable(&error))?;
    if since.is_some_and(|since| is_forgotten(since, heard.next_unix_ms)) {
        return Err(forgotten());
    }
    let revoked: Vec<_> = heard
        .revoked
        .iter()
        .map(|(sign_in, until)| json!({ "sid": sign_in, "until": until }))
        .collect();
    let body = json!({ "revoked": revoked, "next": heard.next_unix_ms.to_string() });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

fn forgotten() -> ApiProblem {
    let detail = "It is not known any more what has ended since then. Ask without since.";
    ApiProblem::new(410, "forgotten", "Too long ago", detail)
}
