//! Reading what is known of orders' money.

use super::StoreError;
use contract::{Money, OrderId};
use order_domain::{batch::Snapshot, payment::Payment};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// Which of these reports were acted on before.
pub(super) async fn read_reports(
    connection: &mut PgConnection,
    reports: &[String],
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    if reports.is_empty() {
        return Ok(());
    }
    let seen: Vec<String> =
        sqlx::query_scalar("SELECT event_id FROM payment_reports WHERE event_id = ANY ($1)")
            .bind(reports)
            .fetch_all(connection)
            .await?;
    snapshot.seen_reports.extend(seen);
    Ok(())
}

#[derive(FromRow)]
struct PaymentRow {
    order_id: Uuid,
    payment_reference: String,
    state: String,
    captured_minor: i64,
    currency: Option<String>,
    owed_back_minor: i64,
}

#[derive(FromRow)]
struct RefundRow {
    id: String,
    order_id: Uuid,
    outstanding: bool,
}

/// The payments of these orders, and what is owed back of them.
pub(super) async fn read_money(
    connection: &mut PgConnection,
    orders: &[Uuid],
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let payments: Vec<PaymentRow> = sqlx::query_as(
        "SELECT order_id, payment_reference, state, captured_minor, currency, owed_back_minor
           FROM payments
          WHERE order_id = ANY ($1)",
    )
    .bind(orders)
    .fetch_all(&mut *connection)
    .await?;
    for row in payments {
        let order = OrderId::from_uuid(row.order_id);
        let payment = row.read().ok_or(StoreError::Unreadable { table: "payments" })?;
        snapshot.payments.insert((order, row.payment_reference), payment);
    }
    let refunds: Vec<RefundRow> = sqlx::query_as(
        "SELECT id, order_id, refunded_at IS NULL AS outstanding
           FROM refunds
          WHERE order_id = ANY ($1)",
    )
    .bind(orders)
    .fetch_all(connection)
    .await?;
    for row in refunds {
        let known = snapshot
            .refunds
            .entry(OrderId::from_uuid(row.order_id))
            .or_default();
        known.ids.insert(row.id);
        known.outstanding |= row.outstanding;
    }
    Ok(())
}

impl PaymentRow {
    /// Nothing when the row says what this version does not understand.
    fn read(&self) -> Option<Payment> {
        match self.state.as_str() {
            "started" => Some(Payment::Started),
            "ended" => Some(Payment::Ended),
            "captured" => Some(Payment::Captured {
                amount: Money::new(self.captured_minor, self.currency.as_ref()?.parse().ok()?),
                owed_back: self.owed_back_minor,
            }),
            _ => None,
        }
    }
}
