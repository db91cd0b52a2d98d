//! Giving back the units of holds whose time is over.

use super::{Store, StoreError, Wanted, write};
use database::transaction;
use order_domain::batch;
use sqlx::PgConnection;
use uuid::Uuid;

impl Store {
    /// Expires at most `limit` holds that are due; answers how many.
    ///
    /// Two workers may do so at once: who comes second to a stock row reads the orders afresh and finds their
    /// holds resolved.
    pub async fn expire_holds(&self, limit: i64) -> Result<usize, StoreError> {
        transaction("expire_holds", || async {
            let mut transaction = self.pool.begin().await?;
            let due = self.due_holds(&mut transaction, limit).await?;
            if due.is_empty() {
                return Ok(0);
            }
            let (now, snapshot) = self.load(&mut transaction, &Wanted::orders(due)).await?;
            let decisions = batch::expire(now, &self.terms, snapshot);
            write(&mut transaction, &decisions).await?;
            transaction.commit().await?;
            Ok(decisions.resolutions.len())
        })
        .await
    }

    async fn due_holds(&self, connection: &mut PgConnection, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT order_id
               FROM holds
              WHERE open AND expires_at <= clock_timestamp() + make_interval(secs => $2)
              ORDER BY expires_at
              LIMIT $1",
        )
        .bind(limit)
        .bind(self.ahead.as_seconds_f64())
        .fetch_all(connection)
        .await
    }
}
