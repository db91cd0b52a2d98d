//! Processes and connections are killed while orders flow.

use crate::shop::{SOON, Shop};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use testbed::{Servers, eventually};

/// A frozen worker keeps its connections until their other ends lose patience: its orders for two heartbeats, and its locks
/// for a quarter of a minute.
const UNTIL_IT_IS_GIVEN_UP: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_again_and_again_loses_and_doubles_nothing() {
    let shop = Shop::open(&[500]).await;
    let mut worker = shop.worker().await;
    let ((), confirmed) = tokio::join!(
        async {
            for _ in 0..6 {
                let before = shop.decided().await;
                eventually(SOON, "some progress", async || shop.decided().await > before).await;
                worker.kill_9();
                worker = shop.worker().await;
            }
        },
        async {
            let mut confirmed = Vec::new();
            for wave in 0..24 {
                confirmed.extend(shop.place(wave * 250..(wave + 1) * 250).await);
                // Not all before the first kill: each wave waits for the one before to begin to be decided.
                eventually(SOON, "a wave begins", async || {
                    shop.decided().await > i64::from(wave) * 200
                })
                .await;
            }
            confirmed
        }
    );
    assert_eq!(confirmed.len(), 6_000);
    shop.check(&confirmed, 500).await;
    assert_eq!(shop.decided().await, 6_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_of_two_workers_is_killed_the_other_takes_over() {
    let shop = Shop::open(&[300]).await;
    let mut first = shop.worker().await;
    let _second = shop.worker().await;
    let mut confirmed = shop.place(0..500).await;
    eventually(SOON, "some progress", async || shop.decided().await > 0).await;
    first.kill_9();
    confirmed.extend(shop.place(500..1_500).await);
    assert_eq!(confirmed.len(), 1_500);
    shop.check(&confirmed, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_connections_killed_in_mid_batch_lose_and_double_nothing() {
    let shop = Shop::open(&[500]).await;
    let _worker = shop.worker().await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    let mut admin = PgConnection::connect(&Servers::from_env().database_url)
        .await
        .unwrap();
    let kill = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
          WHERE datname = '{name}' AND backend_type = 'client backend'
            AND query NOT LIKE '%count(*) FROM orders%'"
    );
    let ((), confirmed) = tokio::join!(
        async {
            for round in 1..=10 {
                let enough = round * 250;
                let decided = "SELECT count(*) FROM orders";
                eventually(SOON, "some progress", async || {
                    let count = sqlx::query_scalar::<_, i64>(decided).fetch_one(&shop.pool).await;
                    count.is_ok_and(|count| count >= enough)
                })
                .await;
                sqlx::raw_sql(AssertSqlSafe(kill.clone()))
                    .execute(&mut admin)
                    .await
                    .unwrap();
            }
        },
        shop.place(0..3_000)
    );
    assert_eq!(confirmed.len(), 3_000);
    shop.check(&confirmed, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_frozen_commits_nothing_stale_when_it_wakes() {
    let shop = Shop::open(&[150]).await;
    let (first, listen) = shop.worker_at(&impatient(shop.namespace.url()), shop.database.url());
    let first = first.ready_at(listen, "/readyz").start().await;
    // It has decided, has the stock's row, and stops short of its commit.
    let mut shut = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE outbox IN SHARE MODE")
        .execute(&mut *shut)
        .await
        .unwrap();
    let mut confirmed = shop.place(0..100).await;
    eventually(SOON, "it is about to write down what it decided", async || {
        shop.waits_to_write().await
    })
    .await;
    first.pause();
    shut.rollback().await.unwrap();

    let mut second = shop.worker().await;
    confirmed.extend(shop.place(100..200).await);
    eventually(UNTIL_IT_IS_GIVEN_UP, "the other one takes over", async || {
        shop.decided().await == 200
    })
    .await;
    let before = shop.states().await;
    first.resume();
    confirmed.extend(shop.place(200..250).await);
    shop.check(&confirmed, 150).await;
    assert_eq!(shop.states().await["held"], before["held"]);
    second.kill_9();
    confirmed.extend(shop.place(250..300).await);
    shop.check(&confirmed, 150).await;
    assert_eq!(shop.decided().await, 300, "it is of use again");
}

/// RabbitMQ, which does not wait for somebody who is silent for ten seconds.
fn impatient(amqp_url: &str) -> String {
    format!("{amqp_url}?heartbeat=5")
}

impl Shop {
    /// Whether a transaction has come as far as the outbox, and cannot write to it.
    async fn waits_to_write(&self) -> bool {
        let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                       WHERE datname = current_database() AND wait_event_type = 'Lock'
                                         AND query LIKE '%INSERT INTO outbox%')";
        sqlx::query_scalar(waiting).fetch_one(&self.pool).await.unwrap()
    }
}
