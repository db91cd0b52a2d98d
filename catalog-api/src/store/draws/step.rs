//! What is done to a draw when its time has come, step by step: freeze, reveal, sell. Each step is a transaction that
//! reads what there is and does what is due, so it may be broken off anywhere, done twice, and tried by many at once.

use super::{
    DrawStore, DrawStoreError, StoredDraw,
    log::append,
    row::{lock_if_free, signed, unsigned},
};
use catalog_domain::draw::{Book, Due, Stage};
use contract::{DrawId, MemberId, ProductId};
use database::transaction;
use fairness::{Commitment, Secret};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stepped {
    /// There was nothing to do, or somebody else does it.
    Nothing,
    /// The draw came to this stage, or stays there and its rights moved; there may be more to do at once.
    Moved(Stage),
}

/// A right that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// To whom.
    pub member: MemberId,
    /// By which draw.
    pub draw: DrawId,
    /// What the draw is called.
    pub title: String,
    /// What for.
    pub product: ProductId,
    /// Whose turn it was, from 0.
    pub rank: u64,
    /// Until when.
    pub until: OffsetDateTime,
}

impl DrawStore {
    /// Does what is due for a draw. `secret` finds the secret of a commitment.
    ///
    /// # Errors
    /// When the database does not take it, or no key fits.
    pub async fn step(
        &self,
        draw: &DrawId,
        secret: &(impl Fn(&DrawId, &Commitment) -> Option<Secret> + Sync),
    ) -> Result<Stepped, DrawStoreError> {
        transaction("step_draw", || async {
            let mut transaction = self.pool.begin().await?;
            let Some((known, now)) = lock_if_free(&mut transaction, draw).await? else {
                return Ok(Stepped::Nothing);
            };
            let stepped = match known.due(now) {
                Due::Nothing => Stepped::Nothing,
                Due::Freeze => freeze(&mut transaction, &known, now).await?,
                Due::Reveal => reveal(&mut transaction, &known, now, secret).await?,
                Due::Sell => self.sell(&mut transaction, &known, now).await?,
            };
            transaction.commit().await?;
            Ok(stepped)
        })
        .await
    }
}

async fn freeze(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    now: OffsetDateTime,
) -> Result<Stepped, DrawStoreError> {
    let left: Vec<i64> = sqlx::query_scalar(
        "SELECT number FROM draw_entries WHERE draw_id = $1 AND left_at IS NOT NULL ORDER BY number",
    )
    .bind(draw.id.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let left: Vec<u64> = left.into_iter().filter_map(unsigned).collect();
    let mut book = Book::resume(draw.chain);
    let head = book.freeze(now, draw.sale.entries, &left);
    append(connection, &draw.id, draw.chain.length, &book).await?;
    sqlx::query("UPDATE draws SET stage = $2, frozen_head = $3 WHERE id = $1")
        .bind(draw.id.as_str())
        .bind(Stage::Frozen.as_str())
        .bind(head.0.as_slice())
        .execute(connection)
        .await?;
    Ok(Stepped::Moved(Stage::Frozen))
}

async fn reveal(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    now: OffsetDateTime,
    secret: &(impl Fn(&DrawId, &Commitment) -> Option<Secret> + Sync),
) -> Result<Stepped, DrawStoreError> {
    let secret = secret(&draw.id, &draw.commitment).ok_or(DrawStoreError::NoKey)?;
    let frozen = draw.frozen_head.ok_or(DrawStoreError::Unreadable("draws"))?;
    let mut book = Book::resume(draw.chain);
    let seed = book.reveal(now, secret, &frozen, draw.sale.entries);
    append(connection, &draw.id, draw.chain.length, &book).await?;
    sqlx::query("UPDATE draws SET stage = $2, seed = $3 WHERE id = $1")
        .bind(draw.id.as_str())
        .bind(Stage::Drawn.as_str())
        .bind(seed.0.as_slice())
        .execute(connection)
        .await?;
    Ok(Stepped::Moved(Stage::Drawn))
}

/// Writes how far a sale has come.
pub(super) async fn write_sale(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    stage: Stage,
) -> Result<(), sqlx::Error> {
    let sale = draw.sale;
    sqlx::query(
        "UPDATE draws
            SET stage = $2, offered_below = $3, open_rights = $4, bought = $5, lapsed = $6,
                updated_at = clock_timestamp()
          WHERE id = $1",
    )
    .bind(draw.id.as_str())
    .bind(stage.as_str())
    .bind(signed(sale.offered_below))
    .bind(signed(sale.open))
    .bind(signed(sale.bought))
    .bind(signed(sale.lapsed))
    .execute(connection)
    .await?;
    Ok(())
}
