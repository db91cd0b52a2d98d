//! One key, one order: in flight, repeated, misused, through outages, restarts and on another instance.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use futures::future::select_all;
use reqwest::Method;
use support::{Answer, SOON, TestShop, lines, send};
use testbed::{eventually, free_address};
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_and_another_payload_is_not() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let first = send(shop.order("ann", "k", "sneaker", 1)).await;
    assert_eq!(
        (first.status, first.json()["state"].as_str()),
        (202, Some("pending")),
        "{first:?}"
    );
    assert_eq!(
        first.header("location"),
        Some(format!("/orders/{}", first.order_id()).as_str())
    );
    assert!(first.header("retry-after").is_some());

    let again = send(shop.order("ann", "k", "sneaker", 1)).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    let other = send(shop.order("ann", "k", "sneaker", 2)).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "idempotency-key-reused")
    );

    let bobs = send(shop.order("bob", "k", "sneaker", 1)).await;
    assert_ne!(
        bobs.order_id(),
        first.order_id(),
        "another shopper's key is another key"
    );
    let seen = shop.order_of("ann", &first.order_id()).await;
    assert_eq!(
        (seen.status, seen.text),
        (200, first.text.clone()),
        "it is pending"
    );
    assert_eq!(
        shop.order_of("bob", &first.order_id()).await.problem(),
        "unknown-order"
    );
}

/// Sends the same request twice while RabbitMQ cannot answer. The one that comes second is told that the first is in
/// flight; the first is handed back, still waiting for its confirm.
async fn click_twice(shop: &TestShop, key: &str) -> JoinHandle<Answer> {
    shop.around.amqp.freeze();
    let clicks = [0, 1].map(|_| tokio::spawn(send(shop.order("ann", key, "sneaker", 1))));
    let (answered, _, mut waiting) = select_all(clicks).await;
    let answered = answered.unwrap();
    assert_eq!(
        (answered.status, answered.problem().as_str()),
        (409, "request-in-flight")
    );
    waiting.remove(0)
}

#[tokio::test]
async fn a_repeat_while_the_first_is_in_flight_is_told_so() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let first = click_twice(&shop, "k").await;
    let other = send(shop.order("ann", "k", "sneaker", 2)).await;
    assert_eq!(other.problem(), "idempotency-key-reused");
    shop.around.amqp.heal();
    assert_eq!(first.await.unwrap().status, 202);
    assert_eq!(send(shop.order("ann", "k", "sneaker", 1)).await.status, 202);
}

#[tokio::test]
async fn what_the_broker_did_not_confirm_is_never_accepted_and_may_be_sent_again() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let first = click_twice(&shop, "k").await;
    shop.around.amqp.cut();
    let first = first.await.unwrap();
    assert_eq!((first.status, first.problem().as_str()), (503, "not-confirmed"));
    assert!(first.header("retry-after").is_some());
    let other = send(shop.order("ann", "k", "sneaker", 2)).await;
    assert_eq!(
        other.problem(),
        "idempotency-key-reused",
        "the payload is bound although nobody knows"
    );
    let unknown = send(shop.order("ann", "another", "sneaker", 1)).await;
    assert_eq!(
        unknown.status, 503,
        "nothing is accepted while the broker is away"
    );

    shop.around.amqp.heal();
    let held = async || shop.buy("ann", "k", "sneaker").await.status == 201;
    eventually(SOON, "the same key is accepted and held", held).await;
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(shop.count("SELECT held FROM stock").await, 1);
}

#[tokio::test]
async fn a_restart_forgets_nothing_that_matters() {
    let mut shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let bought = shop.buy("ann", "k", "sneaker").await;
    assert_eq!(bought.status, 201, "{bought:?}");
    shop.restart().await;
    let repeated = shop.buy("ann", "k", "sneaker").await;
    assert_eq!((repeated.status, repeated.order_id()), (201, bought.order_id()));
    shop.restart().await;
    let other = send(shop.order("ann", "k", "sneaker", 2)).await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(shop.count("SELECT held FROM stock").await, 1);
}

#[tokio::test]
async fn a_repeat_of_the_last_order_after_a_restart_is_not_sold_out() {
    let mut shop = TestShop::open().await;
    shop.sells("sneaker", 1).await;
    let bought = shop.buy("ann", "k", "sneaker").await;
    assert_eq!(bought.status, 201, "{bought:?}");
    shop.restart().await;
    eventually(SOON, "the shop knows that nothing is left", async || {
        shop.available("sneaker").await == Some(0)
    })
    .await;
    assert_eq!(
        shop.buy("ann", "k", "sneaker").await.status,
        201,
        "the order is ann's own"
    );
    assert_eq!(shop.buy("bob", "k", "sneaker").await.problem(), "sold-out");
}

#[tokio::test]
async fn an_original_that_still_waits_elsewhere_is_told_apart_at_the_decision() {
    let mut shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let first = send(shop.order("ann", "k", "sneaker", 1)).await;
    assert_eq!(first.status, 202);
    // Another instance of the shop has never seen the key, and the database does not know the order yet.
    let elsewhere = free_address();
    let _second_instance = shop.around.start_api(elsewhere).await;
    let request = |quantity| {
        let request = shop
            .http
            .request(Method::POST, format!("http://{elsewhere}/orders"));
        let request = request
            .header("Waiting-Room-Pass", shop.around.pass("ann"))
            .header("Idempotency-Key", "\"k\"");
        request
            .header("Prefer", "wait=20")
            .json(&lines("sneaker", quantity))
    };
    let other = tokio::spawn(send(request(2)));
    let both_wait = async || shop.around.commands_waiting().await == 2;
    eventually(SOON, "the second command waits behind the original", both_wait).await;
    shop.worker = Some(shop.around.start_worker().await);
    let other = other.await.unwrap();
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    let same = send(request(1)).await;
    assert_eq!((same.status, same.order_id()), (201, first.order_id()));
    assert_eq!(shop.count("SELECT held FROM stock").await, 1);
}
