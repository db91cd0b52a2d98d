//! Writing down payments, reports and refunds.

use super::{StoreError, write::Columns};
use contract::{OrderId, SettlePayment, Settlement};
use order_domain::{
    batch::Decisions,
    payment::{Payment, Refund},
};
use sqlx::PgConnection;

/// How long after a payment was started its provider is asked what became of it, if nothing was heard.
const ASK_AFTER_SECONDS: f64 = 60.0;

/// Payments first: what is owed back of them is checked there.
pub(super) async fn write_money(
    connection: &mut PgConnection,
    decisions: &Decisions,
) -> Result<(), StoreError> {
    insert_reports(connection, &decisions.reports).await?;
    write_payments(connection, &decisions.payments).await?;
    insert_refunds(connection, &decisions.refunds).await
}

async fn insert_reports(connection: &mut PgConnection, reports: &[SettlePayment]) -> Result<(), StoreError> {
    if reports.is_empty() {
        return Ok(());
    }
    let column = Columns(reports);
    sqlx::query(
        "INSERT INTO payment_reports (event_id, order_id, payment_reference, outcome, amount_minor, currency,
                                      reason, received_at)
         SELECT *, clock_timestamp()
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])",
    )
    .bind(column.of(|report| report.event_id.as_str()))
    .bind(column.of(|report| report.order_id.as_uuid()))
    .bind(column.of(|report| report.payment_reference.as_str()))
    .bind(column.of(|report| Settled::of(report).outcome))
    .bind(column.of(|report| Settled::of(report).amount_minor))
    .bind(column.of(|report| Settled::of(report).currency))
    .bind(column.of(|report| Settled::of(report).reason))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_payments(
    connection: &mut PgConnection,
    payments: &[(OrderId, String, Payment)],
) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    let column = Columns(payments);
    sqlx::query(
        "INSERT INTO payments (order_id, payment_reference, state, captured_minor, currency, owed_back_minor,
                               started_at, ask_at)
         SELECT order_id, payment_reference, state, captured_minor, currency, owed_back_minor, clock_timestamp(),
                CASE WHEN state = 'started' THEN clock_timestamp() + make_interval(secs => $7) END
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
                AS payment (order_id, payment_reference, state, captured_minor, currency, owed_back_minor)
             ON CONFLICT (order_id, payment_reference)
             DO UPDATE SET state = excluded.state, captured_minor = excluded.captured_minor,
                           currency = excluded.currency, owed_back_minor = excluded.owed_back_minor,
                           ask_at = excluded.ask_at",
    )
    .bind(column.of(|(order, _, _)| order.as_uuid()))
    .bind(column.of(|(_, reference, _)| reference.as_str()))
    .bind(column.of(|(_, _, payment)| Taken::by(payment).state))
    .bind(column.of(|(_, _, payment)| Taken::by(payment).captured_minor))
    .bind(column.of(|(_, _, payment)| Taken::by(payment).currency))
    .bind(column.of(|(_, _, payment)| Taken::by(payment).owed_back_minor))
    .bind(ASK_AFTER_SECONDS)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_refunds(connection: &mut PgConnection, refunds: &[Refund]) -> Result<(), StoreError> {
    if refunds.is_empty() {
        return Ok(());
    }
    let column = Columns(refunds);
    sqlx::query(
        "INSERT INTO refunds (id, payment_reference, order_id, amount_minor, currency, due_at, next_attempt_at)
         SELECT *, clock_timestamp()
           FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::timestamptz[])",
    )
    .bind(column.of(|refund| refund.id.as_str()))
    .bind(column.of(|refund| refund.payment_reference.as_str()))
    .bind(column.of(|refund| refund.order_id.as_uuid()))
    .bind(column.of(|refund| refund.amount.minor))
    .bind(column.of(|refund| refund.amount.currency.as_str()))
    .bind(column.of(|refund| refund.due_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// A settlement as its columns.
#[derive(Default)]
struct Settled<'a> {
    outcome: &'static str,
    amount_minor: Option<i64>,
    currency: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Settled<'a> {
    fn of(report: &'a SettlePayment) -> Self {
        match &report.settlement {
            Settlement::Captured { amount } => Self {
                outcome: "captured",
                amount_minor: Some(amount.minor),
                currency: Some(amount.currency.as_str()),
                reason: None,
            },
            Settlement::Failed { reason } => Self {
                outcome: "failed",
                reason: Some(reason.as_str()),
                ..Self::default()
            },
            Settlement::Abandoned => Self {
                outcome: "abandoned",
                ..Self::default()
            },
        }
    }
}

/// A payment as its columns.
#[derive(Default)]
struct Taken<'a> {
    state: &'static str,
    captured_minor: i64,
    currency: Option<&'a str>,
    owed_back_minor: i64,
}

impl<'a> Taken<'a> {
    fn by(payment: &'a Payment) -> Self {
        match payment {
            Payment::Started => Self {
                state: "started",
                ..Self::default()
            },
            Payment::Ended => Self {
                state: "ended",
                ..Self::default()
            },
            Payment::Captured { amount, owed_back } => Self {
                state: "captured",
                captured_minor: amount.minor,
                currency: Some(amount.currency.as_str()),
                owed_back_minor: *owed_back,
            },
        }
    }
}
