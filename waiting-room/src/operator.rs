//! The operator's API: the numbers of every line, and the levers. On a listener of its own, and only if a token
//! is set; without one there is no listener.

use crate::{
    gate::Gate,
    rooms::{Room, View},
};
use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request, State, rejection::JsonRejection,
    },
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, patch, post, put},
};
use contract::Problem;
use fairness::Actor;
use metrics_exporter_prometheus::PrometheusHandle;
use process::{ProblemResponse, matches_bearer};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, sync::Arc};
use tracing::info;
use waiting_room_domain::{ControlChange, Limits, MESSAGE_MAX_CHARS, SignalName, Steering, Stock, Switch};

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
        .route("/rooms/{room}/switch", put(switch))
        .route("/rooms/{room}/message", put(message).delete(no_message))
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
    method: &'static str,
    phase: &'static str,
    switch: &'static str,
    message: Option<String>,
    epoch: u32,
    /// What the operator allows.
    users_per_minute: u32,
    /// What is in force: less while a drop begins or the shop is slow.
    admits_per_minute: u32,
    max_active: u32,
    autopilot: Option<AutopilotBody>,
    stock: Option<StockBody>,
    /// Which share of those called comes.
    turnout: f64,
    lanes: Vec<LaneBody>,
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

/// Where the autopilot stands.
#[derive(Debug, Serialize)]
struct AutopilotBody {
    /// Users a minute.
    rate: u32,
    /// Why, with the numbers that decided it.
    reason: String,
    /// What it goes by, as last heard.
    signals: BTreeMap<&'static str, Option<u64>>,
}

impl AutopilotBody {
    fn of(steering: &Steering) -> Self {
        let names = SignalName::ALL.iter().map(|name| name.as_str());
        Self {
            rate: steering.rate,
            reason: steering.state.reason.to_string(),
            signals: names.zip(steering.heard).collect(),
        }
    }
}

/// What is left, for operators alone.
#[derive(Debug, Serialize)]
struct StockBody {
    left: u64,
    held: u64,
    sold: u64,
    /// Whether it reaches as far as a newcomer's place.
    reach: &'static str,
}

impl StockBody {
    fn of(view: &View) -> Option<Self> {
        let Stock { left, held, sold } = view.stock()?;
        let reach = view.stock_ahead(view.snapshot.waiting())?.reach.as_str();
        Some(Self {
            left,
            held,
            sold,
            reach,
        })
    }
}

/// The numbers of a lane.
#[derive(Debug, Serialize)]
struct LaneBody {
    name: String,
    weight: u32,
    joined: u64,
    waiting: u64,
    called: u64,
    missed: u64,
}

impl RoomBody {
    fn of(room: &Room, view: &View) -> Self {
        let snapshot = &view.snapshot;
        Self {
            room: room.config.id.to_string(),
            title: room.config.title.clone(),
            method: room.config.method.as_str(),
            phase: view.phase.as_str(),
            switch: snapshot.control.switch.as_str(),
            message: snapshot.control.message.clone(),
            epoch: view.line.epoch.0,
            users_per_minute: view.course.allowed_per_minute,
            admits_per_minute: view.limits.users_per_minute,
            autopilot: view.course.autopilot.as_ref().map(AutopilotBody::of),
            stock: StockBody::of(view),
            max_active: view.limits.max_active,
            turnout: snapshot.turnout.share(room.config.claim_window),
            lanes: lanes(room, view),
            joined: snapshot.issued(),
            waiting: snapshot.waiting(),
            called: snapshot.outstanding(),
            claimed: snapshot.claimed,
            missed: snapshot.missed(),
            active_sessions: snapshot.active,
            full: snapshot.full,
            recovering: snapshot.is_recovering(),
            store_silent: view.is_stale(),
            server_time_unix_ms: view.now().unix_ms(),
        }
    }
}

