//! Who is signed in, and what follows from it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::{MemberId, Role};
use reqwest::{Method, RequestBuilder};
use support::{Answer, SOON, TestShop, lines, send};
use testbed::eventually;

const NO_ORDER: &str = "/orders/00000000-0000-8000-8000-000000000000";

/// An order of somebody who was let in.
fn orders(shop: &TestShop, session: &str) -> RequestBuilder {
    shop.order(session, "k", "sneaker", 1).header("Prefer", "wait=20")
}

async fn look(shop: &TestShop, session: &str, token: Option<&str>, order: &str) -> Answer {
    let request = shop.by(session, Method::GET, &format!("/orders/{order}"));
    send(
        token
            .iter()
            .fold(request, |request, token| request.bearer_auth(token)),
    )
    .await
}

#[tokio::test]
async fn an_order_belongs_to_the_member_whatever_the_pass_and_to_nobody_else() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let (_, ann) = shop.around.member("ann", Role::User).await;
    let (_, bob) = shop.around.member("bob", Role::User).await;
    let order = send(orders(&shop, "monday").bearer_auth(&ann)).await.order_id();
    let again = send(orders(&shop, "tuesday").bearer_auth(&ann)).await.order_id();
    assert_eq!(order, again, "the same key of the same member, with another pass");
    assert_eq!(look(&shop, "tuesday", Some(&ann), &order).await.status, 200);
    for (session, token) in [
        ("monday", None),
        ("monday", Some(bob.as_str())),
        ("tuesday", None),
    ] {
        assert_eq!(
            look(&shop, session, token, &order).await.status,
            404,
            "{session} {token:?}"
        );
    }
    let before = send(orders(&shop, "monday")).await.order_id();
    assert_ne!(before, order);
    assert_eq!(
        look(&shop, "monday", Some(&ann), &before).await.status,
        200,
        "what was ordered before signing in is not lost"
    );
}

#[tokio::test]
async fn a_token_must_be_the_only_one_and_genuine() {
    let shop = TestShop::without_worker().await;
    let ann = MemberId::new(1, [1; 10]);
    let (good, over) = (
        shop.around.token(ann, Role::User, u64::MAX / 1_000_000),
        shop.around.token(ann, Role::User, 1_000),
    );
    let forged = format!("{}x", &good[..good.len() - 1]);
    for tokens in [
        &["x.y.z"][..],
        &[&over],
        &[&forged],
        &[&good, &good],
        &[&shop.around.pass("ann")],
    ] {
        let request = shop.by("ann", Method::GET, NO_ORDER);
        let request = tokens.iter().fold(request, |request, token| {
            request.header("Authorization", format!("Bearer {token}"))
        });
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "token-refused"),
            "{tokens:?}"
        );
    }
    let good = shop.by("ann", Method::GET, NO_ORDER).bearer_auth(&good);
    assert_eq!(send(good).await.problem(), "unknown-order");
}

#[tokio::test]
async fn a_cookie_counts_for_requests_of_our_own_pages_only() {
    let shop = TestShop::without_worker().await;
    let (_, ann) = shop.around.member("ann", Role::User).await;
    let cancel = |origin: Option<&str>| {
        let request = shop
            .by("ann", Method::POST, &format!("{NO_ORDER}/cancel"))
            .header("Cookie", format!("member-access={ann}"));
        origin
            .iter()
            .fold(request, |request, origin| request.header("Origin", *origin))
    };
    for (origin, problem) in [
        (Some("http://shop.example"), "unknown-order"),
        (Some("http://evil.example"), "foreign-origin"),
        (Some("null"), "foreign-origin"),
        (None, "foreign-origin"),
    ] {
        assert_eq!(send(cancel(origin)).await.problem(), problem, "{origin:?}");
    }
    let without_cookie = shop
        .by("ann", Method::POST, "/orders")
        .header("Origin", "http://evil.example")
        .json(&lines("sneaker", 1));
    assert_eq!(
        send(without_cookie).await.problem(),
        "foreign-origin",
        "the pass is a cookie, too"
    );
}

#[tokio::test]
async fn a_sign_in_that_has_ended_is_told_to_edges_and_refused_here() {
    let shop = TestShop::without_worker().await;
    let (_, ann) = shop.around.member("ann", Role::User).await;
    let claims = ann.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let list = |query: &str| {
        let address = format!("http://{}/revocations{query}", shop.around.metrics);
        send(shop.http.get(address))
    };
    let nothing = list("").await.json();
    assert_eq!(nothing["revoked"], serde_json::json!([]));
    sqlx::query(
        "INSERT INTO revocations (sign_in_id, until) VALUES ($1::uuid, now() + interval '15 minutes')",
    )
    .bind(claims["sid"].as_str().unwrap())
    .execute(&shop.around.database.pool().await)
    .await
    .unwrap();
    let since = format!("?since={}", nothing["next"].as_str().unwrap());
    for query in ["", &since] {
        assert_eq!(
            list(query).await.json()["revoked"][0]["sid"],
            claims["sid"],
            "{query}"
        );
    }
    assert_eq!(list("?since=1000").await.status, 410);
    assert_eq!(list("?since=soon").await.status, 410);
    let looks = || shop.by("ann", Method::GET, NO_ORDER).bearer_auth(&ann);
    let refused = async || send(looks()).await.status == 401;
    eventually(SOON, "the token is refused", refused).await;
    let published = shop.get("/members/jwks.json").await.json();
    assert_eq!(published["keys"][0]["crv"], "Ed25519");
}
