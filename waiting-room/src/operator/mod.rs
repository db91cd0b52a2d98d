//! The operator's API: the numbers of every line, the levers, the config, and who changed what. On a listener of its
//! own, and only if a token is set; without one there is no listener.

mod actor;
mod audit;
mod bodies;
mod cache;
mod config;
mod levers;
mod tokens;

pub use tokens::AdminTokens;

use crate::{
    edge::{Cache, OriginReport, Origins, SharedDrain},
    gate::Gate,
    live::Live,
    rooms::{Room, View},
    store::LiveStore,
};
use actor::authorise;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State, rejection::JsonRejection},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post, put},
};
use bodies::RoomBody;
use contract::Problem;
use metrics_exporter_prometheus::PrometheusHandle;
use process::ProblemResponse;
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::Arc;

/// No change of a room is longer than this.
const BODY_MAX_BYTES: usize = 4_096;
/// No config is longer than this.
const CONFIG_MAX_BYTES: usize = 256 * 1_024;

/// What the routes need.
pub struct Operator {
    /// The config, and the gate whose rooms are operated.
    pub live: Arc<Live>,
    /// What was changed.
    pub store: Arc<dyn LiveStore>,
    /// Where requests go.
    pub origins: Arc<Origins>,
    /// What is kept of the origins' answers.
    pub cache: Arc<Cache>,
    /// The tokens that operators show.
    pub tokens: AdminTokens,
    /// What renders the metrics.
    pub metrics: PrometheusHandle,
    /// Whether the edge is about to end.
    pub drain: SharedDrain,
}

impl Operator {
    fn gate(&self) -> Arc<Gate> {
        self.live.gate.now()
    }
}

/// What to go back to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    version: u64,
}

type Answer = Result<Response, ProblemResponse>;

/// The routes. All but `/livez` and `/readyz` want `Authorization: Bearer <token>`.
pub fn router(operator: Operator) -> Router {
    let operator = Arc::new(operator);
    let configs = Router::new()
        .route("/config", get(config::shown).put(config::replaced))
        .layer(DefaultBodyLimit::max(CONFIG_MAX_BYTES));
    let guarded = Router::new()
        .route("/rooms", get(rooms))
        .route("/rooms/{room}", get(room))
        .route("/rooms/{room}/limits", patch(levers::limits))
        .route("/rooms/{room}/pause", post(levers::pause))
        .route("/rooms/{room}/resume", post(levers::resume))
        .route("/rooms/{room}/switch", put(levers::switch))
        .route(
            "/rooms/{room}/message",
            put(levers::message).delete(levers::no_message),
        )
        .route("/rooms/{room}/changes", get(audit::of_room))
        .route("/rooms/{room}/revert", post(audit::revert))
        .route("/changes", get(audit::all))
        .route("/config/revert", post(config::reverted))
        .route("/config/versions", get(config::versions))
        .route("/config/versions/{version}", get(config::version))
        .route("/origins", get(origins))
        .route("/metrics", get(metrics))
        .route("/cache", delete(cache::purge))
        .merge(configs)
        .route_layer(from_fn_with_state(Arc::clone(&operator), authorise));
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            ProblemResponse(Problem::new(
                405,
                "method-not-allowed",
                "This address is asked in another way",
            ))
        })
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(operator)
}

async fn rooms(State(operator): State<Arc<Operator>>) -> Json<Vec<RoomBody>> {
    let gate = operator.gate();
    let seen = gate
        .rooms
        .iter()
        .filter_map(|room| Some(RoomBody::of(room, room.view().as_ref()?)));
    Json(seen.collect())
}

async fn room(State(operator): State<Arc<Operator>>, Path(id): Path<String>) -> Answer {
    let (room, view) = find(&operator, &id)?;
    Ok(Json(RoomBody::of(&room, &view)).into_response())
}

async fn origins(State(operator): State<Arc<Operator>>) -> Json<Vec<OriginReport>> {
    Json(operator.origins.report())
}

async fn metrics(State(operator): State<Arc<Operator>>) -> String {
    operator.metrics.render()
}

/// Ready when every line is known and fresh, and the edge is not about to end.
async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    if operator.drain.has_begun() {
        let problem = Problem::new(503, "draining", "This edge is about to end");
        return ProblemResponse(problem).into_response();
    }
    let fresh = |room: &Arc<Room>| room.view().as_ref().is_some_and(|view| !view.is_stale());
    let silent: Vec<String> = operator
        .gate()
        .rooms
        .iter()
        .filter(|room| !fresh(room))
        .map(|room| room.config.id.to_string())
        .collect();
    if silent.is_empty() {
        return "ready".into_response();
    }
    let problem = Problem::new(503, "not-ready", "Some lines are not known").with("rooms", silent);
    ProblemResponse(problem).into_response()
}

fn find(operator: &Operator, id: &str) -> Result<(Arc<Room>, Arc<View>), ProblemResponse> {
    let gate = operator.gate();
    let room = gate.rooms.by_id(id).ok_or_else(not_found)?;
    let view = room.view().clone();
    let not_seen = || ProblemResponse(Problem::new(503, "unavailable", "The line is not known yet"));
    Ok((Arc::clone(room), view.ok_or_else(not_seen)?))
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, ProblemResponse> {
    let body: Json<T> = Json::from_request(request, &())
        .await
        .map_err(|error| bad_body(&error))?;
    Ok(body.0)
}

fn not_found() -> ProblemResponse {
    ProblemResponse(Problem::new(404, "not-found", "There is nothing here"))
}

fn invalid(detail: &str) -> ProblemResponse {
    ProblemResponse(Problem::new(422, "invalid", "The change makes no sense").detail(detail))
}

/// The store was asked in vain. What is known of that goes to the log.
fn silent(error: impl Into<anyhow::Error>) -> ProblemResponse {
    let error = format!("{:#}", error.into());
    tracing::warn!(error, "an operator could not be served");
    let problem = Problem::new(503, "unavailable", "The store does not answer");
    ProblemResponse(problem.detail("Look at what is in force before you try again."))
}

fn bad_body(error: &JsonRejection) -> ProblemResponse {
    ProblemResponse(
        Problem::new(error.status().as_u16(), "bad-body", "The body is not as expected")
            .detail(error.body_text()),
    )
}
