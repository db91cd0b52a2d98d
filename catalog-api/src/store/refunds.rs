//! An order's money, for operators.

use contract::{Currency, Money, OrderId, ProductId};
use sqlx::{FromRow, PgPool};
use std::error::Error;
use time::OffsetDateTime;

/// Money of an order that went back, or is to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedRefund {
    /// Its name.
    pub id: String,
    /// How much.
    pub amount: Money,
    /// Since when it is owed.
    pub due_at: OffsetDateTime,
    /// When it went back, if it did.
    pub refunded_at: Option<OffsetDateTime>,
}

/// What is kept of an order's money, its refunds, and where its commands go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderMoney {
    /// How much of what was captured is not owed back.
    pub kept_minor: i64,
    /// Of which currency everything is.
    pub currency: Currency,
    /// The product whose queue the order's commands stand in.
    pub routed_by: ProductId,
    /// What went back or is to go back, the oldest first.
    pub refunds: Vec<OwedRefund>,
}

#[derive(FromRow)]
struct OrderRow {
    currency: Option<String>,
    routed_by: Option<String>,
    kept_minor: i64,
}

#[derive(FromRow)]
struct RefundRow {
    id: String,
    amount_minor: i64,
    due_at: OffsetDateTime,
    refunded_at: Option<OffsetDateTime>,
}

/// The money of an order; nothing when there is no such order, or it was refused.
pub async fn money_of(pool: &PgPool, order: OrderId) -> Result<Option<OrderMoney>, sqlx::Error> {
    let row: Option<OrderRow> = sqlx::query_as(
        "SELECT currency,
                (SELECT min(product_id COLLATE \"C\") FROM order_lines WHERE order_id = orders.id) AS routed_by,
                (SELECT coalesce(sum(captured_minor - owed_back_minor), 0)::bigint
                   FROM payments WHERE order_id = orders.id) AS kept_minor
           FROM orders
          WHERE id = $1",
    )
    .bind(order.as_uuid())
    .fetch_optional(pool)
    .await?;
    let Some((currency, routed_by, kept_minor)) =
        row.and_then(|row| Some((row.currency?, row.routed_by?, row.kept_minor)))
    else {
        return Ok(None);
    };
    let currency: Currency = currency.parse().map_err(decode)?;
    let refunds: Vec<RefundRow> = sqlx::query_as(
        "SELECT id, amount_minor, due_at, refunded_at FROM refunds WHERE order_id = $1 ORDER BY due_at, id",
    )
    .bind(order.as_uuid())
    .fetch_all(pool)
    .await?;
    let refunds = refunds.into_iter().map(|row| OwedRefund {
        id: row.id,
        amount: Money::new(row.amount_minor, currency),
        due_at: row.due_at,
        refunded_at: row.refunded_at,
    });
    Ok(Some(OrderMoney {
        kept_minor,
        currency,
        routed_by: routed_by.parse().map_err(decode)?,
        refunds: refunds.collect(),
    }))
}

fn decode(error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
