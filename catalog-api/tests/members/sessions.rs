//! Sign-ins: renewed, copied, ended.

use crate::{
    people::{PASSWORD, Person, post, sign_in},
    support::{Answer, SOON, TestShop, send},
};
use reqwest::Method;
use serde_json::json;
use testbed::eventually;

async fn renew(shop: &TestShop, token: &str) -> Answer {
    post(
        shop,
        "/members/session/refresh",
        &json!({ "refresh_token": token }),
    )
    .await
}

/// Time passes between two uses of a refresh token: an answer that was lost is asked for again sooner.
async fn a_while_passes(shop: &TestShop) {
    sqlx::query("UPDATE sign_ins SET renewed_at = renewed_at - interval '1 minute'")
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refresh_token_is_used_up_and_a_copy_ends_the_sign_in() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let renewed = renew(&shop, &ann.refresh).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let second = renewed.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, ann.refresh);
    assert_eq!(
        renew(&shop, &ann.refresh).await.json()["refresh_token"],
        second,
        "an answer that was lost is given again"
    );
    a_while_passes(&shop).await;
    let third = renew(&shop, &second).await.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    a_while_passes(&shop).await;

    assert_eq!(
        renew(&shop, &ann.refresh).await.problem(),
        "refresh-refused",
        "a copy"
    );
    assert_eq!(
        renew(&shop, &third).await.problem(),
        "refresh-refused",
        "and so the sign-in is over"
    );
    let refused = async || ann.gets(&shop, "/members/me").await.status == 401;
    eventually(SOON, "its access tokens count no more", refused).await;
    assert_eq!(renew(&shop, "nonsense").await.problem(), "refresh-refused");
}

#[tokio::test]
async fn who_signs_out_is_out_here_or_everywhere() {
    let shop = TestShop::without_worker().await;
    let here = Person::signs_up(&shop, "ann").await;
    let there = Person::signs_in(&shop, &here.email, PASSWORD).await;
    let other = Person::signs_up(&shop, "bob").await;
    assert_eq!(
        send(here.asks(&shop, Method::DELETE, "/members/session"))
            .await
            .status,
        204
    );
    let is_out = async |person: &Person| person.gets(&shop, "/members/me").await.status == 401;
    eventually(SOON, "out here", async || is_out(&here).await).await;
    assert_eq!(renew(&shop, &here.refresh).await.status, 401);
    assert_eq!(there.gets(&shop, "/members/me").await.status, 200, "only here");

    assert_eq!(
        send(there.asks(&shop, Method::DELETE, "/members/sessions"))
            .await
            .status,
        204
    );
    eventually(SOON, "out everywhere", async || is_out(&there).await).await;
    let again = Person::signs_in(&shop, &here.email, PASSWORD).await;
    assert_eq!(
        again.gets(&shop, "/members/me").await.status,
        200,
        "a later sign-in counts, at once"
    );
    assert_eq!(other.gets(&shop, "/members/me").await.status, 200);
}

#[tokio::test]
async fn the_eleventh_sign_in_ends_the_one_that_was_used_least_lately() {
    let shop = TestShop::without_worker().await;
    let first = Person::signs_up(&shop, "ann").await;
    let second = Person::signs_in(&shop, &first.email, PASSWORD).await;
    a_while_passes(&shop).await;
    assert_eq!(renew(&shop, &first.refresh).await.status, 200);
    for _ in 0..9 {
        Person::signs_in(&shop, &first.email, PASSWORD).await;
    }
    assert_eq!(
        shop.count("SELECT count(*) FROM sign_ins WHERE ended_at IS NULL")
            .await,
        10
    );
    assert_eq!(renew(&shop, &second.refresh).await.status, 401);
}

#[tokio::test]
async fn a_page_gets_cookies_that_scripts_cannot_read() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let body = json!({ "email": ann.email, "password": PASSWORD, "cookies": true });
    let answer = post(&shop, "/members/session", &body).await;
    assert!(answer.json().get("access_token").is_none() && answer.json().get("refresh_token").is_none());
    let cookies: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    assert_eq!(cookies.len(), 3);
    for (cookie, name, path, same_site) in [
        (cookies[0], "member-access=", "Path=/;", "SameSite=Lax"),
        (
            cookies[1],
            "member-refresh=",
            "Path=/members/session;",
            "SameSite=Strict",
        ),
        (
            cookies[2],
            "member-device=",
            "Path=/members/session;",
            "SameSite=Strict",
        ),
    ] {
        assert!(
            cookie.starts_with(name) && cookie.contains(path) && cookie.contains(same_site),
            "{cookie}"
        );
        assert!(cookie.contains("HttpOnly"), "{cookie}");
    }
    let pair = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    let refresh = |origin: Option<&str>| {
        let request = shop
            .request(Method::POST, "/members/session/refresh")
            .header("Cookie", pair(cookies[1]))
            .json(&json!({}));
        origin
            .iter()
            .fold(request, |request, origin| request.header("Origin", *origin))
    };
    assert_eq!(send(refresh(None)).await.problem(), "foreign-origin");
    assert_eq!(
        send(refresh(Some("http://evil.example"))).await.problem(),
        "foreign-origin"
    );
    let renewed = send(refresh(Some("http://shop.example"))).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let me = shop
        .request(Method::GET, "/members/me")
        .header("Cookie", pair(cookies[0]));
    assert_eq!(send(me).await.status, 200);
}

#[tokio::test]
async fn an_admin_gives_roles_and_the_first_one_is_made_by_the_command() {
    let shop = TestShop::without_worker().await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    let path = format!("/members/{}/role", bob.id);
    let operator = json!({ "role": "operator" });
    assert_eq!(
        ann.sends(&shop, Method::PUT, &path, &operator).await.problem(),
        "role-missing"
    );
    assert_eq!(
        send(shop.request(Method::PUT, &path).json(&operator))
            .await
            .problem(),
        "sign-in-needed"
    );

    let promoted = shop
        .command(&["member", "promote", "--email", "ann@x.example"])
        .await;
    assert!(promoted.status.success(), "{promoted:?}");
    let nobody = shop
        .command(&["member", "promote", "--email", "nobody@x.example"])
        .await;
    assert!(!nobody.status.success());
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("sign up first"),
        "{nobody:?}"
    );

    let old_tokens_are_over = async || ann.gets(&shop, "/members/me").await.status == 401;
    eventually(
        SOON,
        "a token with the old role counts no more",
        old_tokens_are_over,
    )
    .await;
    let ann = Person::signs_in(&shop, &ann.email, PASSWORD).await;
    assert_eq!(ann.sends(&shop, Method::PUT, &path, &operator).await.status, 204);
    assert_eq!(
        ann.sends(&shop, Method::PUT, "/members/none/role", &operator)
            .await
            .status,
        404
    );
    let answer = sign_in(&shop, &bob.email, PASSWORD).await.json();
    assert_eq!(answer["member"]["role"], "operator");
}
