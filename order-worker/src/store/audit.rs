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
    pub async fn mismatches(&self) -> Result<Vec<Mismatch>, StoreError> {
        let mismatches = sqlx::query_as(
            "WITH holds_of AS (
                 SELECT product_id,
                        coalesce(sum(quantity) FILTER (WHERE open), 0)::bigint AS open,
                        coalesce(sum(quantity) FILTER (WHERE resolution = 'posted' AND restocked_at IS NULL),
                                 0)::bigint AS posted
                   FROM holds
                   JOIN order_lines USING (order_id)
                   LEFT JOIN hold_resolutions USING (order_id, attempt)
                   LEFT JOIN restocks USING (order_id)
                  GROUP BY product_id
             )
             SELECT product_id, held, coalesce(open, 0) AS open, sold, coalesce(posted, 0) AS posted
               FROM stock
               LEFT JOIN holds_of USING (product_id)
              WHERE held <> coalesce(open, 0) OR sold <> coalesce(posted, 0)
              ORDER BY product_id
              LIMIT $1",
        )
        .bind(REPORTED)
        .fetch_all(&self.pool)
        .await?;
        Ok(mismatches)
    }
}
