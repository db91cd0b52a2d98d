//! `/livez`, `/readyz` and `/metrics`.

use anyhow::Context;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use broker::Publisher;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the answers come from.
#[derive(Clone)]
pub struct Health {
    /// The database.
    pub pool: PgPool,
    /// The broker.
    pub publisher: Publisher,
    /// The metrics.
    pub metrics: PrometheusHandle,
}

/// Answers until it is asked to stop.
pub async fn serve(address: SocketAddr, health: Health, stop: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    let stopped = stop.cancelled_owned();
    axum::serve(listener, routes)
        .with_graceful_shutdown(stopped)
        .await
        .context("answer requests")
}

/// Ready when both RabbitMQ and PostgreSQL can be used; says which cannot.
async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let parts = [
        ("rabbitmq", health.publisher.is_connected()),
        ("postgresql", database::answers(&health.pool).await),
    ];
    let status = if parts.iter().all(|(_, up)| *up) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let line = |(name, up): &(&str, bool)| format!("{name}: {}\n", if *up { "up" } else { "down" });
    (status, parts.iter().map(line).collect())
}

async fn metrics(State(health): State<Health>) -> String {
    health.metrics.render()
}
