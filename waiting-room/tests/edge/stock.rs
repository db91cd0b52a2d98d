//! A line that knows what is left: it says so, closes to newcomers who can get nothing, and opens again.

use crate::{
    fake_shop::FakeShop,
    harness::{ConfigFile, Edge, SOON},
    two_edges,
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use testbed::{RedisNamespace, eventually};

async fn edge(shop: &FakeShop, users_per_minute: u32, more: &str) -> Edge {
    Edge::with_config(&config(shop, users_per_minute, more)).await
}

fn config(shop: &FakeShop, users_per_minute: u32, more: &str) -> ConfigFile {
    ConfigFile::new(&format!(
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
    ))
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

const ORDERS: &str = r#", orders = "/orders""#;
/// An order of two products, one of which the room sells.
const ORDER: &str =
    r#"{"lines": [{"product_id": "hat", "quantity": 1}, {"product_id": "boot", "quantity": 1}]}"#;

/// Somebody inside, who orders.
struct Buyer<'a> {
    edge: &'a Edge,
    pass: String,
}

impl<'a> Buyer<'a> {
    async fn comes_in(edge: &'a Edge) -> Self {
        let (ticket, _) = edge.join("demo").await;
        let pass = edge.claim("demo", &ticket).await;
        Self { edge, pass }
    }

    fn sends(&self, edge: &Edge, path: &str, body: &str) -> reqwest::RequestBuilder {
        let request = edge.post(path).header("Waiting-Room-Pass", &self.pass);
        request
            .header("Content-Type", "application/json")
            .body(body.to_owned())
    }

    async fn orders_at(&self, edge: &Edge) -> Response {
        let order = self
            .sends(edge, "/orders", ORDER)
            .header("Waiting-Room-First-Try", "?1");
        order.send().await.unwrap()
    }

    async fn orders(&self) -> Response {
        self.orders_at(self.edge).await
    }

    /// Whether the edge itself says that it is sold out.
    async fn is_refused_at(&self, edge: &Edge) -> bool {
        self.orders_at(edge).await.status() == StatusCode::CONFLICT
    }
}

#[tokio::test]
async fn an_order_for_what_is_gone_is_answered_here_and_goes_on_within_a_second_of_a_units_return() {
    let shop = FakeShop::open().await;
    shop.has_stock(1, 0, 9);
    let edge = edge(&shop, 6_000, ORDERS).await;
    left_is(&edge, 1).await;
    let buyer = Buyer::comes_in(&edge).await;
    assert_eq!(buyer.orders().await.status(), StatusCode::OK);
    assert_eq!(shop.orders(), [ORDER]);

    shop.has_stock(0, 1, 9);
    eventually(SOON, "the edge refuses", async || {
        buyer.is_refused_at(&edge).await
    })
    .await;
    let before = shop.orders().len();
    let refused = buyer.orders().await;
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "urn:problem:sold-out", "{problem}");
    assert_eq!(shop.orders().len(), before, "the shop does not hear of it");
    let counted = edge
        .metric(r#"waiting_room_orders_sold_out_total{room="demo"}"#)
        .await;
    assert!(counted >= Some(2.0), "{counted:?}");

    // What the edge does not answer reaches the shop as it was sent.
    let hat = r#"{"lines": [{"product_id": "hat"}]}"#;
    let long = json!({ "lines": [{ "product_id": "boot" }], "note": "x".repeat(16 * 1024) }).to_string();
    for (body, first, why) in [
        (ORDER, "?0", "a repeated request may have an order"),
        (hat, "?1", "of this there may be plenty"),
        ("{", "?1", "what cannot be read is the shop's to refuse"),
        (long.as_str(), "?1", "nor is a long one read here"),
    ] {
        let order = buyer
            .sends(&edge, "/orders", body)
            .header("Waiting-Room-First-Try", first);
        assert_eq!(order.send().await.unwrap().status(), StatusCode::OK, "{why}");
        assert_eq!(shop.orders().last().unwrap(), body, "{why}");
    }
    let repeated = buyer.sends(&edge, "/orders", ORDER).send().await.unwrap();
    assert_eq!(
        repeated.status(),
        StatusCode::OK,
        "without a word it may be a repeated one"
    );

    shop.has_stock(1, 0, 9);
    let open = async || buyer.orders().await.status() == StatusCode::OK;
    eventually(Duration::from_secs(1), "orders go on", open).await;
    assert_eq!(shop.orders().last().unwrap(), ORDER);
}

#[tokio::test]
async fn every_edge_refuses_and_takes_orders_again() {
    let shop = FakeShop::open().await;
    shop.has_stock(1, 0, 9);
    let (redis, config) = (RedisNamespace::fresh(), config(&shop, 6_000, ORDERS));
    let one = two_edges::start(&config, redis.url(), &redis).await;
    let other = two_edges::start(&config, redis.url(), &redis).await;
    let buyer = Buyer::comes_in(&one).await;
    shop.has_stock(0, 1, 9);
    for edge in [&one, &other] {
        eventually(SOON, "the edge refuses", async || buyer.is_refused_at(edge).await).await;
    }
    shop.has_stock(1, 0, 9);
    let open = async || !buyer.is_refused_at(&one).await && !buyer.is_refused_at(&other).await;
    eventually(Duration::from_secs(1), "both let orders go on", open).await;
}

#[tokio::test]
async fn old_news_refuses_no_order() {
    let shop = FakeShop::open().await;
    shop.has_stock(1, 0, 9);
    let edge = edge(&shop, 6_000, ORDERS).await;
    let buyer = Buyer::comes_in(&edge).await;
    shop.has_stock(0, 0, 10);
    eventually(SOON, "the edge refuses", async || {
        buyer.is_refused_at(&edge).await
    })
    .await;
    shop.is_silent();
    let open = async || buyer.orders().await.status() == StatusCode::OK;
    eventually(Duration::from_secs(4), "orders go to the shop", open).await;
}

#[tokio::test]
async fn an_edge_that_is_not_told_where_orders_go_answers_none() {
    let shop = FakeShop::open().await;
    shop.has_stock(1, 0, 9);
    let edge = edge(&shop, 6_000, "").await;
    let buyer = Buyer::comes_in(&edge).await;
    shop.has_stock(0, 0, 10);
    left_is(&edge, 0).await;
    assert_eq!(buyer.orders().await.status(), StatusCode::OK);
}
