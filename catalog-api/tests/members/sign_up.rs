//! Signing up.

use crate::{
    people::{PASSWORD, Person, another, code_for, mail_about, nth_code_for, post, sign_in, sign_up},
    support::TestShop,
};
use serde_json::json;

#[tokio::test]
async fn an_account_is_there_once_the_code_has_come_back() {
    let shop = TestShop::without_worker().await;
    let begun = post(&shop, "/members", &sign_up("Ann@X.example")).await;
    assert_eq!(
        (begun.status, begun.json()["code_valid_seconds"].as_u64()),
        (202, Some(1800))
    );
    assert_eq!(
        sign_in(&shop, "ann@x.example", PASSWORD).await.problem(),
        "credentials-refused"
    );
    assert_eq!(
        shop.count("SELECT count(*) FROM members").await,
        0,
        "pending until verified"
    );

    let code = code_for(&shop, "ann@x.example").await;
    let tries = |code: &str| json!({ "sign_up": begun.json()["sign_up"], "code": code });
    assert_eq!(
        post(&shop, "/members/verify", &tries(&another(&code)))
            .await
            .problem(),
        "code-refused"
    );
    let verified = post(&shop, "/members/verify", &tries(&code)).await;
    assert_eq!(
        (verified.status, verified.header("cache-control")),
        (201, Some("no-store")),
        "{verified:?}"
    );
    assert_eq!(
        post(&shop, "/members/verify", &tries(&code)).await.problem(),
        "code-refused",
        "once"
    );

    let profile = Person::of("", &verified).gets(&shop, "/members/me").await.json();
    assert_eq!(
        (&profile["email"], &profile["name"], &profile["role"]),
        (&json!("ann@x.example"), &json!("Somebody"), &json!("user"))
    );
    Person::signs_in(&shop, "ANN@x.example", PASSWORD).await;
}

