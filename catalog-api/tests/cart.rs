//! Carts: of a session, of a member, and on the way to an order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::{Answer, SOON, TestShop, send};
use testbed::eventually;

fn add(shop: &TestShop, shopper: &str, product: &str, quantity: i64) -> RequestBuilder {
    let line = json!({ "product_id": product, "quantity": quantity });
    shop.by(shopper, Method::POST, "/cart/lines").json(&line)
}

async fn cart(shop: &TestShop, shopper: &str) -> Answer {
    send(shop.by(shopper, Method::GET, "/cart")).await
}

/// Products and quantities.
fn lines(cart: &Answer) -> Vec<(String, i64)> {
    let lines = cart.json()["lines"].as_array().unwrap().clone();
    let line = |line: &Value| {
        (
            line["product_id"].as_str().unwrap().to_owned(),
            line["quantity"].as_i64().unwrap(),
        )
    };
    lines.iter().map(line).collect()
}

fn of(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected
        .iter()
        .map(|(product, quantity)| ((*product).to_owned(), *quantity))
        .collect()
}

async fn with_products(shop: &TestShop) {
    for product in ["a", "b", "c"] {
        shop.sells(product, 9).await;
    }
}

#[tokio::test]
async fn a_cart_gathers_changes_and_counts_at_the_prices_of_the_moment() {
    let shop = TestShop::without_worker().await;
    with_products(&shop).await;
    assert_eq!(lines(&cart(&shop, "ann").await), []);
    send(add(&shop, "ann", "a", 2)).await;
    send(add(&shop, "ann", "b", 1)).await;
    let added = send(add(&shop, "ann", "a", 3)).await;
    assert_eq!(lines(&added), of(&[("a", 5), ("b", 1)]), "units add up");
    assert_eq!(
        added.json()["totals"],
        json!([{ "minor": 30_000, "currency": "KRW" }])
    );
    let set = shop
        .by("ann", Method::PUT, "/cart/lines/a")
        .json(&json!({ "quantity": 1 }));
    assert_eq!(lines(&send(set).await), of(&[("a", 1), ("b", 1)]));
    let pool = shop.around.database.pool().await;
    let dearer = "UPDATE products SET price_minor = 7000, updated_at = clock_timestamp() WHERE id = 'a'";
    sqlx::query(dearer).execute(&pool).await.unwrap();
    eventually(SOON, "the new price", async || {
        cart(&shop, "ann").await.json()["totals"][0]["minor"] == 12_000
    })
    .await;
    assert_eq!(lines(&cart(&shop, "bob").await), [], "a cart is its owner's");
    let removed = send(shop.by("ann", Method::DELETE, "/cart/lines/a")).await;
    assert_eq!(lines(&removed), of(&[("b", 1)]));
    assert_eq!(lines(&send(shop.by("ann", Method::DELETE, "/cart")).await), []);
}

#[tokio::test]
async fn a_cart_has_bounds_and_takes_only_what_there_is() {
    let shop = TestShop::without_worker().await;
    with_products(&shop).await;
    assert_eq!(send(add(&shop, "ann", "a", 8)).await.status, 200);
    let none = shop
        .by("ann", Method::PUT, "/cart/lines/b")
        .json(&json!({ "quantity": 1 }));
    for (request, status, problem) in [
        (add(&shop, "ann", "a", 3), 409, "too-many-units"),
        (add(&shop, "ann", "a", 0), 422, "invalid-cart"),
        (add(&shop, "ann", "none", 1), 404, "unknown-product"),
        (none, 404, "not-in-cart"),
        (shop.request(Method::GET, "/cart"), 401, "pass-required"),
    ] {
        let answer = send(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem));
    }
    let many = "WITH made AS (INSERT INTO products (id, name, price_minor, currency)
                              SELECT 'p' || number, 'p', 1, 'KRW' FROM generate_series(1, 20) AS number
                              RETURNING id)
                INSERT INTO stock (product_id, on_hand) SELECT id, 1 FROM made";
    sqlx::query(many)
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
    eventually(SOON, "they are known", async || {
        shop.available("p20").await == Some(1)
    })
    .await;
    for number in 1..20 {
        assert_eq!(
            send(add(&shop, "ann", &format!("p{number}"), 1)).await.status,
            200
        );
    }
    let full = send(add(&shop, "ann", "p20", 1)).await;
    assert_eq!((full.status, full.problem().as_str()), (409, "cart-full"));
    assert_eq!(
        send(add(&shop, "ann", "p19", 1)).await.status,
        200,
        "what is in it may grow"
    );
}

