//! Do the books add up?

use super::{Store, StoreError};
use sqlx::FromRow;

/// Mismatches reported at once; more would say nothing new.
const REPORTED: i64 = 100;

/// A stock row that does not agree with the holds of its product.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Mismatch {
    /// Which product.
    pub product_id: String,
    /// Units held, by the stock row.
    pub held: i64,
    /// Units in open holds.
    pub open: i64,
    /// Units sold, by the stock row.
    pub sold: i64,
    /// Units in posted holds of orders that did not come back.
    pub posted: i64,
}

impl Store {
    /// The stock rows where held is not the sum of the open holds, or sold not that of the posted ones whose units are not back. Reads one
    /// consistent state and changes nothing.
    ///
    /// It goes through all that was ever sold, so it may take minutes. It has a core to itself at most, however many there are.
    pub async fn mismatches(&self) -> Result<Vec<Mismatch>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::raw_sql(
            "SET TRANSACTION READ ONLY;
             SET LOCAL statement_timeout = '15min';
             SET LOCAL max_parallel_workers_per_gather = 0",
        )
        .execute(&mut *transaction)
        .await?;
        let mismatches = sqlx::query_as(
            "WITH open_of AS (
                 SELECT product_id, sum(quantity)::bigint AS open
                   FROM holds
                   JOIN order_lines USING (order_id)
                  WHERE holds.open
                  GROUP BY product_id
             ), posted_of AS (
                 SELECT product_id, sum(quantity)::bigint AS posted
                   FROM hold_resolutions
                   JOIN order_lines USING (order_id)
                   LEFT JOIN restocks USING (order_id)
                  WHERE resolution = 'posted' AND restocked_at IS NULL
                  GROUP BY product_id
             )
             SELECT product_id, held, coalesce(open, 0) AS open, sold, coalesce(posted, 0) AS posted
               FROM stock
               LEFT JOIN open_of USING (product_id)
               LEFT JOIN posted_of USING (product_id)
              WHERE held <> coalesce(open, 0) OR sold <> coalesce(posted, 0)
              ORDER BY product_id
              LIMIT $1",
        )
        .bind(REPORTED)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(mismatches)
    }
}
