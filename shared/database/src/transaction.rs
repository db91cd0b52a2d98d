//! Transactions with a name, run again when that can help.

use crate::Retry;
use std::time::Duration;
use tokio::time::Instant;
use tracing::debug;

/// How often a transaction is tried before its error is the caller's.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

const _: () = assert!(ATTEMPTS >= 2, "a retry is at least a second attempt");

/// Runs `attempt`, which begins, does its work in and commits one transaction; again if its error says that this
/// can help.
///
/// An attempt **must be repeatable**: when the connection is lost during the commit nobody knows whether it took
/// place, and it is run again. It reads what is there and decides anew, so one that finds its own rows already
/// written has nothing left to do. One that is dropped or fails before its commit is rolled back.
///
/// Counted as `database_transactions_total{name, outcome}`, timed as `database_transaction_seconds{name}`.
pub async fn transaction<T, E, F>(name: &'static str, attempt: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: Retry + std::fmt::Display,
{
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.may_retry() => {
                count(name, "retried");
                debug!(transaction = name, %error, "running the transaction again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            end => return finish(name, started, end),
        }
    }
    finish(name, started, attempt().await)
}

fn finish<T, E>(name: &'static str, started: Instant, end: Result<T, E>) -> Result<T, E> {
    count(name, if end.is_ok() { "committed" } else { "failed" });
    metrics::histogram!("database_transaction_seconds", "name" => name).record(started.elapsed());
    end
}

fn count(name: &'static str, outcome: &'static str) {
    metrics::counter!("database_transactions_total", "name" => name, "outcome" => outcome).increment(1);
}
