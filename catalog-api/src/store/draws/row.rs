//! A draw as a row.

use super::DrawStoreError;
use catalog_domain::draw::{Due, Phase, Sale, Stage, Terms, Window};
use contract::DrawId;
use fairness::{Chain, Commitment, Head, Permutation, Seed};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::{Duration, OffsetDateTime};

/// A draw as it is stored.
#[derive(Debug, Clone)]
pub struct StoredDraw {
    /// Its identifier.
    pub id: DrawId,
    /// What it is to be.
    pub terms: Terms,
    /// What was done to it.
    pub stage: Stage,
    /// The hash of its secret.
    pub commitment: Commitment,
    /// Its log: hash and length.
    pub chain: Chain,
    /// The log's head after the freeze.
    pub frozen_head: Option<Head>,
    /// What its order comes from, once that is revealed.
    pub seed: Option<Seed>,
    /// Its books.
    pub sale: Sale,
}

#[derive(FromRow)]
pub(super) struct Row {
    id: String,
    product_id: String,
    title: String,
    units: i64,
    opens_at: OffsetDateTime,
    closes_at: OffsetDateTime,
    right_seconds: i32,
    stage: String,
    commitment: Vec<u8>,
    log_head: Vec<u8>,
    log_lines: i64,
    frozen_head: Option<Vec<u8>>,
    seed: Option<Vec<u8>>,
    entries: i64,
    offered_below: i64,
    open_rights: i64,
    bought: i64,
    lapsed: i64,
}

impl StoredDraw {
    /// Where it stands at `now`.
    pub fn phase(&self, now: OffsetDateTime) -> Phase {
        self.stage.phase(self.terms.window, now)
    }

    /// What is to be done to it at `now`.
    pub(super) fn due(&self, now: OffsetDateTime) -> Due {
        self.stage.due(self.terms.window, now)
    }

    /// The order of its entries, once that can be computed.
    pub fn order(&self) -> Option<Permutation> {
        self.seed.map(|seed| Permutation::new(&seed, self.sale.entries))
    }
}

/// The row, locked until the transaction ends, and the time when that was so.
pub(super) async fn lock(
    connection: &mut PgConnection,
    draw: &DrawId,
) -> Result<Option<(StoredDraw, OffsetDateTime)>, DrawStoreError> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM draws WHERE id = $1 FOR UPDATE")
        .bind(draw.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    with_time(connection, row).await
}

/// The same, but nothing when somebody else has it.
pub(super) async fn lock_if_free(
    connection: &mut PgConnection,
    draw: &DrawId,
) -> Result<Option<(StoredDraw, OffsetDateTime)>, DrawStoreError> {
    let row: Option<Row> = sqlx::query_as("SELECT * FROM draws WHERE id = $1 FOR UPDATE SKIP LOCKED")
        .bind(draw.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    with_time(connection, row).await
}

async fn with_time(
    connection: &mut PgConnection,
    row: Option<Row>,
) -> Result<Option<(StoredDraw, OffsetDateTime)>, DrawStoreError> {
    let Some(row) = row else { return Ok(None) };
    let now = now(connection).await?;
    Ok(Some((row.read()?, now)))
}

/// The database's clock.
pub(super) async fn now(executor: impl PgExecutor<'_>) -> Result<OffsetDateTime, sqlx::Error> {
    sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(executor)
        .await
}

impl Row {
    pub(super) fn read(self) -> Result<StoredDraw, DrawStoreError> {
        self.parse().ok_or(DrawStoreError::Unreadable("draws"))
    }

    fn parse(self) -> Option<StoredDraw> {
        let terms = Terms {
            product_id: self.product_id.parse().ok()?,
            title: self.title,
            units: u32::try_from(self.units).ok()?,
            window: Window {
                opens_at: self.opens_at,
                closes_at: self.closes_at,
            },
            right_lasts: Duration::seconds(self.right_seconds.into()),
        };
        let sale = Sale {
            units: unsigned(self.units)?,
            entries: unsigned(self.entries)?,
            offered_below: unsigned(self.offered_below)?,
            open: unsigned(self.open_rights)?,
            bought: unsigned(self.bought)?,
            lapsed: unsigned(self.lapsed)?,
        };
        Some(StoredDraw {
            id: self.id.parse().ok()?,
            terms,
            stage: self.stage.parse().ok()?,
            commitment: Commitment(hash(&self.commitment)?),
            chain: Chain {
                head: Head(hash(&self.log_head)?),
                length: unsigned(self.log_lines)?,
            },
            frozen_head: self.frozen_head.and_then(|head| hash(&head)).map(Head),
            seed: self.seed.and_then(|seed| hash(&seed)).map(Seed),
            sale,
        })
    }
}

/// A number that no constraint of ours lets be negative.
pub(super) fn unsigned(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// A count as a column has it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn hash(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