#[tokio::test]
async fn what_a_session_has_gathered_is_the_members_after_signing_in() {
    let shop = TestShop::without_worker().await;
    with_products(&shop).await;
    let (_, ann) = shop.around.member("ann", Role::User).await;
    send(add(&shop, "monday", "a", 6).bearer_auth(&ann)).await;
    send(add(&shop, "tuesday", "a", 6)).await;
    send(add(&shop, "tuesday", "b", 2)).await;
    let signed_in = send(shop.by("tuesday", Method::GET, "/cart").bearer_auth(&ann)).await;
    assert_eq!(
        lines(&signed_in),
        of(&[("a", 10), ("b", 2)]),
        "as many as a cart takes"
    );
    assert_eq!(
        lines(&cart(&shop, "tuesday").await),
        [],
        "it was poured, not copied"
    );
    let elsewhere = send(shop.by("friday", Method::GET, "/cart").bearer_auth(&ann)).await;
    assert_eq!(lines(&elsewhere), of(&[("a", 10), ("b", 2)]), "on any device");
}

/// An order of these lines at a price that was seen.
fn order(shop: &TestShop, key: &str, lines: &[(&str, u32)], seen: i64) -> RequestBuilder {
    let line = |(product, quantity): &(&str, u32)| {
        let price = json!({ "minor": seen, "currency": "KRW" });
        json!({ "product_id": product, "quantity": quantity, "seen_price": price })
    };
    let lines: Vec<Value> = lines.iter().map(line).collect();
    shop.by("ann", Method::POST, "/orders")
        .header("Idempotency-Key", format!("\"{key}\""))
        .json(&json!({ "lines": lines, "from_cart": true }))
}

#[tokio::test]
async fn what_is_ordered_leaves_the_cart_once() {
    let shop = TestShop::open().await;
    with_products(&shop).await;
    for (product, quantity) in [("a", 2), ("b", 3), ("c", 1)] {
        send(add(&shop, "ann", product, quantity)).await;
    }
    let chosen = [("a", 2), ("b", 1)];
    let ordered = send(order(&shop, "k1", &chosen, 5_000).header("Prefer", "wait=20")).await;
    assert_eq!(ordered.status, 201, "{ordered:?}");
    assert_eq!(lines(&cart(&shop, "ann").await), of(&[("b", 2), ("c", 1)]));
    send(add(&shop, "ann", "a", 1)).await;
    let again = send(order(&shop, "k1", &chosen, 5_000).header("Prefer", "wait=20")).await;
    assert_eq!(again.order_id(), ordered.order_id());
    assert_eq!(
        lines(&cart(&shop, "ann").await),
        of(&[("b", 2), ("c", 1), ("a", 1)]),
        "the same order again takes nothing"
    );
    let refused = send(order(&shop, "k2", &[("c", 10)], 5_000).header("Prefer", "wait=20")).await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        lines(&cart(&shop, "ann").await).len(),
        3,
        "what was refused stays"
    );
}

#[tokio::test]
async fn a_price_that_has_changed_is_told_and_nothing_is_ordered() {
    let mut shop = TestShop::without_worker().await;
    with_products(&shop).await;
    send(add(&shop, "ann", "a", 1)).await;
    let changes = json!([{
        "product_id": "a",
        "seen": { "minor": 4_000, "currency": "KRW" },
        "now": { "minor": 5_000, "currency": "KRW" },
    }]);
    let answer = send(order(&shop, "k1", &[("a", 1)], 4_000)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "price-changed"));
    assert_eq!(answer.json()["changes"], changes);
    assert_eq!(lines(&cart(&shop, "ann").await), of(&[("a", 1)]));

    // The price changes while the order is on its way: the worker says so.
    let seen = order(&shop, "k2", &[("a", 1)], 5_000);
    let accepted = send(seen.try_clone().unwrap()).await;
    assert_eq!(accepted.status, 202);
    let cheaper = "UPDATE products SET price_minor = 3000, updated_at = clock_timestamp() WHERE id = 'a'";
    sqlx::query(cheaper)
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
    shop.worker = Some(shop.around.start_worker().await);
    let refused = send(seen.header("Prefer", "wait=20")).await;
    let decided = shop.order_becomes("ann", &accepted.order_id(), "refused").await;
    assert_eq!(decided["refusal"], "price_changed");
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "price-changed")
    );
    assert_eq!(shop.available("a").await, Some(9));
}
