//! New passwords, and old hashes.

use crate::{
    people::{PASSWORD, Person, code_for, mail_about, post, sign_in},
    support::{SOON, TestShop},
};
use reqwest::Method;
use serde_json::json;
use testbed::eventually;

const NEW: &str = "a better one than before";

#[tokio::test]
async fn who_has_forgotten_the_password_sets_a_new_one_by_a_code() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let forgotten = post(
        &shop,
        "/members/password/forgotten",
        &json!({ "email": ann.email }),
    )
    .await
    .json();
    mail_about(&shop, &ann.email, "new password").await;
    let code = code_for(&shop, &ann.email).await;
    let reset = |password: &str| json!({ "reset": forgotten["reset"], "code": code, "password": password });
    let weak = post(&shop, "/members/password/reset", &reset("ann@x.example!")).await;
    assert_eq!(weak.status, 422, "{weak:?}");
    let done = post(&shop, "/members/password/reset", &reset(NEW)).await;
    assert_eq!(done.status, 200, "a weak one does not use the code up: {done:?}");
    assert_eq!(
        post(&shop, "/members/password/reset", &reset(NEW))
            .await
            .problem(),
        "code-refused"
    );
    assert_eq!(
        sign_in(&shop, &ann.email, PASSWORD).await.problem(),
        "credentials-refused"
    );
    Person::signs_in(&shop, &ann.email, NEW).await;
    let out = async || ann.gets(&shop, "/members/me").await.status == 401;
    eventually(SOON, "whoever was signed in is out", out).await;
    mail_about(&shop, &ann.email, "was changed").await;
}

#[tokio::test]
async fn who_knows_the_password_changes_it_and_stays_signed_in_alone() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let elsewhere = Person::signs_in(&shop, &ann.email, PASSWORD).await;
    let change = |old: &str, new: &str| json!({ "current_password": old, "password": new });
    let wrong = ann
        .sends(
            &shop,
            Method::PUT,
            "/members/me/password",
            &change("wrong one", NEW),
        )
        .await;
    assert_eq!(wrong.problem(), "credentials-refused");
    let weak = ann
        .sends(
            &shop,
            Method::PUT,
            "/members/me/password",
            &change(PASSWORD, "short"),
        )
        .await;
    assert_eq!(weak.problem(), "weak-password");
    let done = ann
        .sends(&shop, Method::PUT, "/members/me/password", &change(PASSWORD, NEW))
        .await;
    assert_eq!(done.status, 204, "{done:?}");
    let out = async || elsewhere.gets(&shop, "/members/me").await.status == 401;
    eventually(SOON, "the other device is out", out).await;
    assert_eq!(ann.gets(&shop, "/members/me").await.status, 200);
    Person::signs_in(&shop, &ann.email, NEW).await;
}

#[tokio::test]
async fn a_hash_of_old_parameters_is_replaced_at_the_next_sign_in() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    // "correct horse battery" with 8 KiB and one pass, as an older shop might have made it.
    let old = "$argon2id$v=19$m=8,t=1,p=1$c29tZS1zYWx0LTE2LWJ5$";
    let hash = old_hash();
    assert!(hash.starts_with(old), "{hash}");
    sqlx::query("UPDATE members SET password = $1")
        .bind(&hash)
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
    Person::signs_in(&shop, &ann.email, PASSWORD).await;
    let anew = "SELECT count(*) FROM members WHERE password LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'";
    assert_eq!(shop.count(anew).await, 1);
    Person::signs_in(&shop, &ann.email, PASSWORD).await;
}

fn old_hash() -> String {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    let weak = Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(8, 1, 1, None).unwrap(),
    );
    weak.hash_password_with_salt(PASSWORD.as_bytes(), b"some-salt-16-by")
        .unwrap()
        .to_string()
}
