//! What operators can do to the cache: make it forget.

use super::Cache;
use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    routing::delete,
};
use contract::Problem;
use process::ProblemResponse;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct What {
    path: Option<String>,
}

/// `DELETE /cache` and `DELETE /cache?path=/products`, for whoever puts them behind the operator's token.
pub fn routes<S: Clone + Send + Sync + 'static>(cache: Arc<Cache>) -> Router<S> {
    Router::new().route("/cache", delete(purge)).with_state(cache)
}

async fn purge(
    State(cache): State<Arc<Cache>>,
    what: Result<Query<What>, QueryRejection>,
) -> Result<Json<Value>, ProblemResponse> {
    let path = what.ok().map(|Query(what)| what.path);
    let Some(path) = path.filter(|path| path.as_ref().is_none_or(|path| path.starts_with('/'))) else {
        let problem = Problem::new(422, "invalid", "The purge makes no sense");
        return Err(ProblemResponse(
            problem.detail("Name a path that begins with /, or nothing for everything."),
        ));
    };
    let removed = cache.purge(path.as_deref());
    tracing::info!(path, removed, "an operator purges the cache");
    Ok(Json(json!({ "removed": removed })))
}
