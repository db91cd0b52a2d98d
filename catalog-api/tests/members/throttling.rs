//! Guessing, and not being locked out by it.

use crate::{
    people::{PASSWORD, Person, code_for, mail_about, post},
    support::{Answer, EDGE_SECRET, TestShop, send},
};
use reqwest::Method;
use serde_json::json;

/// A try that the edge forwards for somebody at this address.
async fn tries(shop: &TestShop, from: &str, email: &str, password: &str, device: Option<&str>) -> Answer {
    let request = shop
        .request(Method::POST, "/members/session")
        .header("Waiting-Room-Edge-Secret", EDGE_SECRET)
        .header("X-Forwarded-For", from)
        .json(&json!({ "email": email, "password": password, "device_token": device }));
    send(request).await
}

#[tokio::test]
async fn who_guesses_waits_longer_and_longer_and_the_owner_does_not() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    for (email, from) in [
        (ann.email.as_str(), "203.0.113.9"),
        ("nobody-here@x.example", "203.0.113.10"),
    ] {
        for _ in 0..6 {
            assert_eq!(
                tries(&shop, from, email, "a wrong password", None)
                    .await
                    .problem(),
                "credentials-refused"
            );
        }
        // Pauses of minutes instead of seconds, so that a slow machine does not sit them out.
        sqlx::query("UPDATE tallies SET failures = failures + 8 WHERE failures > 5")
            .execute(&shop.around.database.pool().await)
            .await
            .unwrap();
        let slowed = tries(&shop, from, email, PASSWORD, None).await;
        assert_eq!(
            (slowed.status, slowed.problem().as_str()),
            (429, "too-many-tries"),
            "{email}"
        );
        assert!(slowed.header("retry-after").is_some());
    }
    assert_eq!(
        tries(&shop, "198.51.100.1", &ann.email, PASSWORD, None)
            .await
            .status,
        200,
        "from elsewhere"
    );
    let known = tries(&shop, "203.0.113.9", &ann.email, PASSWORD, Some(&ann.device)).await;
    assert_eq!(known.status, 200, "on a known device, even from the same address");
    let forged = tries(&shop, "203.0.113.9", &ann.email, PASSWORD, Some("AAAA")).await;
    assert_eq!(forged.status, 429);
}

#[tokio::test]
async fn guesses_from_everywhere_ask_the_owner_for_a_code_and_tell_nobody_whether_the_password_was_right() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    for guess in 0..31 {
        tries(
            &shop,
            &format!("203.0.113.{guess}"),
            &ann.email,
            "a wrong password",
            None,
        )
        .await;
    }
    let wrong = tries(&shop, "198.51.100.1", &ann.email, "a wrong password", None).await;
    let right = tries(&shop, "198.51.100.1", &ann.email, PASSWORD, None).await;
    for answer in [&wrong, &right] {
        assert_eq!((answer.status, answer.problem().as_str()), (401, "code-needed"));
    }
    mail_about(&shop, &ann.email, "to sign in").await;
    let code = code_for(&shop, &ann.email).await;
    let with_code = |answer: &Answer| json!({ "sign_in": answer.json()["sign_in"], "code": code });
    assert_eq!(
        post(&shop, "/members/session/code", &with_code(&wrong))
            .await
            .problem(),
        "code-refused"
    );
    assert_eq!(
        post(&shop, "/members/session/code", &with_code(&right))
            .await
            .status,
        200
    );
    let known = tries(&shop, "198.51.100.2", &ann.email, PASSWORD, Some(&ann.device)).await;
    assert_eq!(known.status, 200, "a known device needs no code");
}

#[tokio::test]
async fn tries_at_once_are_counted_too() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let guess = || tries(&shop, "203.0.113.9", &ann.email, "a wrong password", None);
    let answers = futures::future::join_all((0..20).map(|_| guess())).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 6, "five are free, and the sixth begins the pauses");
}

#[tokio::test]
async fn what_a_stranger_says_about_the_address_counts_for_nothing() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let stranger = async |from: &str| {
        let request = shop
            .request(Method::POST, "/members/session")
            .header("X-Forwarded-For", from)
            .json(&json!({ "email": ann.email, "password": "a wrong password" }));
        send(request).await.status
    };
    let mut statuses = Vec::new();
    for guess in 0..7 {
        statuses.push(stranger(&format!("203.0.113.{guess}")).await);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn one_address_is_written_to_a_few_times() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    for _ in 0..12 {
        let forgotten = post(
            &shop,
            "/members/password/forgotten",
            &json!({ "email": ann.email }),
        )
        .await;
        assert_eq!(forgotten.status, 202, "the answer does not change");
    }
    let mails = shop
        .count("SELECT count(*) FROM mails WHERE template = 'password-code'")
        .await;
    assert!((1..=6).contains(&mails), "{mails} mails");
}