#[tokio::test]
async fn five_wrong_codes_end_it_and_another_code_comes_after_a_minute() {
    let shop = TestShop::without_worker().await;
    let begun = post(&shop, "/members", &sign_up("ann@x.example")).await.json();
    let code = code_for(&shop, "ann@x.example").await;
    let tries = |code: &str| json!({ "sign_up": begun["sign_up"], "code": code });
    for _ in 0..5 {
        assert_eq!(
            post(&shop, "/members/verify", &tries(&another(&code)))
                .await
                .problem(),
            "code-refused"
        );
    }
    assert_eq!(
        post(&shop, "/members/verify", &tries(&code)).await.problem(),
        "code-refused",
        "too late"
    );

    let resend = json!({ "sign_up": begun["sign_up"] });
    let too_soon = post(&shop, "/members/resend", &resend).await;
    assert_eq!(
        (too_soon.status, too_soon.problem().as_str()),
        (429, "too-many-tries")
    );
    assert!(too_soon.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    for sent in 2..=4 {
        a_minute_passes(&shop).await;
        assert_eq!(post(&shop, "/members/resend", &resend).await.status, 202);
        nth_code_for(&shop, "ann@x.example", sent).await;
    }
    a_minute_passes(&shop).await;
    assert_eq!(
        post(&shop, "/members/resend", &resend).await.problem(),
        "no-more-codes"
    );
    let newest = nth_code_for(&shop, "ann@x.example", 4).await;
    assert_eq!(post(&shop, "/members/verify", &tries(&newest)).await.status, 201);
}

#[tokio::test]
async fn a_code_is_over_after_half_an_hour() {
    let shop = TestShop::without_worker().await;
    let begun = post(&shop, "/members", &sign_up("ann@x.example")).await.json();
    let code = code_for(&shop, "ann@x.example").await;
    execute(&shop, "UPDATE member_codes SET expires_at = now()").await;
    let tries = json!({ "sign_up": begun["sign_up"], "code": code });
    assert_eq!(
        post(&shop, "/members/verify", &tries).await.problem(),
        "code-refused"
    );
}

#[tokio::test]
async fn whoever_asks_cannot_tell_who_has_an_account() {
    let shop = TestShop::without_worker().await;
    Person::signs_up(&shop, "ann").await;
    let (known, unknown) = (
        post(&shop, "/members", &sign_up("ann@x.example")).await,
        post(&shop, "/members", &sign_up("bob@x.example")).await,
    );
    mail_about(&shop, "ann@x.example", "already have an account").await;
    let code = code_for(&shop, "bob@x.example").await;
    let shape = |answer: &crate::support::Answer| {
        let fields: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        (
            answer.status,
            answer.header("content-length").map(str::to_owned),
            fields,
        )
    };
    assert_eq!(shape(&known), shape(&unknown));
    for begun in [&known, &unknown] {
        let tries = json!({ "sign_up": begun.json()["sign_up"], "code": another(&code) });
        let resend = json!({ "sign_up": begun.json()["sign_up"] });
        assert_eq!(
            post(&shop, "/members/verify", &tries).await.problem(),
            "code-refused"
        );
        assert_eq!(post(&shop, "/members/resend", &resend).await.status, 429);
    }
    let nobodys = json!({ "sign_up": "00000000-0000-4000-8000-000000000000", "code": "123456" });
    assert_eq!(
        post(&shop, "/members/verify", &nobodys).await.problem(),
        "code-refused"
    );

    for email in ["ann@x.example", "nobody-at-all@x.example"] {
        let forgotten = post(&shop, "/members/password/forgotten", &json!({ "email": email })).await;
        assert_eq!(forgotten.status, 202, "{email}");
        assert!(forgotten.json()["reset"].is_string());
        assert_eq!(
            sign_in(&shop, email, "a wrong password").await.problem(),
            "credentials-refused"
        );
    }
}

#[tokio::test]
async fn of_two_who_prove_one_address_one_gets_the_account() {
    let shop = TestShop::without_worker().await;
    let one = post(&shop, "/members", &sign_up("ann@x.example")).await.json();
    let first = code_for(&shop, "ann@x.example").await;
    let two = post(&shop, "/members", &sign_up("ann@x.example")).await.json();
    let second = nth_code_for(&shop, "ann@x.example", 2).await;
    let tries = |begun: &serde_json::Value, code: &str| json!({ "sign_up": begun["sign_up"], "code": code });
    let (a, b) = (tries(&one, &first), tries(&two, &second));
    let (a, b) = tokio::join!(
        post(&shop, "/members/verify", &a),
        post(&shop, "/members/verify", &b)
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
}

#[tokio::test]
async fn a_number_finds_who_gave_it_first_and_nobody_is_told_but_the_owner() {
    let shop = TestShop::without_worker().await;
    let mut numbers = Vec::new();
    for name in ["ann", "bob"] {
        let person = Person::signs_up(&shop, name).await;
        let phone = json!({ "phone": "+82 10-1234-5678" });
        let changed = person
            .sends(&shop, reqwest::Method::PATCH, "/members/me", &phone)
            .await;
        numbers.push(changed.json()["phone"].clone());
    }
    assert_eq!(
        numbers,
        ["+821012345678", "+821012345678"],
        "both see what they gave"
    );
    assert_eq!(
        shop.count("SELECT count(*) FROM members WHERE phone_index IS NOT NULL")
            .await,
        1
    );
    mail_about(&shop, "ann@x.example", "telephone number").await;
}

#[tokio::test]
async fn fields_and_passwords_are_checked() {
    let shop = TestShop::without_worker().await;
    for (body, problem) in [
        (
            json!({ "email": "ann", "password": PASSWORD, "name": "" }),
            "invalid-fields",
        ),
        (
            json!({ "email": "ann@x.example", "password": PASSWORD }),
            "invalid-fields",
        ),
        (
            json!({ "email": "ann@x.example", "password": PASSWORD, "name": "Ann", "role": "admin" }),
            "invalid-fields",
        ),
        (
            json!({ "email": "ann@x.example", "password": "short", "name": "Ann" }),
            "weak-password",
        ),
        (
            json!({ "email": "ann@x.example", "password": "password12345", "name": "Ann" }),
            "weak-password",
        ),
        (
            json!({ "email": "kimberly@x.example", "password": "kimberly drinks", "name": "K" }),
            "weak-password",
        ),
    ] {
        let refused = post(&shop, "/members", &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, problem),
            "{body}"
        );
    }
    let listed = post(
        &shop,
        "/members",
        &json!({ "email": "ann", "password": PASSWORD, "name": "" }),
    )
    .await
    .json();
    let pointers: Vec<_> = listed["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/email", "/name"]);
}

async fn a_minute_passes(shop: &TestShop) {
    execute(
        shop,
        "UPDATE member_codes SET sent_at = sent_at - interval '61 seconds'",
    )
    .await;
}

async fn execute(shop: &TestShop, statement: &'static str) {
    sqlx::query(statement)
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
}
