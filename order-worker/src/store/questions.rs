//! Payments of which nothing was heard, and of which the provider is to be asked.

use super::{Store, StoreError};
use contract::OrderId;
use sqlx::FromRow;
use uuid::Uuid;

/// The longest pause between two questions about one payment, in seconds.
const LONGEST_PAUSE_SECONDS: i32 = 3_600;
/// After so many seconds nobody pays any more, and nobody asks.
const ASKED_FOR_SECONDS: i32 = 7 * 86_400;

/// A payment that was started and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPayment {
    /// Of which order.
    pub order_id: OrderId,
    /// The provider's name of it.
    pub reference: String,
}

#[derive(FromRow)]
struct Row {
    order_id: Uuid,
    payment_reference: String,
}

impl Store {
    /// At most `limit` payments of which the provider is to be asked now, the longest due first.
    pub async fn payments_to_ask(&self, limit: i64) -> Result<Vec<OpenPayment>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT order_id, payment_reference
               FROM payments
              WHERE ask_at <= clock_timestamp() + make_interval(secs => $2)
              ORDER BY ask_at
              LIMIT $1",
        )
        .bind(limit)
        .bind(self.ahead.as_seconds_f64())
        .fetch_all(&self.pool)
        .await?;
        let open = rows.into_iter().map(|row| OpenPayment {
            order_id: OrderId::from_uuid(row.order_id),
            reference: row.payment_reference,
        });
        Ok(open.collect())
    }

    /// Notes that there was no answer yet; the next question comes after a pause that doubles, and none after a week.
    pub async fn ask_again(&self, payment: &OpenPayment) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE payments
                SET asked = asked + 1,
                    ask_at = CASE WHEN started_at > clock_timestamp() - make_interval(secs => $4)
                                  THEN clock_timestamp()
                                       + make_interval(secs => least(30 * 2 ^ least(asked, 20), $3::integer)) END
              WHERE order_id = $1 AND payment_reference = $2 AND ask_at IS NOT NULL",
        )
        .bind(payment.order_id.as_uuid())
        .bind(&payment.reference)
        .bind(LONGEST_PAUSE_SECONDS)
        .bind(f64::from(ASKED_FOR_SECONDS))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that the provider knows nothing of the payment and never will.
    pub async fn ask_no_more(&self, payment: &OpenPayment) -> Result<(), StoreError> {
        sqlx::query("UPDATE payments SET ask_at = NULL WHERE order_id = $1 AND payment_reference = $2")
            .bind(payment.order_id.as_uuid())
            .bind(&payment.reference)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
