//! Orders as the worker wrote them.

use catalog_domain::Fingerprint;
use contract::{Money, OrderId, OrderLine, OrderView, ShopperId};
use serde::Deserialize;
use sqlx::{FromRow, PgPool, types::Json};
use std::error::Error;
use time::OffsetDateTime;
use uuid::Uuid;

/// An order with what only the shop sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// Its owner.
    pub shopper: ShopperId,
    /// What its request asked for.
    pub fingerprint: Fingerprint,
    /// How it stands.
    pub view: OrderView,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    shopper: String,
    fingerprint: String,
    state: String,
    refusal: Option<String>,
    total_minor: Option<i64>,
    currency: Option<String>,
    version: i32,
    next_step_at: Option<OffsetDateTime>,
    refund_reason: Option<String>,
    refunded_minor: i64,
    hold_expires_at: Option<OffsetDateTime>,
    lines: Json<Vec<Line>>,
}

#[derive(Deserialize)]
struct Line {
    product_id: String,
    name: String,
    quantity: u32,
    unit_price_minor: i64,
}

/// Which of these orders are decided: those that exist.
pub async fn decided_of(pool: &PgPool, orders: &[OrderId]) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids: Vec<Uuid> = orders.iter().map(OrderId::as_uuid).collect();
    let decided: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM orders WHERE id = ANY($1)")
        .bind(ids)
        .fetch_all(pool)
        .await?;
    Ok(decided.into_iter().map(OrderId::from_uuid).collect())
}

/// Reads those of the orders that exist: one round trip, however many are asked for.
pub(super) async fn read(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<StoredOrder>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT o.id, o.shopper, o.fingerprint, o.state, o.refusal, o.total_minor, o.currency, o.version,
                o.next_step_at, o.refund_reason, o.refunded_minor,
                (SELECT max(h.expires_at) FROM holds h WHERE h.order_id = o.id AND h.open) AS hold_expires_at,
                coalesce(
                    (SELECT json_agg(
                                json_build_object('product_id', l.product_id, 'name', l.name,
                                                  'quantity', l.quantity, 'unit_price_minor', l.unit_price_minor)
                                ORDER BY l.line_number)
                     FROM order_lines l
                     WHERE l.order_id = o.id),
                    '[]') AS lines
         FROM orders o
         WHERE o.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| stored(row).map_err(sqlx::Error::Decode))
        .collect()
}

fn stored(row: Row) -> Result<StoredOrder, Box<dyn Error + Send + Sync>> {
    let currency = row.currency.map(|currency| currency.parse()).transpose()?;
    let mut lines = Vec::with_capacity(row.lines.0.len());
    for line in row.lines.0 {
        lines.push(OrderLine {
            product_id: line.product_id.parse()?,
            name: line.name,
            quantity: line.quantity,
            unit_price: Money::new(
                line.unit_price_minor,
                currency.ok_or("an order with lines has a currency")?,
            ),
        });
    }
    let view = OrderView {
        order_id: OrderId::from_uuid(row.id),
        state: row.state.parse()?,
        refusal: row.refusal.map(|refusal| refusal.parse()).transpose()?,
        lines,
        total: row
            .total_minor
            .zip(currency)
            .map(|(minor, currency)| Money::new(minor, currency)),
        hold_expires_at_unix_ms: row.hold_expires_at.and_then(unix_ms),
        next_step_at_unix_ms: row.next_step_at.and_then(unix_ms),
        refund_reason: row.refund_reason.map(|reason| reason.parse()).transpose()?,
        refunded: currency
            .filter(|_| row.refunded_minor > 0)
            .map(|currency| Money::new(row.refunded_minor, currency)),
        version: row.version,
    };
    let shopper = ShopperId::from_stored(row.shopper);
    Ok(StoredOrder {
        shopper,
        fingerprint: Fingerprint::from_stored(row.fingerprint),
        view,
    })
}

fn unix_ms(at: OffsetDateTime) -> Option<u64> {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}
