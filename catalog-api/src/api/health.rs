//! Whether the process lives, and whether it can serve.

use super::{SharedShop, Shop};
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use std::{sync::atomic::Ordering, time::Duration};

/// Whoever asks for readiness asks again soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says that the process lives.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "isLive",
    tag = "operation",
    responses((status = 200, description = "It lives.", body = String))
)]
pub async fn live() -> &'static str {
    "ok"
}

/// What must be there before orders can be taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// The database answers and has our schema.
    database: bool,
    /// Commands can be handed to the broker.
    broker: bool,
    /// Products are known and fresh.
    catalog: bool,
    /// The keys of passes were seen once.
    keys: bool,
}

/// Ready when orders can be taken: products known and fresh, broker connected, and the keys of passes seen once.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "isReady",
    tag = "operation",
    responses(
        (status = 200, description = "Orders can be taken.", body = Readiness),
        (status = 503, description = "Something is missing.", body = Readiness),
    )
)]
pub async fn ready(State(shop): State<SharedShop>) -> (StatusCode, Json<Readiness>) {
    let (database, keys) = tokio::join!(database(&shop), keys(&shop));
    let (broker, catalog) = (shop.publisher.is_connected(), shop.nudge.is_fresh());
    let all = database && keys && broker && catalog;
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        database,
        broker,
        catalog,
        keys,
    };
    (status, Json(readiness))
}

async fn database(shop: &Shop) -> bool {
    tokio::time::timeout(PATIENCE, database::answers(&shop.pool))
        .await
        .unwrap_or(false)
}

/// Keys that were seen once are remembered, so the edge need not be there any more.
async fn keys(shop: &Shop) -> bool {
    if shop.keys_seen.load(Ordering::Relaxed) {
        return true;
    }
    let answer = shop.jwks.get(&shop.jwks_url).timeout(PATIENCE).send().await;
    let seen = answer.is_ok_and(|answer| answer.status().is_success());
    shop.keys_seen.store(seen, Ordering::Relaxed);
    seen
}
