//! Forgetting carts that nobody has touched for long.

use crate::store::carts::forget_old;
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often some are forgotten.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Forgets old carts, some at a time, until it is told to stop. Several instances may do so at once.
pub async fn forget_old_carts(pool: PgPool, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        match forget_old(&pool).await {
            Ok(0) => {}
            Ok(rows) => info!(rows, "forgot old carts"),
            Err(error) => warn!(%error, "cannot forget old carts"),
        }
    }
    Ok(())
}
