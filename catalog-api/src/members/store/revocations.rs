//! Reading which sign-ins have ended.

use sqlx::PgPool;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Whoever asks for what is new also gets what is this old: a transaction that was still open when somebody last asked
/// may have written an earlier moment. None is open for longer (`statement_timeout` is half of it).
const OVERLAP: Duration = Duration::from_secs(60);
/// More revocations than the edges remember.
const ANSWERED_MAX: i64 = 200_000;
/// How far back the table is sure to reach: longer than any access token lives.
const KEPT: Duration = Duration::from_secs(3600);

/// What has ended.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Sign-ins, and until when (Unix seconds) tokens of theirs may be valid.
    pub revoked: Vec<(Uuid, u64)>,
    /// From where the next question goes on, Unix milliseconds.
    pub next_unix_ms: u64,
    /// The database's time.
    pub now_unix_seconds: u64,
}

/// The sign-ins that have ended: all that still matter, or those since a moment that an earlier answer named.
pub async fn revocations_since(pool: &PgPool, since_unix_ms: Option<u64>) -> Result<Heard, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // Before the rows are read: whatever is written meanwhile is new the next time.
    let now: OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&mut *connection)
        .await?;
    let since = since_unix_ms.map_or(OffsetDateTime::UNIX_EPOCH, moment);
    let rows: Vec<(Uuid, OffsetDateTime)> = sqlx::query_as(
        "SELECT sign_in_id, until
         FROM revocations
         WHERE created_at >= $1 AND until > $2
         ORDER BY created_at
         LIMIT $3",
    )
    .bind(since)
    .bind(now)
    .bind(ANSWERED_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let revoked = rows
        .into_iter()
        .map(|(sign_in, until)| (sign_in, seconds(until) + 1));
    Ok(Heard {
        revoked: revoked.collect(),
        next_unix_ms: unix_ms(now - OVERLAP),
        now_unix_seconds: seconds(now),
    })
}

/// Whether so old a question can no longer be answered: what ended since may be forgotten.
pub fn is_forgotten(since_unix_ms: u64, now_unix_ms: u64) -> bool {
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    since_unix_ms.saturating_add(kept) < now_unix_ms
}

fn moment(unix_ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn unix_ms(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

fn seconds(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp()).unwrap_or(0)
}
