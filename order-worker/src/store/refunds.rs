//! Money that is owed back.

use super::{Store, StoreError, Wanted, write};
use contract::{Event, Money, OrderId};
use database::transaction;
use order_domain::{batch::Decisions, order::Order};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// The longest pause between two attempts of one refund, in seconds.
const LONGEST_PAUSE_SECONDS: i32 = 3_600;

/// A refund that is to be asked for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRefund {
    /// Its name, by which the provider makes it once.
    pub id: String,
    /// The provider's name of the payment.
    pub payment_reference: String,
    /// Of which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
}

#[derive(FromRow)]
struct Row {
    id: String,
    payment_reference: String,
    order_id: Uuid,
    amount_minor: i64,
    currency: String,
}

impl Row {
    fn read(self) -> Result<DueRefund, StoreError> {
        let currency = self
            .currency
            .parse()
            .map_err(|_| StoreError::Unreadable { table: "refunds" })?;
        Ok(DueRefund {
            id: self.id,
            payment_reference: self.payment_reference,
            order_id: OrderId::from_uuid(self.order_id),
            amount: Money::new(self.amount_minor, currency),
        })
    }
}

impl Store {
    /// At most `limit` refunds whose time has come, the longest due first.
    pub async fn due_refunds(&self, limit: i64) -> Result<Vec<DueRefund>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, payment_reference, order_id, amount_minor, currency
               FROM refunds
              WHERE refunded_at IS NULL AND next_attempt_at <= clock_timestamp()
              ORDER BY next_attempt_at
              LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Notes that the provider gave the money back, and tells the shopper. Answers whether it was news.
    pub async fn refund_made(&self, refund: &DueRefund) -> Result<bool, StoreError> {
        let order_id = refund.order_id.as_uuid();
        transaction("refund_made", || async {
            let mut transaction = self.pool.begin().await?;
            let wanted = Wanted::orders(vec![order_id]);
            let (now, mut snapshot) = self.load(&mut transaction, &wanted).await?;
            if !note_refund(&mut transaction, &refund.id).await? {
                return Ok(false);
            }
            let more = still_owed(&mut transaction, order_id).await?;
            if let Some(order) = snapshot.orders.remove(&refund.order_id) {
                let refunded = order.refund_made(refund.amount.minor, more, now);
                write(&mut transaction, &moved(refunded)).await?;
            }
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Notes that the provider did not; the next attempt comes after a pause that doubles.
    pub async fn refund_failed(&self, refund: &DueRefund) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE refunds
                SET failed_attempts = failed_attempts + 1,
                    next_attempt_at = clock_timestamp()
                                    + make_interval(secs => least(2 ^ least(failed_attempts, 20), $2::integer))
              WHERE id = $1 AND refunded_at IS NULL",
        )
        .bind(&refund.id)
        .bind(LONGEST_PAUSE_SECONDS)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Whether it was not noted before.
async fn note_refund(connection: &mut PgConnection, id: &str) -> Result<bool, StoreError> {
    let noted = sqlx::query(
        "UPDATE refunds
            SET refunded_at = clock_timestamp()
          WHERE id = $1 AND refunded_at IS NULL",
    )
    .bind(id)
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() > 0)
}

async fn still_owed(connection: &mut PgConnection, order_id: Uuid) -> Result<bool, StoreError> {
    let owed =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM refunds WHERE order_id = $1 AND refunded_at IS NULL)")
            .bind(order_id)
            .fetch_one(connection)
            .await?;
    Ok(owed)
}

fn moved(order: Order) -> Decisions {
    Decisions {
        events: vec![Event::OrderChanged(order.told())],
        moved: vec![order],
        ..Decisions::default()
    }
}
