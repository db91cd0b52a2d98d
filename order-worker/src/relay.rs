//! From the outbox to the events exchange: what was committed is told, at least once.

use broker::{EventMessage, PublishError, Publisher};
use database::{Retry, transaction};
use sqlx::{FromRow, PgConnection, PgPool};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often we look without being woken: for what a killed worker left behind.
const POLL: Duration = Duration::from_millis(500);
/// The pause after something failed.
const PAUSE: Duration = Duration::from_millis(250);
/// Messages told in one go.
const BATCH: i32 = 64;

/// Publishes what is in the outbox, in its sequence, and then deletes it.
///
/// Several workers may relay at once: each takes rows that no other has locked. Events of one order may then
/// arrive out of sequence, which their versions show.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The database with the outbox.
    pub pool: PgPool,
    /// Where to.
    pub publisher: Publisher,
    /// Woken after each commit.
    pub woken: Arc<Notify>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    routing_key: String,
    payload: String,
}

impl Row {
    fn message(self) -> (i64, EventMessage) {
        let message = EventMessage {
            routing_key: self.routing_key,
            lines: self.payload,
        };
        (self.id, message)
    }
}

/// Why the outbox could not be relayed; all of it stays where it is.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("read or clear the outbox: {0}")]
    Database(#[from] sqlx::Error),
    #[error("publish an event: {0}")]
    Publish(#[from] PublishError),
}

impl Retry for RelayError {
    fn may_retry(&self) -> bool {
        matches!(self, Self::Database(error) if error.may_retry())
    }
}

impl Relay {
    /// Relays until it is asked to stop.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(self.relay()).await {
                Some(Ok(told)) if told < BATCH.unsigned_abs() as usize => self.wait(&stop).await,
                Some(Err(error)) => {
                    warn!(%error, "cannot relay events; trying again");
                    sleep(PAUSE).await;
                }
                Some(Ok(_)) | None => {}
            }
        }
        Ok(())
    }

    async fn wait(&self, stop: &CancellationToken) {
        let woken = stop.run_until_cancelled(self.woken.notified());
        // Woken, stopped or neither: in each case it is time to look.
        let _ = timeout(POLL, woken).await;
    }

    /// Tells one batch; answers how many messages.
    async fn relay(&self) -> Result<usize, RelayError> {
        let told = transaction("relay", || async {
            let mut transaction = self.pool.begin().await?;
            let rows = take(&mut transaction).await?;
            if !rows.is_empty() {
                let (ids, messages): (Vec<_>, Vec<_>) = rows.into_iter().map(Row::message).unzip();
                self.publisher.publish_events(&messages).await?;
                clear(&mut transaction, &ids).await?;
                transaction.commit().await?;
                return Ok(ids.len());
            }
            Ok::<_, RelayError>(0)
        })
        .await?;
        metrics::counter!("outbox_messages_relayed_total").increment(told as u64);
        Ok(told)
    }
}

async fn take(connection: &mut PgConnection) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, routing_key, payload
           FROM outbox
          ORDER BY id
          LIMIT $1
            FOR UPDATE SKIP LOCKED",
    )
    .bind(BATCH)
    .fetch_all(connection)
    .await
}

async fn clear(connection: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    // Losing this deletion in a crash of the server only tells the events once more: it need not wait for the disk.
    sqlx::query(
        "WITH commit AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
         DELETE FROM outbox USING commit WHERE id = ANY ($1)",
    )
    .bind(ids)
    .execute(connection)
    .await?;
    Ok(())
}
