//! Orders as the worker wrote them.

use catalog_domain::{Decided, Fingerprint, History};
use contract::{Money, OrderId, OrderLine, OrderView, ShopperId};
use serde::Deserialize;
use sqlx::{FromRow, PgConnection, PgPool, types::Json};
use std::{collections::HashMap, error::Error};
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

/// A page of the owners' orders, the newest first, and where the next page begins if there is one.
pub async fn page(
    pool: &PgPool,
    owners: &[ShopperId],
    history: &History,
) -> Result<(Vec<OrderView>, Option<Decided>), sqlx::Error> {
    let owners: Vec<&str> = owners.iter().map(ShopperId::as_str).collect();
    // One more than is shown says whether there is another page.
    let limit = i64::try_from(history.limit + 1).unwrap_or(i64::MAX);
    let places: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT id, (extract(epoch FROM decided_at) * 1000000)::bigint
           FROM orders
          WHERE shopper = ANY ($1)
            AND ($2::bigint IS NULL
                 OR (decided_at, id) < (timestamptz 'epoch' + $2 * interval '1 microsecond', $3))
          ORDER BY decided_at DESC, id DESC
          LIMIT $4",
    )
    .bind(owners)
    .bind(history.after.map(|after| after.at_micros))
    .bind(history.after.map(|after| after.order_id.as_uuid()))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let shown = &places[..places.len().min(history.limit)];
    let next = shown.last().filter(|_| places.len() > shown.len());
    let next = next.map(|(id, at_micros)| Decided {
        at_micros: *at_micros,
        order_id: OrderId::from_uuid(*id),
    });
    let ids: Vec<Uuid> = shown.iter().map(|(id, _)| *id).collect();
    let mut orders: HashMap<Uuid, OrderView> = of(&mut *pool.acquire().await?, &ids)
        .await?
        .into_iter()
        .map(|order| (order.view.order_id.as_uuid(), order.view))
        .collect();
    Ok((ids.iter().filter_map(|id| orders.remove(id)).collect(), next))
}

/// Reads those of the orders that exist: one round trip, however many are asked for.
pub async fn of(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<StoredOrder>, sqlx::Error> {
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
    .fetch_all(connection)
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
