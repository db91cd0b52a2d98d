//! A line that knows what is left: it says so, closes to newcomers who can get nothing, and opens again.

use crate::{
    fake_shop::FakeShop,
    harness::{ConfigFile, Edge, SOON},
};
use reqwest::StatusCode;
use serde_json::Value;
use testbed::eventually;

async fn edge(shop: &FakeShop, users_per_minute: u32, more: &str) -> Edge {
    let config = ConfigFile::new(&format!(
        r#"
        [[origin]]
        name = "shop"
        addresses = ["http://{}"]
        health_path = "/health"
        [[room]]
        id = "demo"
        users_per_minute = {users_per_minute}
        max_active = 1000
        signals = {{ urls = ["{}"] }}
        stock = {{ product = "boot"{more} }}
        "#,
        shop.address,
        shop.url()
    ));
    Edge::with_config(&config).await
}

async fn public(edge: &Edge) -> Value {
    let answer = edge.get("/.waiting-room/demo").send().await.unwrap();
    answer.json().await.unwrap()
}

async fn left_is(edge: &Edge, left: u64) {
    eventually(SOON, &format!("{left} are left"), async || {
        public(edge).await["stock"]["left"] == left
    })
    .await;
}

async fn try_join(edge: &Edge) -> (StatusCode, Value) {
    let answer = edge.post("/.waiting-room/demo/join").send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_line_that_is_sold_out_closes_to_newcomers_and_opens_again() {
    let shop = FakeShop::open().await;
    shop.has_stock(3, 2, 5);
    let edge = edge(&shop, 0, "").await;
    left_is(&edge, 3).await;
    let (ticket, place) = edge.join("demo").await;
    assert_eq!(
        (place["stock"]["left"].as_u64(), place["stock"]["reach"].as_str()),
        (Some(3), Some("likely")),
        "{place}"
    );

    shop.has_stock(0, 2, 8);
    left_is(&edge, 0).await;
    let place = edge.status("demo", &ticket).await;
    assert_eq!(
        place["stock"]["reach"], "unlikely",
        "what is held may come back: {place}"
    );
    assert_eq!(
        try_join(&edge).await.0,
        StatusCode::CREATED,
        "so one may still wait for it"
    );

    shop.has_stock(0, 0, 10);
    eventually(SOON, "the line closes", async || {
        try_join(&edge).await.0 == StatusCode::CONFLICT
    })
    .await;
    let (_, problem) = try_join(&edge).await;
    assert_eq!(problem["type"], "urn:problem:sold-out", "{problem}");
    let visit = edge.visit("/").await;
    assert!(
        visit.text().await.unwrap().to_lowercase().contains("sold out"),
        "a browser is told, too"
    );
    let place = edge.status("demo", &ticket).await;
    assert_eq!(
        (place["state"].as_str(), place["stock"]["reach"].as_str()),
        (Some("waiting"), Some("beyond")),
        "who stands in line stays: {place}"
    );

    shop.has_stock(1, 0, 9);
    eventually(SOON, "the line opens again", async || {
        try_join(&edge).await.0 == StatusCode::CREATED
    })
    .await;
    assert_eq!(edge.status("demo", &ticket).await["stock"]["reach"], "likely");
}

#[tokio::test]
async fn a_line_may_stay_open_all_the_same() {
    let shop = FakeShop::open().await;
    shop.has_stock(0, 0, 10);
    let edge = edge(&shop, 0, ", closes_line = false").await;
    left_is(&edge, 0).await;
    assert_eq!(try_join(&edge).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn stock_that_is_not_heard_of_any_more_closes_nothing() {
    let shop = FakeShop::open().await;
    shop.has_stock(0, 0, 10);
    let edge = edge(&shop, 0, "").await;
    left_is(&edge, 0).await;
    assert_eq!(try_join(&edge).await.0, StatusCode::CONFLICT);
    shop.is_silent();
    let opens = async || try_join(&edge).await.0 == StatusCode::CREATED;
    eventually(SOON, "nobody can say that it is sold out", opens).await;
    assert_eq!(public(&edge).await["stock"], Value::Null);
}

#[tokio::test]
async fn the_page_says_how_many_are_left() {
    let shop = FakeShop::open().await;
    shop.has_stock(37, 0, 0);
    let edge = edge(&shop, 0, "").await;
    left_is(&edge, 37).await;
    let page = edge.visit("/").await.text().await.unwrap();
    assert!(page.contains("37 left"), "{page}");
}

#[tokio::test]
async fn who_was_in_line_before_may_come_back_to_look_after_an_order() {
    let shop = FakeShop::open().await;
    shop.has_stock(5, 0, 0);
    let edge = edge(&shop, 6_000, "").await;
    left_is(&edge, 5).await;
    let (ticket, _) = edge.join("demo").await;
    edge.claim("demo", &ticket).await;
    shop.has_stock(0, 0, 5);
    let closed = async || try_join(&edge).await.0 == StatusCode::CONFLICT;
    eventually(SOON, "the line closes", closed).await;
    let again = |path: &str| {
        let ask = edge.post(&format!("/.waiting-room/demo/{path}"));
        ask.header("Waiting-Room-Ticket", &ticket).send()
    };
    assert_eq!(again("leave").await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(again("join").await.unwrap().status(), StatusCode::CREATED);
}
