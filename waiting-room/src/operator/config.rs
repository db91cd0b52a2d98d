//! The config by the operators' API: what is in force, another one, and what there was before.

use super::{Answer, Back, Operator, actor::Operating, body, not_found, silent};
use crate::{
    config::live::to_json,
    live::{Asked, Changed, Refused},
    store::{Attribution, ConfigVersion},
};
use axum::{
    Json,
    extract::{FromRequest, Path, Query, Request, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH},
    },
    response::{IntoResponse, Response},
};
use contract::Problem;
use process::ProblemResponse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tracing::info;
use waiting_room_domain::Stamp;

const VERSION: HeaderName = HeaderName::from_static("waiting-room-config-version");

/// How a document is to be handled.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct How {
    /// Only say what would become of it.
    check: bool,
    /// Rooms may be removed, and what they guard opened.
    allow_removal: bool,
}

/// A version in a list.
#[derive(Debug, Serialize)]
pub(super) struct VersionBody {
    pub(super) version: u64,
    pub(super) at_unix_ms: u64,
    #[serde(flatten)]
    pub(super) by: Attribution,
    /// What was different from the version before.
    pub(super) changes: Vec<String>,
}

/// A version with its document.
#[derive(Debug, Serialize)]
struct DocumentBody {
    version: u64,
    #[serde(flatten)]
    made: Option<VersionBody>,
    config: serde_json::Value,
    document: String,
}

impl From<&ConfigVersion> for VersionBody {
    fn from(version: &ConfigVersion) -> Self {
        Self {
            version: version.stamp.number,
            at_unix_ms: version.stamp.at.unix_ms(),
            by: version.made.by.clone(),
            changes: version.made.changes.clone(),
        }
    }
}

pub(super) async fn shown(State(operator): State<Arc<Operator>>, headers: HeaderMap) -> Response {
    let (stamp, text, version) = operator.live.in_force().await;
    document(&headers, stamp, text, version.as_ref())
}

pub(super) async fn versions(State(operator): State<Arc<Operator>>) -> Json<Vec<VersionBody>> {
    let versions = operator.live.versions().await;
    Json(versions.iter().map(VersionBody::from).collect())
}

pub(super) async fn version(
    State(operator): State<Arc<Operator>>,
    Path(number): Path<u64>,
    headers: HeaderMap,
) -> Answer {
    let versions = operator.live.versions().await;
    let version = versions.iter().find(|version| version.stamp.number == number);
    let version = version.ok_or_else(not_found)?;
    let text = version.made.text.clone();
    Ok(document(&headers, version.stamp, text, Some(version)))
}

pub(super) async fn replaced(
    State(operator): State<Arc<Operator>>,
    how: Result<Query<How>, QueryRejection>,
    by: Operating,
    request: Request,
) -> Answer {
    let how = how_of(how)?;
    let expected = if_match(request.headers())?;
    let text = String::from_request(request, &())
        .await
        .map_err(|error| bad_body(error.status(), &error.body_text()))?;
    if how.check {
        let changed = operator.live.check(&text, how.allow_removal).await;
        return changed
            .map(|changed| Json(changed).into_response())
            .map_err(refused);
    }
    let Some(expected) = expected else {
        let problem = Problem::new(428, "if-match-needed", "Say which version you have seen");
        return Err(ProblemResponse(
            problem.detail("Send its ETag as If-Match: GET /config tells it."),
        ));
    };
    info!(
        actor = by.0.actor,
        proven = by.0.proven,
        "an operator changes the config"
    );
    let asked = Asked {
        text,
        by: by.0,
        expected,
        allow_removal: how.allow_removal,
    };
    done(operator.live.change(asked).await)
}

pub(super) async fn reverted(
    State(operator): State<Arc<Operator>>,
    how: Result<Query<How>, QueryRejection>,
    by: Operating,
    request: Request,
) -> Answer {
    let how = how_of(how)?;
    let expected = if_match(request.headers())?;
    let back: Back = body(request).await?;
    info!(
        actor = by.0.actor,
        proven = by.0.proven,
        version = back.version,
        "an operator goes back to an earlier config"
    );
    let reverted = operator
        .live
        .revert(back.version, expected, by.0, how.allow_removal);
    done(reverted.await)
}

fn done(changed: Result<Changed, Refused>) -> Answer {
    let changed = changed.map_err(refused)?;
    let tag = etag(changed.version);
    Ok(([(ETAG, tag)], Json(changed)).into_response())
}

fn document(headers: &HeaderMap, stamp: Stamp, text: String, version: Option<&ConfigVersion>) -> Response {
    let tags = [(ETAG, etag(stamp.number)), (VERSION, stamp.number.to_string())];
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        let body = DocumentBody {
            version: stamp.number,
            made: version.map(VersionBody::from),
            config: to_json(&text).unwrap_or_default(),
            document: text,
        };
        return (tags, Json(body)).into_response();
    }
    let content_type = [(CONTENT_TYPE, "application/toml")];
    (tags, content_type, text).into_response()
}

fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The version that was seen: the number in `If-Match: "<number>"`.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ProblemResponse> {
    let Some(tag) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let number = tag
        .to_str()
        .ok()
        .and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    number.map(Some).ok_or_else(|| {
        let problem = Problem::new(400, "bad-if-match", "If-Match is not the ETag of a version");
        ProblemResponse(problem.detail("It is a number in quotes, as GET /config tells it."))
    })
}

fn how_of(how: Result<Query<How>, QueryRejection>) -> Result<How, ProblemResponse> {
    how.map(|how| how.0)
        .map_err(|error| bad_body(error.status(), &error.body_text()))
}

fn bad_body(status: StatusCode, detail: &str) -> ProblemResponse {
    let problem = Problem::new(status.as_u16(), "bad-body", "The request is not as expected");
    ProblemResponse(problem.detail(detail))
}

fn refused(refused: Refused) -> ProblemResponse {
    let problem = match refused {
        Refused::Silent(error) => return silent(error),
        Refused::Mistakes(mistakes) => Problem::new(422, "invalid-config", "The config has mistakes")
            .detail("Nothing was changed.")
            .with("mistakes", mistakes),
        Refused::NeedsRestart(keys) => Problem::new(422, "restart-needed", "Some of this needs a restart")
            .detail("Nothing was changed. Put it into the config file and restart the edges one by one.")
            .with("keys", keys),
        Refused::WouldOpen(opened) => Problem::new(409, "would-open", "Something would be open to all")
            .detail("Nothing was changed. If it is meant so, send it again with ?allow_removal=true.")
            .with("opened", opened),
        Refused::LosesPlaces(rooms) => Problem::new(409, "loses-places", "People would lose their places")
            .detail("Nothing was changed. Wait until the line is over, or open a room with another id.")
            .with("rooms", rooms),
        Refused::Conflict(version) => Problem::new(412, "conflict", "Somebody else has changed the config")
            .detail("Nothing was changed. Look at the version in force before you try again.")
            .with("version", version),
        Refused::NoSuchVersion(_) => Problem::new(404, "no-such-version", "There is no such version")
            .detail("GET /config/versions tells which there are."),
        Refused::Recovering => Problem::new(503, "recovering", "The store is being told what it forgot")
            .detail("Nothing was changed. Try again in a second."),
        error @ Refused::NotHere(version, _) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(error, "a config that was accepted is not in force here");
            Problem::new(500, "not-in-force", "The config is not in force on this edge")
                .detail(
                    "It is stored. Look at this edge's log, and go back to an earlier version if need be.",
                )
                .with("version", version)
        }
    };
    ProblemResponse(problem)
}
