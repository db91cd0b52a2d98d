//! What the edge is told: orders on their way, how long decisions take, and what is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use serde_json::{Value, json};
use support::{SOON, TestShop, send};
use testbed::{eventually, http_get};

async fn signals(shop: &TestShop, query: &str) -> Value {
    let answer = http_get(shop.around.metrics, &format!("/signals{query}")).await;
    let (status, body) = answer.unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

async fn pending(shop: &TestShop) -> u64 {
    signals(shop, "").await["orders"]["pending"].as_u64().unwrap()
}

#[tokio::test]
async fn orders_count_from_their_acceptance_to_their_decision() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let orders = signals(&shop, "").await["orders"].clone();
    assert_eq!(
        orders,
        json!({ "pending": 0, "oldest_pending_ms": null, "decision_p90_ms": null })
    );
    for key in ["one", "two", "two"] {
        assert_eq!(send(shop.order("ann", key, "sneaker", 1)).await.status, 202);
    }
    let before = signals(&shop, "").await["orders"].clone();
    assert_eq!(before["pending"], 2, "a repeat is no order");
    let oldest = || async { signals(&shop, "").await["orders"]["oldest_pending_ms"].as_u64() };
    let grows = async || oldest().await > before["oldest_pending_ms"].as_u64();
    eventually(SOON, "the oldest gets older", grows).await;

    let worker = shop.around.start_worker().await;
    eventually(SOON, "both are decided", async || pending(&shop).await == 0).await;
    let orders = signals(&shop, "").await["orders"].clone();
    assert!(orders["decision_p90_ms"].as_u64().unwrap() > 0, "{orders}");
    assert_eq!(orders["oldest_pending_ms"], Value::Null);
    let held = async || signals(&shop, "").await["stock"]["sneaker"]["held"] == 2;
    eventually(SOON, "the units are held", held).await;
    drop(worker);
}

#[tokio::test]
async fn stock_is_told_for_all_products_or_for_one() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    shop.sells("boot", 7).await;
    let all = signals(&shop, "").await["stock"].clone();
    assert_eq!(
        (all["sneaker"]["left"].as_i64(), all["boot"]["left"].as_i64()),
        (Some(5), Some(7))
    );
    let one = signals(&shop, "?product=boot").await["stock"].clone();
    assert_eq!(
        one,
        json!({ "boot": { "left": 7, "held": 0, "sold": 0, "version": one["boot"]["version"] } })
    );
    for none in ["?product=hat", "?product=No%20Name"] {
        assert_eq!(signals(&shop, none).await["stock"], json!({}), "{none}");
    }
    assert_eq!(
        shop.get("/signals").await.status,
        404,
        "shoppers have no business with it"
    );
}

#[tokio::test]
async fn a_decision_whose_event_was_lost_counts_all_the_same() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    assert_eq!(send(shop.order("ann", "one", "sneaker", 1)).await.status, 202);
    shop.around.amqp.cut();
    let worker = shop.around.start_worker().await;
    eventually(SOON, "the decision is read from the database", async || {
        pending(&shop).await == 0
    })
    .await;
    drop(worker);
}

#[tokio::test]
async fn what_the_broker_does_not_take_is_no_order() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    shop.around.amqp.cut();
    assert_eq!(send(shop.order("ann", "one", "sneaker", 1)).await.status, 503);
    assert_eq!(pending(&shop).await, 0);
}
