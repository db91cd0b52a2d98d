//! Moving paid orders on when their time has come.

use super::{Store, StoreError, Wanted, write};
use database::transaction;
use order_domain::batch;
use sqlx::PgConnection;
use uuid::Uuid;

impl Store {
    /// Ships, delivers and confirms at most `limit` orders that are due, and finishes returns; answers how many.
    ///
    /// Two workers may do so at once: who comes second to an order reads it afresh and finds that it is not due.
    pub async fn take_steps(&self, limit: i64) -> Result<usize, StoreError> {
        transaction("take_steps", || async {
            let mut transaction = self.pool.begin().await?;
            let due = self.due_orders(&mut transaction, limit).await?;
            if due.is_empty() {
                return Ok(0);
            }
            let wanted = Wanted::orders_and_money(due);
            let (now, snapshot) = self.load(&mut transaction, &wanted).await?;
            let decisions = batch::step(now, &self.terms, snapshot);
            write(&mut transaction, &decisions).await?;
            transaction.commit().await?;
            Ok(decisions.moved.len())
        })
        .await
    }

    async fn due_orders(&self, connection: &mut PgConnection, limit: i64) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT id
               FROM orders
              WHERE next_step_at <= clock_timestamp() + make_interval(secs => $2)
              ORDER BY next_step_at
              LIMIT $1",
        )
        .bind(limit)
        .bind(self.ahead.as_seconds_f64())
        .fetch_all(connection)
        .await
    }
}
