//! Sealing everything anew under the first key, while the shop runs.
//!
//! Each batch is a transaction that locks its rows, so that a member who changes something meanwhile waits for
//! milliseconds and nothing is overwritten. A value that the first key has sealed is left alone: the command can be
//! stopped at any time and run again, and a run that finds nothing to do says that the old keys may go.

use super::{
    MemberError, Sealer,
    sealed::{SEALED, SealedTable},
};
use anyhow::Context;
use clap::Args;
use sealing::{KeyRing, Place};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, PgPool, Row};
use tracing::info;
use uuid::Uuid;

/// Seals all personal data anew under the first key of PERSONAL_DATA_KEYS.
#[derive(Debug, Clone, Args)]
pub struct Resealing {
    /// Rows in one transaction.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    batch: i64,
}

/// The command.
///
/// # Errors
/// When the database cannot be reached, or a value does not open: a key is missing.
pub async fn reseal(
    database_url: &SecretString,
    sealer: &Sealer,
    resealing: &Resealing,
) -> anyhow::Result<()> {
    let pool = database::pool(database_url.expose_secret(), 1)?;
    let mut all = 0;
    for table in SEALED {
        let resealed = reseal_table(&pool, &sealer.keys, table, resealing.batch).await;
        all += resealed.with_context(|| format!("reseal the table {}", table.name))?;
    }
    let key = sealer.keys.first();
    info!(values = all, key, "everything is sealed by the first key");
    Ok(())
}

async fn reseal_table(
    pool: &PgPool,
    keys: &KeyRing,
    table: &SealedTable,
    batch: i64,
) -> Result<u64, MemberError> {
    let (mut after, mut rows, mut values) = (Uuid::nil(), 0, 0);
    loop {
        let done = reseal_batch(pool, keys, table, after, batch).await?;
        let Some(last) = done.last else { break };
        (after, rows, values) = (last, rows + done.rows, values + done.values);
        info!(table = table.name, rows, values, "resealing");
    }
    Ok(values)
}

#[derive(Default)]
struct Batch {
    last: Option<Uuid>,
    rows: u64,
    values: u64,
}

async fn reseal_batch(
    pool: &PgPool,
    keys: &KeyRing,
    table: &SealedTable,
    after: Uuid,
    batch: i64,
) -> Result<Batch, MemberError> {
    let mut transaction = pool.begin().await?;
    let rows = sqlx::query(AssertSqlSafe(select(table)))
        .bind(after)
        .bind(i32::from(keys.first()))
        .bind(batch)
        .fetch_all(&mut *transaction)
        .await?;
    let mut done = Batch::default();
    for row in rows {
        let id: Uuid = row.try_get("id")?;
        (done.last, done.rows) = (Some(id), done.rows + 1);
        for &column in table.columns {
            let sealed: Option<Vec<u8>> = row.try_get(column)?;
            let Some(sealed) = sealed.filter(|sealed| KeyRing::key_of(sealed) != Some(keys.first())) else {
                continue;
            };
            let place = Place {
                table: table.name,
                row: id,
                column,
            };
            let anew = keys.seal(place, &keys.open(place, &sealed)?, clock::random_bytes());
            sqlx::query(AssertSqlSafe(update(table, column)))
                .bind(id)
                .bind(anew)
                .execute(&mut *transaction)
                .await?;
            done.values += 1;
        }
    }
    transaction.commit().await?;
    Ok(done)
}

/// The next rows in which a value is sealed by another key; its number is the second byte. The names are constants of ours.
fn select(table: &SealedTable) -> String {
    let (name, columns) = (table.name, table.columns.join(", "));
    let other_key = |column: &&str| format!("get_byte({column}, 1) <> $2");
    let other_keys = table
        .columns
        .iter()
        .map(other_key)
        .collect::<Vec<_>>()
        .join(" OR ");
    format!(
        "SELECT id, {columns}
         FROM {name}
         WHERE id > $1 AND ({other_keys})
         ORDER BY id
         LIMIT $3
         FOR UPDATE"
    )
}

fn update(table: &SealedTable, column: &str) -> String {
    format!("UPDATE {} SET {column} = $2 WHERE id = $1", table.name)
}
