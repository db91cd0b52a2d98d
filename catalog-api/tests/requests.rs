//! Bad input for every route: always a problem document, never a framework's own words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use reqwest::Method;
use support::{TestShop, lines, send};

const NO_ORDER: &str = "/orders/00000000-0000-8000-8000-000000000000";

#[tokio::test]
async fn an_order_needs_exactly_one_genuine_pass_that_is_not_over() {
    let shop = TestShop::without_worker().await;
    let (good, over) = (shop.around.pass("ann"), shop.around.pass_until("ann", 1_000));
    let forged = format!("{}x", &good[..good.len() - 1]);
    for passes in [&[][..], &["x.y.z"], &[""], &[&over], &[&forged], &[&good, &good]] {
        let request = shop.request(Method::POST, "/orders").json(&lines("sneaker", 1));
        let request = passes.iter().fold(request, |request, pass| {
            request.header("Waiting-Room-Pass", *pass)
        });
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "pass-required"),
            "{passes:?}"
        );
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[tokio::test]
async fn an_order_needs_exactly_one_well_formed_key() {
    let shop = TestShop::without_worker().await;
    for keys in [
        &[][..],
        &["bare"],
        &["\"\""],
        &["\"open"],
        &["\"a\", \"b\""],
        &["\"a\"", "\"b\""],
    ] {
        let request = shop.by("ann", Method::POST, "/orders").json(&lines("sneaker", 1));
        let request = keys
            .iter()
            .fold(request, |request, key| request.header("Idempotency-Key", *key));
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "idempotency-key"),
            "{keys:?}"
        );
    }
}

#[tokio::test]
async fn the_body_of_an_order_is_checked_to_its_last_field() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let json_type = "application/json; charset=utf-8";
    let huge = " ".repeat(20_000);
    for (content_type, body, status, problem) in [
        (
            "text/plain",
            r#"{"lines":[{"product_id":"sneaker","quantity":1}]}"#,
            415,
            "unsupported-media-type",
        ),
        (
            "",
            r#"{"lines":[{"product_id":"sneaker","quantity":1}]}"#,
            415,
            "unsupported-media-type",
        ),
        (json_type, huge.as_str(), 413, "too-large"),
        (json_type, "", 400, "malformed"),
        (json_type, "{", 400, "malformed"),
        (json_type, "{}", 422, "invalid-order"),
        (json_type, r#"{"lines":[],"total":0}"#, 422, "invalid-order"),
        (json_type, r#"{"lines":[]}"#, 422, "invalid-order"),
        (
            json_type,
            r#"{"lines":[{"product_id":"sneaker","quantity":0}]}"#,
            422,
            "invalid-order",
        ),
        (
            json_type,
            r#"{"lines":[{"product_id":"sneaker","quantity":11}]}"#,
            422,
            "invalid-order",
        ),
        (
            json_type,
            r#"{"lines":[{"product_id":"No Such","quantity":1}]}"#,
            422,
            "invalid-order",
        ),
        (
            json_type,
            r#"{"lines":[{"product_id":"no-such","quantity":1}]}"#,
            422,
            "unknown-product",
        ),
    ] {
        let request = shop
            .by("ann", Method::POST, "/orders")
            .header("Idempotency-Key", "\"k\"");
        let answer = send(request.header("Content-Type", content_type).body(body.to_owned())).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{content_type} {body:.80}"
        );
    }
    let mistakes = send(shop.order("ann", "k", "No Such", 0)).await.json();
    assert_eq!(mistakes["errors"].as_array().unwrap().len(), 2, "{mistakes}");
}

#[tokio::test]
async fn every_address_answers_what_it_does_not_take_with_a_problem() {
    let shop = TestShop::without_worker().await;
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    for (method, path, status, problem) in [
        (&get, "/nothing", 404, "not-found"),
        (&get, "/assets/none.js", 404, "not-found"),
        (&get, "/products/none", 404, "unknown-product"),
        (&get, "/products/No%20Such%00", 404, "unknown-product"),
        (&get, "/products/%ff", 404, "not-found"),
        (&post, "/products/none", 405, "method-not-allowed"),
        (&delete, "/products", 405, "method-not-allowed"),
        (&delete, "/orders", 405, "method-not-allowed"),
        (&get, NO_ORDER, 401, "pass-required"),
        (&delete, NO_ORDER, 405, "method-not-allowed"),
        (&get, "/webhooks/payments", 405, "method-not-allowed"),
        (&post, "/webhooks/payments", 415, "unsupported-media-type"),
        (&post, "/livez", 405, "method-not-allowed"),
    ] {
        let answer = send(shop.request(method.clone(), path)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found_by_any_route() {
    let shop = TestShop::without_worker().await;
    for (method, path) in [
        (Method::GET, NO_ORDER.to_owned()),
        (Method::GET, "/orders/not-a-uuid".to_owned()),
        (Method::GET, "/orders/%ff".to_owned()),
        (Method::POST, format!("{NO_ORDER}/pay")),
        (Method::POST, format!("{NO_ORDER}/cancel")),
        (Method::POST, "/orders/not-a-uuid/cancel".to_owned()),
    ] {
        let answer = send(shop.by("ann", method.clone(), &path).header("Prefer", "wait=5")).await;
        let problem = answer.problem();
        assert!(
            answer.status == 404 && ["unknown-order", "not-found"].contains(&problem.as_str()),
            "{path}"
        );
        let nobody = send(shop.request(method, &path)).await;
        assert!([401, 404].contains(&nobody.status), "{path}");
    }
}

#[tokio::test]
async fn it_says_whether_it_can_serve_and_finishes_what_it_began_when_it_is_told_to_stop() {
    let mut shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let waiting = tokio::spawn(send(
        shop.order("ann", "k", "sneaker", 1).header("Prefer", "wait=3"),
    ));
    let accepted = async || shop.around.commands_waiting().await == 1;
    testbed::eventually(support::SOON, "the order is accepted and waits", accepted).await;
    assert_eq!(
        shop.get("/metrics").await.status,
        404,
        "shoppers have no business with it"
    );
    let metrics = testbed::http_get(shop.around.metrics, "/metrics").await.unwrap();
    assert!(metrics.1.contains("http_request_seconds"), "{metrics:?}");
    assert!(shop.process.terminate().await, "it stops well");
    assert_eq!(
        waiting.await.unwrap().status,
        202,
        "the waiting shopper was answered"
    );

    let mut shop = TestShop::without_worker().await;
    shop.around.amqp.cut();
    let ready = async || shop.get("/readyz").await.status == 503;
    testbed::eventually(support::SOON, "it is not ready without RabbitMQ", ready).await;
    assert_eq!(shop.get("/readyz").await.json()["broker"], false);
    assert_eq!(shop.get("/livez").await.status, 200);
    shop.process.kill_9();
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
    for (arguments, lines) in [(&[][..], 10), (&["migrate"], 1), (&["seed-demo"], 1)] {
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
