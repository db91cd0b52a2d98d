//! The pool and the schema.

use sqlx::{
    Connection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::Duration;

/// How long a caller waits for a connection before it is told that there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bounds that the server keeps for us, so that one stuck session cannot keep the others' rows for ever. What
/// takes longest while a transaction is open is a confirm of RabbitMQ, some seconds. A worker that stands still in one loses it before RabbitMQ, after two silent
/// heartbeats, gives its orders to another: that one finds the rows free.
const SESSION_BOUNDS: [(&str, &str); 3] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "15s"),
];

static SCHEMA: Migrator = sqlx::migrate!();

/// Why the database could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The address is not one.
    #[error("read the address of the database (postgres://user:password@host:port/name)")]
    Address(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("bring the database schema up to date")]
    Migrate(#[source] MigrateError),
}

/// A pool of at most `size` connections to `url`.
///
/// No server is needed yet: connections are made when they are asked for. Prefer a Unix socket
/// (`postgres:///name?host=/folder&port=5432&user=…`): over TCP, sqlx 0.9 leaves Nagle's algorithm on, and an
/// exchange of two writes and a read then stalls for 40 ms.
pub fn pool(url: &str, size: u32) -> Result<PgPool, DatabaseError> {
    let address: PgConnectOptions = url.parse().map_err(DatabaseError::Address)?;
    Ok(PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(address.options(SESSION_BOUNDS)))
}

/// Brings the schema up to date. Several services may do so at once: the migrator takes an advisory lock.
pub async fn migrate(pool: &PgPool) -> Result<(), DatabaseError> {
    run_migrations(pool).await.map_err(DatabaseError::Migrate)
}

/// On a connection that ends here: when a migration fails the migrator keeps its lock, which must not go back to
/// the pool and stand in the way of the next attempt.
async fn run_migrations(pool: &PgPool) -> Result<(), MigrateError> {
    let mut connection = pool.acquire().await?.detach();
    let result = SCHEMA.run(&mut connection).await;
    connection.close().await?;
    result
}

/// Whether the database answers and has our schema, for readiness.
pub async fn answers(pool: &PgPool) -> bool {
    sqlx::query("SELECT FROM products LIMIT 1")
        .execute(pool)
        .await
        .is_ok()
}
