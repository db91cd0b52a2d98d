//! Processes and connections are killed while orders flow.

use crate::shop::{SOON, Shop};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use testbed::{Servers, eventually};

/// A frozen worker keeps its connections until their other ends lose patience, and its locks for a minute at most.
const UNTIL_IT_IS_GIVEN_UP: Duration = Duration::from_secs(180);

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
    let shop = Shop::open(&[300]).await;
    let first = shop.worker().await;
    let mut confirmed = shop.place(0..1_000).await;
    eventually(SOON, "some progress", async || shop.decided().await > 0).await;
    first.pause();
    let _second = shop.worker().await;
    confirmed.extend(shop.place(1_000..1_500).await);
    eventually(UNTIL_IT_IS_GIVEN_UP, "the other one takes over", async || {
        shop.decided().await == 1_500
    })
    .await;
    let before = shop.states().await;
    first.resume();
    confirmed.extend(shop.place(1_500..1_600).await);
    shop.check(&confirmed, 300).await;
    let after = shop.states().await;
    assert_eq!(after["held"], before["held"]);
    assert_eq!(after["refused"], before["refused"] + 100);
}
