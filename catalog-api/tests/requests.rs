//! Bad input for every route: always a problem document, never a framework's own words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use reqwest::Method;
use serde_json::json;
use support::{TestShop, send};

const NO_ORDER: &str = "/orders/00000000-0000-8000-8000-000000000000";

#[tokio::test]
async fn an_order_request_is_checked_from_pass_to_lines() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let (get, post) = (Method::GET, Method::POST);
    let line =
        |product: &str, quantity: i64| json!({ "lines": [{ "product_id": product, "quantity": quantity }] });
    let order = |body: serde_json::Value| {
        shop.by("ann", Method::POST, "/orders")
            .header("Idempotency-Key", "\"k\"")
            .json(&body)
    };
    let good = line("sneaker", 1);
    for (request, status, problem) in [
        (
            shop.request(post.clone(), "/orders").json(&good),
            401,
            "pass-required",
        ),
        (
            shop.request(post.clone(), "/orders")
                .header("Waiting-Room-Pass", "x.y.z")
                .json(&good),
            401,
            "pass-required",
        ),
        (
            shop.request(post.clone(), "/orders")
                .header("Waiting-Room-Pass", shop.around.pass_until("ann", 1_000)),
            401,
            "pass-required",
        ),
        (
            order(good.clone()).header("Waiting-Room-Pass", "another"),
            401,
            "pass-required",
        ),
        (
            shop.by("ann", post.clone(), "/orders").json(&good),
            400,
            "idempotency-key",
        ),
        (
            shop.by("ann", post.clone(), "/orders")
                .header("Idempotency-Key", "bare")
                .json(&good),
            400,
            "idempotency-key",
        ),
        (
            shop.by("ann", post.clone(), "/orders")
                .header("Idempotency-Key", "\"\"")
                .json(&good),
            400,
            "idempotency-key",
        ),
        (
            order(good.clone()).header("Idempotency-Key", "\"again\""),
            400,
            "idempotency-key",
        ),
        (
            shop.by("ann", post.clone(), "/orders")
                .header("Content-Type", "text/plain")
                .body(good.to_string()),
            415,
            "unsupported-media-type",
        ),
        (
            shop.by("ann", post.clone(), "/orders")
                .header("Idempotency-Key", "\"k\"")
                .body("{}"),
            415,
            "unsupported-media-type",
        ),
        (order(json!({})).body("{"), 400, "malformed"),
        (order(json!({})).body(vec![b' '; 20_000]), 413, "too-large"),
        (order(json!({})), 422, "invalid-order"),
        (order(json!({ "lines": [], "total": 0 })), 422, "invalid-order"),
        (order(line("sneaker", 0)), 422, "invalid-order"),
        (order(line("sneaker", 11)), 422, "invalid-order"),
        (order(line("No Such", 1)), 422, "invalid-order"),
        (order(line("no-such", 1)), 422, "unknown-product"),
        (shop.by("ann", get.clone(), "/orders"), 405, "method-not-allowed"),
    ] {
        let shown = format!("{request:?}");
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{shown}"
        );
    }
    let mistakes = send(order(line("No Such", 0))).await.json();
    assert_eq!(mistakes["errors"].as_array().unwrap().len(), 2, "{mistakes}");
}

#[tokio::test]
async fn every_other_route_answers_bad_input_with_a_problem() {
    let shop = TestShop::without_worker().await;
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    for (request, status, problem) in [
        (shop.request(get.clone(), "/nothing"), 404, "not-found"),
        (shop.request(get.clone(), "/assets/none.js"), 404, "not-found"),
        (
            shop.request(get.clone(), "/products/none"),
            404,
            "unknown-product",
        ),
        (
            shop.request(get.clone(), "/products/No%20Such%00"),
            404,
            "unknown-product",
        ),
        (shop.request(get.clone(), "/products/%ff"), 404, "not-found"),
        (
            shop.request(post.clone(), "/products/none"),
            405,
            "method-not-allowed",
        ),
        (
            shop.request(delete.clone(), "/products"),
            405,
            "method-not-allowed",
        ),
        (shop.request(get.clone(), NO_ORDER), 401, "pass-required"),
        (shop.by("ann", get.clone(), NO_ORDER), 404, "unknown-order"),
        (
            shop.by("ann", get.clone(), "/orders/not-a-uuid"),
            404,
            "unknown-order",
        ),
        (
            shop.by("ann", post.clone(), &format!("{NO_ORDER}/pay")),
            404,
            "unknown-order",
        ),
        (
            shop.request(post.clone(), &format!("{NO_ORDER}/pay")),
            401,
            "pass-required",
        ),
        (
            shop.by("ann", post.clone(), &format!("{NO_ORDER}/cancel")),
            404,
            "unknown-order",
        ),
        (
            shop.by("ann", post.clone(), &format!("{NO_ORDER}/cancel"))
                .header("Prefer", "wait=5"),
            404,
            "unknown-order",
        ),
        (
            shop.request(post.clone(), "/webhooks/payments"),
            415,
            "unsupported-media-type",
        ),
        (
            shop.request(post.clone(), "/webhooks/payments").json(&json!({})),
            400,
            "webhook-signature",
        ),
        (
            shop.request(get.clone(), "/webhooks/payments"),
            405,
            "method-not-allowed",
        ),
    ] {
        let shown = format!("{request:?}");
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{shown}"
        );
        assert_eq!(answer.header("allow").is_some(), status == 405, "{shown}");
    }
}

#[tokio::test]
async fn pages_are_for_browsers_and_escape_what_they_show() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let pool = shop.around.database.pool().await;
    let rename = "UPDATE products SET name = '<script>alert(1)</script>', updated_at = now()";
    sqlx::query(rename).execute(&pool).await.unwrap();
    testbed::eventually(support::SOON, "the new name is shown", async || {
        shop.get("/products/sneaker").await.text.contains("alert")
    })
    .await;
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for (path, status) in [
        ("/", 200),
        ("/products/sneaker", 200),
        ("/products/none", 404),
        (NO_ORDER, 401),
    ] {
        let page = send(shop.request(Method::GET, path).header("Accept", browser)).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("script-src 'self';"),
            "{path}"
        );
        assert!(!page.text.contains("<script>"), "{path} shows markup of a name");
        assert!(!page.text.contains("{{"), "{path} has an empty place");
    }
    for asset in ["shop.css", "shop.js", "product.js", "order.js"] {
        assert_eq!(shop.get(&format!("/assets/{asset}")).await.status, 200, "{asset}");
    }
}

#[tokio::test]
async fn mistakes_in_the_settings_end_with_64_and_are_told_at_once() {
    for (arguments, lines) in [(&[][..], 5), (&["migrate"], 1), (&["seed-demo"], 1)] {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_catalog-api"));
        program
            .args(arguments)
            .env_clear()
            .env("PAYMENTS_WEBHOOK_SECRET", support::SECRET);
        let output = program.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).lines().count();
        assert_eq!((output.status.code(), told), (Some(64), lines), "{output:?}");
    }
    let unknown = std::process::Command::new(env!("CARGO_BIN_EXE_catalog-api"))
        .arg("dance")
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(64));
}
