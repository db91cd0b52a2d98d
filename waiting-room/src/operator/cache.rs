//! What operators can do to the cache: make it forget.

use super::{Operator, actor::Operating};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use contract::Problem;
use process::ProblemResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What to forget; everything if no path is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct What {
    path: Option<String>,
}

/// `DELETE /cache` and `DELETE /cache?path=/products`. It changes no rule, so it is no version of anything: who did it stands
/// in the log of this edge.
pub(super) async fn purge(
    State(operator): State<Arc<Operator>>,
    Operating(by): Operating,
    what: Result<Query<What>, QueryRejection>,
) -> Result<Json<Value>, ProblemResponse> {
    let path = what.ok().map(|Query(what)| what.path);
    let Some(path) = path.filter(|path| path.as_ref().is_none_or(|path| path.starts_with('/'))) else {
        let problem = Problem::new(422, "invalid", "The purge makes no sense");
        return Err(ProblemResponse(
            problem.detail("Name a path that begins with /, or nothing for everything."),
        ));
    };
    let removed = operator.cache.purge(path.as_deref());
    tracing::info!(
        actor = by.actor,
        reason = by.reason,
        path,
        removed,
        "an operator purges the cache"
    );
    Ok(Json(json!({ "removed": removed })))
}
