//! Decisions: waited for, looked up by their owner, and stock that follows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use futures::future::join_all;
use reqwest::Method;
use std::{collections::BTreeSet, time::Duration};
use support::{SOON, TestShop, send};
use testbed::eventually;

#[tokio::test]
async fn who_prefers_to_wait_gets_the_decision() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 1).await;
    let held = shop.buy("ann", "k", "sneaker").await;
    assert_eq!(
        (held.status, held.json()["state"].as_str()),
        (201, Some("held")),
        "{held:?}"
    );
    assert_eq!(held.header("preference-applied"), Some("wait=20"));
    assert_eq!(
        held.header("location"),
        Some(format!("/orders/{}", held.order_id()).as_str())
    );
    assert_eq!(
        held.json()["total"],
        serde_json::json!({ "minor": 5000, "currency": "KRW" })
    );
    assert!(held.json()["hold_expires_at_unix_ms"].as_u64().is_some());

    let again = shop.buy("ann", "k", "sneaker").await;
    assert_eq!(
        (again.status, again.json()),
        (201, held.json()),
        "a repeat waits for the same order"
    );
}

#[tokio::test]
async fn an_order_is_shown_although_the_connections_to_the_database_were_lost() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 1).await;
    let held = shop.buy("ann", "k", "sneaker").await;
    for _ in 0..3 {
        let shown = shop.order_of("ann", &held.order_id()).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        let lost = "SELECT count(pg_terminate_backend(pid, 5000))
                      FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(shop.count(lost).await > 0);
    }
}

#[tokio::test]
async fn who_comes_too_late_is_told_sold_out_by_the_worker_and_by_memory() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 1).await;
    // Both are accepted before anything is decided, so the worker refuses the second.
    let first = send(shop.order("ann", "k", "sneaker", 1)).await;
    let late = send(shop.order("bob", "k", "sneaker", 1)).await;
    assert_eq!((first.status, late.status), (202, 202));
    let waiting = tokio::spawn(send(
        shop.by("bob", Method::GET, &format!("/orders/{}", late.order_id()))
            .header("Prefer", "wait=30"),
    ));
    let worker = shop.around.start_worker().await;
    let seen = waiting.await.unwrap();
    assert_eq!(
        (seen.status, seen.json()["state"].as_str()),
        (200, Some("refused")),
        "{seen:?}"
    );
    assert_eq!(seen.header("preference-applied"), Some("wait=30"));
    let refused = shop.buy("bob", "k", "sneaker").await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "sold-out"));
    assert_eq!(refused.json()["order"]["order_id"], late.order_id());

    eventually(SOON, "the shop knows that nothing is left", async || {
        shop.available("sneaker").await == Some(0)
    })
    .await;
    let at_once = send(shop.order("cat", "k", "sneaker", 1)).await;
    assert_eq!((at_once.status, at_once.problem().as_str()), (409, "sold-out"));
    assert_eq!(
        shop.count("SELECT count(*) FROM orders").await,
        2,
        "the third was not even asked"
    );
    drop(worker);
}

#[tokio::test]
async fn a_wait_that_is_too_short_ends_in_202() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 1).await;
    let answer = send(shop.order("ann", "k", "sneaker", 1).header("Prefer", "wait=1")).await;
    assert_eq!(
        (answer.status, answer.header("preference-applied")),
        (202, Some("wait=1")),
        "{answer:?}"
    );
    let look = shop
        .by("ann", Method::GET, &format!("/orders/{}", answer.order_id()))
        .header("Prefer", "wait=1");
    assert_eq!(send(look).await.json()["state"], "pending");
}

#[tokio::test]
async fn an_order_is_its_owners_alone() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    assert_eq!(shop.order_of("ann", &id).await.status, 200);
    for (method, path) in [
        (Method::GET, format!("/orders/{id}")),
        (Method::POST, format!("/orders/{id}/pay")),
        (Method::POST, format!("/orders/{id}/cancel")),
    ] {
        let answer = send(shop.by("bob", method, &path)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "unknown-order"),
            "{path}"
        );
    }
    assert_eq!(shop.order_of("ann", &id).await.json()["state"], "held");
}

#[tokio::test]
async fn a_cancelled_order_gives_its_units_back() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    eventually(SOON, "one is taken", async || {
        shop.available("sneaker").await == Some(4)
    })
    .await;
    let cancel = || shop.by("ann", Method::POST, &format!("/orders/{id}/cancel"));
    let cancelled = send(cancel().header("Prefer", "wait=20")).await;
    assert_eq!(
        (cancelled.status, cancelled.json()["state"].as_str()),
        (200, Some("cancelled")),
        "{cancelled:?}"
    );
    assert_eq!(send(cancel()).await.status, 200, "twice is once");
    eventually(SOON, "it is back", async || {
        shop.available("sneaker").await == Some(5)
    })
    .await;
    let pay = send(shop.by("ann", Method::POST, &format!("/orders/{id}/pay"))).await;
    assert_eq!((pay.status, pay.problem().as_str()), (409, "not-payable"));
}

#[tokio::test]
async fn a_crowd_that_clicks_twice_buys_exactly_what_is_there() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 10).await;
    let shoppers: Vec<String> = (0..60).map(|number| format!("shopper{number}")).collect();
    let clicks = shoppers.iter().flat_map(|shopper| {
        [
            shop.buy(shopper, "k", "sneaker"),
            shop.buy(shopper, "k", "sneaker"),
        ]
    });
    let mut held = BTreeSet::new();
    for answer in join_all(clicks).await {
        match (answer.status, answer.status == 409) {
            (201, _) => drop(held.insert(answer.order_id())),
            (_, true) => assert!(
                ["sold-out", "request-in-flight"].contains(&answer.problem().as_str()),
                "{answer:?}"
            ),
            _ => panic!("neither bought nor told why: {answer:?}"),
        }
    }
    assert_eq!(held.len(), 10);
    assert_eq!(shop.count("SELECT held FROM stock").await, 10);
    assert_eq!(
        shop.count("SELECT count(*) FROM orders WHERE state = 'held'")
            .await,
        10
    );
    for shopper in &shoppers {
        let again = shop.buy(shopper, "k", "sneaker").await;
        assert_eq!(
            again.status == 201,
            again.status != 409 && held.contains(&again.order_id()),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn stock_is_exact_within_a_second_even_when_no_event_tells() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    shop.sells("boot", 7).await;
    shop.around.amqp.cut();
    let pool = shop.around.database.pool().await;
    for left in [3, 0, 4] {
        let change = "UPDATE stock SET on_hand = $1, version = version + 1, updated_at = now() WHERE product_id = 'sneaker'";
        sqlx::query(change).bind(left).execute(&pool).await.unwrap();
        let shown = async || shop.available("sneaker").await == Some(left);
        eventually(
            Duration::from_secs(1),
            "the new stock is shown within a second",
            shown,
        )
        .await;
    }
    assert_eq!(shop.available("boot").await, Some(7));
    let list = shop.get("/products").await.json();
    let left: Vec<_> = list["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["stock"]["available"].as_i64())
        .collect();
    assert_eq!(left, [Some(7), Some(4)]);
}
