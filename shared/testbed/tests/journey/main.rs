//! The whole way, through the real programs over real HTTP: join, wait, be let in, buy, pay, and see the stock go down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod stack;

use reqwest::Method;
use serde_json::Value;
use stack::{DECLINED, PAID, SOON, Shopper, Stack, read};
use testbed::eventually;

#[tokio::test]
async fn from_the_line_to_a_paid_order() {
    let stack = Stack::start(2).await;
    let ann = Shopper::joins(&stack).await;
    let ann = ann.comes_in().await;
    // The edge was there before the shop, and has seen it unwell.
    let open = async || ann.get("/products/sneaker").await.0 == 200;
    eventually(SOON, "the shop is seen to be well", open).await;

    // The room holds one: whoever comes next stands in line, and has no way in.
    let bob = Shopper::joins(&stack).await;
    assert_eq!(bob.place().await["state"], "waiting");
    assert_eq!(bob.claim().await.status(), 409);
    assert_eq!(bob.get("/products/sneaker").await.0, 429);
    assert_eq!(bob.order("before-my-turn").await.0, 429);

    assert_eq!(ann.left().await, 2);
    let (status, order) = ann.order("one").await;
    assert_eq!((status, &order["state"]), (201, &"held".into()), "{order}");
    let id = order["order_id"].as_str().unwrap();
    eventually(SOON, "the units are held", async || ann.left().await == 1).await;
    let (status, again) = ann.order("one").await;
    assert_eq!(
        (status, &again["order_id"]),
        (201, &order["order_id"]),
        "the same key is the same order"
    );

    ann.pays(id, PAID).await;
    ann.order_becomes(id, "paid").await;
    assert_eq!(ann.left().await, 1, "the stock went down by one");

    // Ann leaves, and Bob's turn has come, by itself.
    ann.leaves().await;
    assert_eq!(ann.get("/products/sneaker").await.0, 410);
    let bob = bob.comes_in().await;
    assert_eq!(
        bob.get(&format!("/orders/{id}")).await.0,
        404,
        "it is not his order"
    );

    let (_, declined) = bob.order("declined").await;
    let declined = declined["order_id"].as_str().unwrap();
    bob.pays(declined, DECLINED).await;
    bob.order_becomes(declined, "payment_failed").await;
    eventually(SOON, "the unit is back", async || bob.left().await == 1).await;

    let (_, last) = bob.order("last").await;
    bob.pays(last["order_id"].as_str().unwrap(), PAID).await;
    bob.order_becomes(last["order_id"].as_str().unwrap(), "paid")
        .await;
    let sold_out = async || bob.order("too-late").await.0 == 409;
    eventually(SOON, "it is sold out", sold_out).await;
    assert_eq!(stack.stock().await, (2, 0, 2), "on hand, held, sold");
}

#[tokio::test]
async fn what_is_sold_out_is_answered_at_the_edge_until_a_hold_comes_back() {
    let stack = Stack::start(1).await;
    let ann = Shopper::joins(&stack).await.comes_in().await;
    let open = async || ann.get("/products/sneaker").await.0 == 200;
    eventually(SOON, "the shop is seen to be well", open).await;
    let (status, order) = ann.first_order("one").await;
    assert_eq!(status, 201, "{order}");
    let by_edge = async || {
        let (status, problem) = ann.first_order("two").await;
        status == 409 && problem["detail"].as_str().unwrap().contains("may come back")
    };
    eventually(SOON, "the edge answers", by_edge).await;
    let (status, again) = ann.order("one").await;
    assert_eq!(
        (status, &again["order_id"]),
        (201, &order["order_id"]),
        "a repeated request gets its own answer"
    );

    ann.cancels(order["order_id"].as_str().unwrap()).await;
    let second = std::time::Duration::from_secs(1);
    let bought = async || ann.first_order("three").await.0 == 201;
    eventually(second, "the unit can be ordered again", bought).await;
    assert_eq!(stack.stock().await, (1, 1, 0), "on hand, held, sold");
}

#[tokio::test]
async fn an_operators_change_reaches_the_shopper_within_a_second() {
    let stack = Stack::start(1).await;
    let _inside = Shopper::joins(&stack).await.comes_in().await;
    let shopper = Shopper::joins(&stack).await;
    assert_eq!(shopper.place().await["users_per_minute"], 6_000);
    stack
        .operate(serde_json::json!({ "users_per_minute": 7, "max_active": 2 }))
        .await;
    let told = async || shopper.place().await["users_per_minute"] == 7;
    eventually(
        std::time::Duration::from_secs(1),
        "the shopper is told of the new rate",
        told,
    )
    .await;
    let let_in: Shopper = shopper.comes_in().await;
    let open = async || let_in.get("/products/sneaker").await.0 == 200;
    eventually(SOON, "the second place is open", open).await;
    let keys: Value = let_in.get("/.well-known/jwks.json").await.1;
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
}

#[tokio::test]
async fn who_signs_out_everywhere_is_refused_at_the_edge_within_a_second() {
    let stack = Stack::start(1).await;
    let token = stack.signs_up("ann").await;
    let me = |path: &str| stack.request(Method::GET, path).bearer_auth(&token);
    assert_eq!(
        read(stack.request(Method::GET, "/members/me")).await.0,
        401,
        "not signed in"
    );
    // The edge was there before the shop, and asks for its keys again after ten seconds.
    let is_known = async || {
        let (status, profile) = read(me("/members/me")).await;
        status == 200 && profile["email"] == "ann@x.example"
    };
    eventually(SOON, "the edge has the shop's keys", is_known).await;
    let by_cookie = stack
        .request(Method::GET, "/members/me")
        .header("Cookie", format!("member-access={token}"));
    assert_eq!(read(by_cookie).await.0, 200);

    let out = stack
        .request(Method::DELETE, "/members/sessions")
        .bearer_auth(&token);
    assert_eq!(read(out).await.0, 204);
    // An address that the shop does not have: what is answered 401 there is answered by the edge.
    let refused_at_the_edge = async || {
        let (status, problem) = read(me("/members/me/nothing-here")).await;
        status == 401 && problem["type"] == "urn:problem:token-refused"
    };
    let second = std::time::Duration::from_secs(1);
    eventually(second, "the edge refuses the token", refused_at_the_edge).await;
}
