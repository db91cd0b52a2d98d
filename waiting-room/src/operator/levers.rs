//! The levers of a room: limits, switch and message.

use super::{Answer, Operator, actor::Operating, body, find, invalid, silent};
use crate::{
    rooms::{Room, View},
    store::{Attribution, Note},
};
use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;
use std::sync::Arc;
use tracing::info;
use waiting_room_domain::{ControlChange, Limits, MESSAGE_MAX_CHARS, Switch};

/// New limits; what is not named stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    users_per_minute: Option<u32>,
    max_active: Option<u32>,
}

/// Another switch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSwitch {
    switch: String,
}

/// A message to those who wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    text: String,
}

pub(super) async fn limits(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
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
    let change = ControlChange {
        users_per_minute: new.users_per_minute.map(Some),
        max_active: new.max_active.map(Some),
        ..ControlChange::default()
    };
    pull(&room, &view, by.0, &change).await
}

pub(super) async fn pause(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
) -> Answer {
    change(&operator, &id, by, &to_switch(Switch::Paused)).await
}

pub(super) async fn resume(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
) -> Answer {
    change(&operator, &id, by, &to_switch(Switch::Scheduled)).await
}

pub(super) async fn switch(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
    request: Request,
) -> Answer {
    let new: NewSwitch = body(request).await?;
    let switch: Switch = new
        .switch
        .parse()
        .map_err(|error: waiting_room_domain::NoSuchSwitch| invalid(&error.to_string()))?;
    change(&operator, &id, by, &to_switch(switch)).await
}

pub(super) async fn message(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
    request: Request,
) -> Answer {
    let new: NewMessage = body(request).await?;
    let text = new.text.trim();
    if text.is_empty() || text.chars().count() > MESSAGE_MAX_CHARS {
        return Err(invalid(&format!(
            "text must be 1 to {MESSAGE_MAX_CHARS} characters."
        )));
    }
    change(&operator, &id, by, &saying(text)).await
}

pub(super) async fn no_message(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
) -> Answer {
    change(&operator, &id, by, &saying("")).await
}

fn to_switch(switch: Switch) -> ControlChange {
    ControlChange {
        switch: Some(switch),
        ..ControlChange::default()
    }
}

fn saying(text: &str) -> ControlChange {
    ControlChange {
        message: Some(text.to_owned()),
        ..ControlChange::default()
    }
}

async fn change(operator: &Operator, id: &str, by: Operating, change: &ControlChange) -> Answer {
    let (room, view) = find(operator, id)?;
    pull(&room, &view, by.0, change).await
}

/// Puts a change into force, and notes who made it.
pub(super) async fn pull(room: &Room, view: &View, by: Attribution, change: &ControlChange) -> Answer {
    info!(room = %room.config.id, actor = by.actor, proven = by.proven, %change, "an operator changes the room");
    let note = Note {
        by,
        ..Note::default()
    };
    let changed = room.change_control(view, change, note).await;
    changed.map_err(silent)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
