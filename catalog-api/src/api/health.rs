//! Whether the process lives, and whether it can serve.

use super::{SharedShop, Shop};
use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};

/// Whoever asks for readiness asks again soon.
const PATIENCE: Duration = Duration::from_secs(1);

pub async fn live() -> &'static str {
    "ok"
}

/// Ready when orders can be taken: products known and fresh, broker connected, and the keys of passes seen once.
pub async fn ready(State(shop): State<SharedShop>) -> (StatusCode, Json<Value>) {
    let (database, keys) = tokio::join!(database(&shop), keys(&shop));
    let (broker, catalog) = (shop.publisher.is_connected(), shop.nudge.is_fresh());
    let all = database && keys && broker && catalog;
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "database": database, "broker": broker, "catalog": catalog, "keys": keys })),
    )
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
