//! The operator's API: the numbers of every line, and the levers. On a listener of its own, and only if a token
//! is set; without one there is no listener.

use crate::{
    gate::Gate,
    rooms::{Room, View},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State, rejection::JsonRejection},
    http::{StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use contract::Problem;
use metrics_exporter_prometheus::PrometheusHandle;
use process::{ProblemResponse, matches_bearer};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tracing::info;
use waiting_room_domain::{ControlChange, Limits};

/// No change is longer than this.
const BODY_MAX_BYTES: usize = 4_096;

/// What the routes need.
pub struct Operator {
    /// The gate whose rooms are operated.
    pub gate: Arc<Gate>,
    /// The token that operators show.
    pub token: SecretString,
    /// What renders the metrics.
    pub metrics: PrometheusHandle,
}

/// The routes. All but `/livez` and `/readyz` want `Authorization: Bearer <token>`.
pub fn router(operator: Operator) -> Router {
    let operator = Arc::new(operator);
    let guarded = Router::new()
        .route("/rooms", get(rooms))
        .route("/rooms/{room}", get(room))
        .route("/rooms/{room}/limits", patch(limits))
        .route("/rooms/{room}/pause", post(pause))
        .route("/rooms/{room}/resume", post(resume))
        .route("/metrics", get(metrics))
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

async fn authorise(State(operator): State<Arc<Operator>>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if matches_bearer(shown, &operator.token) {
        return next.run(request).await;
    }
    let problem = Problem::new(401, "unauthorised", "Show the operator's token");
    ProblemResponse(problem.detail("Send it as Authorization: Bearer <token>.")).into_response()
}

/// The numbers of a line.
#[derive(Debug, Serialize)]
struct RoomBody {
    room: String,
    title: String,
    phase: &'static str,
    epoch: u32,
    paused: bool,
    users_per_minute: u32,
    max_active: u32,
    joined: u64,
    waiting: u64,
    called: u64,
    claimed: u64,
    missed: u64,
    active_sessions: u64,
    /// Whether the number of sessions, not the rate, keeps people waiting.
    full: bool,
    recovering: bool,
    store_silent: bool,
    server_time_unix_ms: u64,
}

impl RoomBody {
    fn of(room: &Room, view: &View) -> Self {
        let snapshot = &view.snapshot;
        Self {
            room: room.config.id.to_string(),
            title: room.config.title.clone(),
            phase: view.phase.as_str(),
            epoch: view.line.epoch.0,
            paused: snapshot.control.paused,
            users_per_minute: view.limits.users_per_minute,
            max_active: view.limits.max_active,
            joined: snapshot.issued,
            waiting: snapshot.waiting(),
            called: snapshot.outstanding(),
            claimed: snapshot.claimed,
            missed: snapshot.missed,
            active_sessions: snapshot.active,
            full: snapshot.full,
            recovering: snapshot.is_recovering(),
            store_silent: view.is_stale(),
            server_time_unix_ms: view.now().unix_ms(),
        }
    }
}

/// New limits; what is not named stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    users_per_minute: Option<u32>,
    max_active: Option<u32>,
}

type Answer = Result<Response, ProblemResponse>;

async fn rooms(State(operator): State<Arc<Operator>>) -> Json<Vec<RoomBody>> {
    let seen = operator
        .gate
        .rooms
        .iter()
        .filter_map(|room| Some(RoomBody::of(room, room.view().as_ref()?)));
    Json(seen.collect())
}

async fn room(State(operator): State<Arc<Operator>>, Path(id): Path<String>) -> Answer {
    let (room, view) = find(&operator, &id)?;
    Ok(Json(RoomBody::of(room, &view)).into_response())
}

async fn limits(State(operator): State<Arc<Operator>>, Path(id): Path<String>, request: Request) -> Answer {
    let (room, view) = find(&operator, &id)?;
    let new: Json<NewLimits> = Json::from_request(request, &())
        .await
        .map_err(|error| bad_body(&error))?;
    let new = new.0;
    if new.users_per_minute.is_none() && new.max_active.is_none() {
        return Err(invalid("Name users_per_minute, max_active or both."));
    }
    let asked = Limits::new(
        new.users_per_minute.unwrap_or(view.limits.users_per_minute),
        new.max_active.unwrap_or(view.limits.max_active),
    );
    asked.map_err(|error| invalid(&error.to_string()))?;
    let (users_per_minute, max_active) = (new.users_per_minute, new.max_active);
    info!(
        room = id,
        ?users_per_minute,
        ?max_active,
        "an operator changes the limits"
    );
    change(
        room,
        ControlChange {
            users_per_minute,
            max_active,
            paused: None,
        },
    )
    .await
}

async fn pause(State(operator): State<Arc<Operator>>, Path(id): Path<String>) -> Answer {
    set_paused(&operator, &id, true).await
}

async fn resume(State(operator): State<Arc<Operator>>, Path(id): Path<String>) -> Answer {
    set_paused(&operator, &id, false).await
}

async fn set_paused(operator: &Operator, id: &str, paused: bool) -> Answer {
    let (room, _) = find(operator, id)?;
    info!(room = id, paused, "an operator pauses or resumes");
    change(
        room,
        ControlChange {
            paused: Some(paused),
            ..ControlChange::default()
        },
    )
    .await
}

async fn change(room: &Room, change: ControlChange) -> Answer {
    match room.change_control(change).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "the change was not stored"
            );
            let problem = Problem::new(503, "unavailable", "The store does not answer");
            Err(ProblemResponse(
                problem.detail("Look at the room before you try again."),
            ))
        }
    }
}

async fn metrics(State(operator): State<Arc<Operator>>) -> String {
    operator.metrics.render()
}

/// Ready when every line is known and fresh.
async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    let fresh = |room: &Arc<Room>| room.view().as_ref().is_some_and(|view| !view.is_stale());
    let silent: Vec<String> = operator
        .gate
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

fn find<'a>(operator: &'a Operator, id: &str) -> Result<(&'a Arc<Room>, Arc<View>), ProblemResponse> {
    let room = operator.gate.rooms.by_id(id).ok_or_else(not_found)?;
    let view = room.view().clone();
    let not_seen = || ProblemResponse(Problem::new(503, "unavailable", "The line is not known yet"));
    Ok((room, view.ok_or_else(not_seen)?))
}

fn not_found() -> ProblemResponse {
    ProblemResponse(Problem::new(404, "not-found", "There is nothing here"))
}

fn invalid(detail: &str) -> ProblemResponse {
    ProblemResponse(Problem::new(422, "invalid", "The change makes no sense").detail(detail))
}

fn bad_body(error: &JsonRejection) -> ProblemResponse {
    ProblemResponse(
        Problem::new(error.status().as_u16(), "bad-body", "The body is not as expected")
            .detail(error.body_text()),
    )
}
