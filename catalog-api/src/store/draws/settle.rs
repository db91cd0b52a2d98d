//! What becomes of open rights: spent, over, or their member's again.

use super::{DrawStoreError, StoredDraw, read::claim};
use catalog_domain::{
    draw::{OrderFate, Right, RightState, Sale, Settled},
    limits::DRAW_CLAIM_LASTS,
};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Rights of each kind that are looked at in one transaction.
const RIGHTS: i64 = 500;

#[derive(FromRow)]
struct DueRow {
    rank: i64,
    lapses_at: OffsetDateTime,
    order_id: Option<Uuid>,
    claimed_at: Option<OffsetDateTime>,
}

/// Settles rights of the draw, whose row is locked; answers its books after that.
pub(super) async fn settle(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    now: OffsetDateTime,
) -> Result<Sale, DrawStoreError> {
    let due = lock_due(connection, draw, now).await?;
    if due.is_empty() {
        return Ok(draw.sale);
    }
    let fates = fates(connection, &due).await?;
    let mut settled: HashMap<Settled, Vec<i64>> = HashMap::new();
    for row in &due {
        let fate = row.order_id.and_then(|order| fates.get(&order).copied());
        let fate = fate.unwrap_or(OrderFate::Undecided);
        settled
            .entry(row.right().settle(now, fate))
            .or_default()
            .push(row.rank);
    }
    let count = |kind| settled.get(&kind).map_or(0, |ranks| ranks.len() as u64);
    let sale = draw.sale.settled(count(Settled::Bought), count(Settled::Lapsed));
    write(connection, draw, &settled).await?;
    Ok(sale)
}

/// The open rights that may be settled, locked. A worker that decides an order keeps its right locked until then; it is
/// passed over this time.
async fn lock_due(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    now: OffsetDateTime,
) -> Result<Vec<DueRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT rank, lapses_at, order_id, claimed_at
           FROM purchase_rights
          WHERE draw_id = $1 AND state = 'open'
            AND rank IN ((SELECT rank
                            FROM purchase_rights
                           WHERE draw_id = $1 AND state = 'open' AND order_id IS NULL AND lapses_at <= $2
                           ORDER BY lapses_at
                           LIMIT $4)
                         UNION ALL
                         (SELECT rank
                            FROM purchase_rights AS rights
                            LEFT JOIN orders ON orders.id = rights.order_id
                           WHERE draw_id = $1 AND rights.state = 'open' AND order_id IS NOT NULL
                             AND (orders.state <> 'held' OR orders.id IS NULL AND claimed_at <= $3)
                           LIMIT $4))
            FOR UPDATE SKIP LOCKED",
    )
    .bind(draw.id.as_str())
    .bind(now)
    .bind(now - DRAW_CLAIM_LASTS)
    .bind(RIGHTS)
    .fetch_all(connection)
    .await
}

/// What became of their orders: asked once the rights are locked, so that an order that was decided meanwhile is seen.
async fn fates(
    connection: &mut PgConnection,
    due: &[DueRow],
) -> Result<HashMap<Uuid, OrderFate>, DrawStoreError> {
    let orders: Vec<Uuid> = due.iter().filter_map(|row| row.order_id).collect();
    let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, state FROM orders WHERE id = ANY ($1)")
        .bind(&orders)
        .fetch_all(connection)
        .await?;
    let fate = |(order, state): (Uuid, String)| {
        let state = state.parse().map_err(|_| DrawStoreError::Unreadable("orders"))?;
        Ok((order, OrderFate::of(Some(state))))
    };
    rows.into_iter().map(fate).collect()
}

async fn write(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    settled: &HashMap<Settled, Vec<i64>>,
) -> Result<(), sqlx::Error> {
    for (kind, ranks) in settled {
        let (state, keeps_order) = match kind {
            Settled::Keep => continue,
            Settled::Free => (RightState::Open, false),
            Settled::Bought => (RightState::Bought, true),
            Settled::Lapsed => (RightState::Lapsed, true),
        };
        sqlx::query(
            "UPDATE purchase_rights
                SET state = $3,
                    order_id = CASE WHEN $4 THEN order_id END,
                    claimed_at = CASE WHEN $4 THEN claimed_at END
              WHERE draw_id = $1 AND rank = ANY ($2)",
        )
        .bind(draw.id.as_str())
        .bind(ranks)
        .bind(state.as_str())
        .bind(keeps_order)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

impl DueRow {
    fn right(&self) -> Right {
        Right {
            state: RightState::Open,
            lapses_at: self.lapses_at,
            claim: claim(self.order_id, self.claimed_at),
        }
    }
}
