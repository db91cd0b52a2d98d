//! Sign-ins that count no more, while access tokens of theirs may still be valid.

use super::store::revocations_since;
use arc_swap::ArcSwap;
use sqlx::PgPool;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

/// How often each instance looks. The edges ask for themselves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What this instance knows, by sign-in: until when it matters, in Unix seconds.
#[derive(Debug, Default)]
pub struct Revoked(ArcSwap<HashMap<Uuid, u64>>);

impl Revoked {
    /// Whether a sign-in has ended.
    pub fn covers(&self, sign_in: Uuid) -> bool {
        self.0.load().contains_key(&sign_in)
    }

    /// Adds what was heard, and forgets what is over.
    pub fn add(&self, heard: impl IntoIterator<Item = (Uuid, u64)>, now_unix_seconds: u64) {
        let mut list = HashMap::clone(&self.0.load());
        list.extend(heard);
        list.retain(|_, until| *until > now_unix_seconds);
        self.0.store(Arc::new(list));
    }

    /// Keeps up with the table until it is told to stop. While the database does not answer, what is known stays in
    /// force, and no token lives longer than a quarter of an hour.
    ///
    /// # Errors
    /// Never.
    pub async fn follow(self: Arc<Self>, pool: PgPool, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut since, mut was_heard) = (None, true);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            let heard = revocations_since(&pool, since).await;
            if let (Err(error), true) = (&heard, was_heard) {
                warn!(%error, "it is not known which sign-ins have ended");
            }
            was_heard = heard.is_ok();
            if let Ok(heard) = heard {
                since = Some(heard.next_unix_ms);
                if !heard.revoked.is_empty() || !self.0.load().is_empty() {
                    self.add(heard.revoked, heard.now_unix_seconds);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_forgotten() {
        let (a, b, revoked) = (Uuid::from_u128(1), Uuid::from_u128(2), Revoked::default());
        revoked.add([(a, 10), (b, 20)], 5);
        assert!(revoked.covers(a) && revoked.covers(b));
        revoked.add([], 10);
        assert!(!revoked.covers(a) && revoked.covers(b));
    }
}
