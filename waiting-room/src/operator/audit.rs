//! Who changed what, and the way back.

use super::{
    Answer, Back, Operator, actor::Operating, body, config::VersionBody, find, levers::pull, not_found,
    silent,
};
use crate::store::{Attribution, CHANGES_MAX, RoomChange};
use axum::{
    Json,
    extract::{Path, Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use contract::RoomId;
use serde::Serialize;
use std::{cmp::Reverse, sync::Arc};
use waiting_room_domain::{Control, ControlChange};

/// One change.
#[derive(Debug, Serialize)]
struct ChangeBody {
    /// The room; none if it is the config that was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    /// Of the room's changes, or of the config.
    version: u64,
    at_unix_ms: u64,
    #[serde(flatten)]
    by: Attribution,
    /// What is different since then, a line each.
    changes: Vec<String>,
}

impl ChangeBody {
    fn of_room(room: &RoomId, change: RoomChange) -> Self {
        let changes = between(&change.before, &change.after);
        Self {
            room: Some(room.to_string()),
            version: change.version,
            at_unix_ms: change.at.unix_ms(),
            by: change.by,
            changes,
        }
    }

    fn of_config(version: VersionBody) -> Self {
        Self {
            room: None,
            version: version.version,
            at_unix_ms: version.at_unix_ms,
            by: version.by,
            changes: version.changes,
        }
    }
}

/// All changes, of the config and of every room there is, the newest first.
pub(super) async fn all(State(operator): State<Arc<Operator>>) -> Answer {
    let versions = operator.live.versions().await;
    let versions = versions.iter().map(VersionBody::from);
    let mut changes: Vec<_> = versions.map(ChangeBody::of_config).collect();
    for room in operator.gate().rooms.iter() {
        let id = &room.config.id;
        let of_room = operator.store.changes(id).await.map_err(silent)?;
        changes.extend(of_room.into_iter().map(|change| ChangeBody::of_room(id, change)));
    }
    changes.sort_by_key(|change| Reverse(change.at_unix_ms));
    changes.truncate(CHANGES_MAX);
    Ok(Json(changes).into_response())
}

/// The changes of a room, the newest first. Those of one that is no more can still be read.
pub(super) async fn of_room(State(operator): State<Arc<Operator>>, Path(id): Path<String>) -> Answer {
    let id: RoomId = id.parse().map_err(|_| not_found())?;
    let changes = operator.store.changes(&id).await.map_err(silent)?;
    if changes.is_empty() && operator.gate().rooms.by_id(id.as_str()).is_none() {
        return Err(not_found());
    }
    let changes = changes.into_iter().map(|change| ChangeBody::of_room(&id, change));
    Ok(Json(changes.collect::<Vec<_>>()).into_response())
}

/// Sets the levers of a room as they were after a change.
pub(super) async fn revert(
    State(operator): State<Arc<Operator>>,
    Path(id): Path<String>,
    by: Operating,
    request: Request,
) -> Answer {
    let (room, view) = find(&operator, &id)?;
    let back: Back = body(request).await?;
    let changes = operator.store.changes(&room.config.id).await.map_err(silent)?;
    let earlier = changes.iter().find(|change| change.version == back.version);
    let earlier = earlier.ok_or_else(not_found)?;
    // What the newest change left is what is in force, whatever this edge has seen.
    let now = changes
        .first()
        .map_or(&view.snapshot.control, |newest| &newest.after);
    let change = ControlChange::between(now, &earlier.after);
    if change.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let by = Attribution {
        reverts: Some(back.version),
        ..by.0
    };
    pull(&room, &view, by, &change).await
}

fn between(before: &Control, after: &Control) -> Vec<String> {
    let limit = |limit: Option<u32>| limit.map_or("as configured".to_owned(), |limit| limit.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let levers = [
        ("switch", before.switch.to_string(), after.switch.to_string()),
        (
            "users_per_minute",
            limit(before.users_per_minute),
            limit(after.users_per_minute),
        ),
        ("max_active", limit(before.max_active), limit(after.max_active)),
        ("message", text(&before.message), text(&after.message)),
    ];
    let changed = levers.into_iter().filter(|(_, before, after)| before != after);
    changed
        .map(|(lever, before, after)| format!("{lever}: {before} → {after}"))
        .collect()
}