fn lanes(room: &Room, view: &View) -> Vec<LaneBody> {
    let config = &room.config.lanes;
    let lanes = view.snapshot.lanes.iter().zip(&config.names).zip(&config.weights);
    lanes
        .map(|((lane, name), weight)| LaneBody {
            name: name.clone(),
            weight: *weight,
            joined: lane.issued,
            waiting: lane.waiting(),
            called: lane.outstanding(),
            missed: lane.missed,
        })
        .collect()
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

async fn limits(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    actor: Operating,
    request: Request,
) -> Answer {
    let (room, view) = find(&operator, &id)?;
    let new: NewLimits = body(request).await?;
    if new.users_per_minute.is_none() && new.max_active.is_none() {
        return Err(invalid("Name users_per_minute, max_active or both."));
    }
    let asked = Limits::new(
        new.users_per_minute.unwrap_or(view.limits.users_per_minute),
        new.max_active.unwrap_or(view.limits.max_active),
    );
    asked.map_err(|error| invalid(&error.to_string()))?;
    let new = ControlChange {
        users_per_minute: new.users_per_minute,
        max_active: new.max_active,
        ..ControlChange::default()
    };
    change(room, &view, &actor, &new).await
}

async fn pause(State(operator): State<Arc<Operator>>, Path(id): Path<String>, actor: Operating) -> Answer {
    set_switch(&operator, &id, &actor, Switch::Paused).await
}

async fn resume(State(operator): State<Arc<Operator>>, Path(id): Path<String>, actor: Operating) -> Answer {
    set_switch(&operator, &id, &actor, Switch::Scheduled).await
}

/// Another switch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSwitch {
    switch: String,
}

async fn switch(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    actor: Operating,
    request: Request,
) -> Answer {
    let new: NewSwitch = body(request).await?;
    let new = new
        .switch
        .parse::<Switch>()
        .map_err(|error| invalid(&error.to_string()))?;
    set_switch(&operator, &id, &actor, new).await
}

async fn set_switch(operator: &Operator, id: &str, actor: &Operating, switch: Switch) -> Answer {
    let (room, view) = find(operator, id)?;
    let new = ControlChange {
        switch: Some(switch),
        ..ControlChange::default()
    };
    change(room, &view, actor, &new).await
}

/// A message to those who wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    text: String,
}

async fn message(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    actor: Operating,
    request: Request,
) -> Answer {
    let new: NewMessage = body(request).await?;
    let text = new.text.trim();
    if text.is_empty() || text.chars().count() > MESSAGE_MAX_CHARS {
        return Err(invalid(&format!(
            "text must be 1 to {MESSAGE_MAX_CHARS} characters."
        )));
    }
    set_message(&operator, &id, &actor, text.to_owned()).await
}

async fn no_message(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    actor: Operating,
) -> Answer {
    set_message(&operator, &id, &actor, String::new()).await
}

async fn set_message(operator: &Operator, id: &str, actor: &Operating, text: String) -> Answer {
    let (room, view) = find(operator, id)?;
    let new = ControlChange {
        message: Some(text),
        ..ControlChange::default()
    };
    change(room, &view, actor, &new).await
}

/// Who operates: the name in `Waiting-Room-Actor`, for the log and the public record; all share one token.
struct Operating(Actor);

impl<S: Sync> FromRequestParts<S> for Operating {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemResponse> {
        let named = parts.headers.get("waiting-room-actor");
        let name = named.map_or(Ok("operator"), |name| name.to_str());
        let actor = name.ok().and_then(Actor::parse);
        actor.map(Self).ok_or_else(|| {
            let problem = Problem::new(400, "bad-actor", "The actor's name is not as expected");
            ProblemResponse(problem.detail("Waiting-Room-Actor is 1 to 32 of a-z, 0-9, _ and -."))
        })
    }
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, ProblemResponse> {
    let body: Json<T> = Json::from_request(request, &())
        .await
        .map_err(|error| bad_body(&error))?;
    Ok(body.0)
}

async fn change(room: &Room, view: &View, actor: &Operating, change: &ControlChange) -> Answer {
    let actor = actor.0.as_str();
    info!(room = %room.config.id, actor, %change, "an operator changes the room");
    match room.change_control(view, change, actor).await {
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
