//! Forgetting what is over.

use super::Members;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often.
const EVERY: Duration = Duration::from_secs(300);

/// At most so many rows a time, so that no lock is held for long. A code is kept for a day after its end, so that an address
/// that is tried again and again gets the same answers; a sign-in that is over for a week, for the member's own eyes.
const OVER: [&str; 4] = [
    "DELETE FROM member_codes
     WHERE id IN (SELECT id FROM member_codes WHERE expires_at < now() - interval '1 day' LIMIT 10000)",
    "DELETE FROM tallies
     WHERE key IN (SELECT key FROM tallies WHERE last_at < now() - interval '1 day' LIMIT 10000)",
    "DELETE FROM revocations
     WHERE id IN (SELECT id FROM revocations WHERE until < now() - interval '1 hour' LIMIT 10000)",
    "DELETE FROM sign_ins
     WHERE id IN (SELECT id FROM sign_ins
                  WHERE expires_at < now() - interval '7 days' OR ended_at < now() - interval '7 days'
                  LIMIT 10000)",
];

impl Members {
    /// Sweeps until it is told to stop. Several instances may.
    ///
    /// # Errors
    /// Never.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            for statement in OVER {
                let swept = sqlx::query(statement).execute(&self.pool).await;
                if let Err(error) = swept {
                    warn!(%error, "cannot sweep what is over");
                }
            }
        }
    }
}
