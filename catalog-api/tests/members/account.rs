//! One's own account: profile, address, export, erasure.

use crate::{
    people::{PASSWORD, Person, code_for, mail_about, nth_code_for, sign_in},
    support::{SOON, TestShop, lines, send},
};
use reqwest::Method;
use serde_json::json;
use testbed::eventually;

#[tokio::test]
async fn a_profile_is_seen_and_changed_by_its_owner() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    assert_eq!(shop.get("/members/me").await.problem(), "sign-in-needed");
    let change = json!({ "name": "안나", "phone": "+82 10 9999 8888", "language": "ko" });
    let changed = ann
        .sends(&shop, Method::PATCH, "/members/me", &change)
        .await
        .json();
    assert_eq!(
        (&changed["name"], &changed["phone"], &changed["language"]),
        (&json!("안나"), &json!("+821099998888"), &json!("ko"))
    );
    let without = ann
        .sends(&shop, Method::PATCH, "/members/me", &json!({ "phone": null }))
        .await
        .json();
    assert_eq!(
        (&without["phone"], &without["name"]),
        (&json!(null), &json!("안나")),
        "the rest stays"
    );
    let wrong = ann
        .sends(
            &shop,
            Method::PATCH,
            "/members/me",
            &json!({ "phone": "1", "name": "" }),
        )
        .await;
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 2);
    ann.sends(
        &shop,
        Method::PUT,
        "/members/me/password",
        &json!({
            "current_password": PASSWORD, "password": "a better one than before"
        }),
    )
    .await;
    mail_about(&shop, &ann.email, "비밀번호가 변경").await;
}

#[tokio::test]
async fn another_address_is_proven_and_the_old_one_told() {
    let shop = TestShop::without_worker().await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    let ask = |email: &str, password: &str| json!({ "email": email, "password": password });
    let wrong = ann
        .sends(
            &shop,
            Method::POST,
            "/members/me/email",
            &ask("new@x.example", "wrong"),
        )
        .await;
    assert_eq!(wrong.problem(), "credentials-refused");
    let taken = ann
        .sends(
            &shop,
            Method::POST,
            "/members/me/email",
            &ask(&bob.email, PASSWORD),
        )
        .await;
    let begun = ann
        .sends(
            &shop,
            Method::POST,
            "/members/me/email",
            &ask("new@x.example", PASSWORD),
        )
        .await;
    assert_eq!((taken.status, begun.status), (202, 202));
    let code = code_for(&shop, "new@x.example").await;
    let confirm = json!({ "change": begun.json()["change"], "code": code });
    let not_his = bob
        .sends(&shop, Method::POST, "/members/me/email/confirm", &confirm)
        .await;
    assert_eq!(not_his.problem(), "code-refused");
    let confirmed = ann
        .sends(&shop, Method::POST, "/members/me/email/confirm", &confirm)
        .await;
    assert_eq!(confirmed.json()["email"], "new@x.example", "{confirmed:?}");
    mail_about(&shop, "ann@x.example", "was changed").await;
    Person::signs_in(&shop, "new@x.example", PASSWORD).await;
    assert_eq!(sign_in(&shop, "ann@x.example", PASSWORD).await.status, 401);
    assert_eq!(
        nth_code_for(&shop, &bob.email, 1).await.len(),
        6,
        "only of his own sign-up"
    );
    assert_eq!(shop.around.mails.to(Some(&bob.email)).len(), 1);
}

#[tokio::test]
async fn everything_known_is_handed_out_and_erased_but_the_orders_stay() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let ann = Person::signs_up(&shop, "ann").await;
    let order = shop.by("ann", Method::POST, "/orders").bearer_auth(&ann.access);
    let order = order
        .header("Idempotency-Key", "\"k\"")
        .header("Prefer", "wait=20");
    let order = send(order.json(&lines("sneaker", 1))).await.order_id();
    let address = json!({
        "recipient": "Ann", "phone": "+821012345678", "country": "KR", "city": "Seoul", "line1": "1 Sejong-daero"
    });
    assert_eq!(
        ann.sends(&shop, Method::POST, "/members/me/addresses", &address)
            .await
            .status,
        201
    );

    let export = ann.gets(&shop, "/members/me/export").await;
    assert!(
        export
            .header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    let export = export.json();
    assert_eq!(export["profile"]["email"], "ann@x.example");
    assert_eq!(export["addresses"][0]["line1"], "1 Sejong-daero");
    assert_eq!(
        (
            &export["orders"][0]["order_id"],
            &export["sign_ins"][0]["is_open"]
        ),
        (&json!(order), &json!(true))
    );

    let erase = |password: &str| json!({ "password": password });
    let wrong = ann
        .sends(&shop, Method::DELETE, "/members/me", &erase("wrong"))
        .await;
    assert_eq!(wrong.problem(), "credentials-refused");
    assert_eq!(
        ann.sends(&shop, Method::DELETE, "/members/me", &erase(PASSWORD))
            .await
            .status,
        204
    );
    mail_about(&shop, "ann@x.example", "is gone").await;
    assert_eq!(
        sign_in(&shop, "ann@x.example", PASSWORD).await.problem(),
        "credentials-refused"
    );
    let out = async || ann.gets(&shop, "/members/me").await.status == 401;
    eventually(SOON, "the tokens count no more", out).await;
    let left = "SELECT count(*) FROM members
                WHERE num_nonnulls(email, email_index, name, phone, phone_index, password) > 0";
    assert_eq!(shop.count(left).await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM addresses").await, 0);
    assert_eq!(
        shop.count("SELECT count(*) FROM orders WHERE shopper LIKE 'member:%'")
            .await,
        1
    );
    // The address is free again.
    Person::signs_up(&shop, "ann-again").await;
}

#[tokio::test]
async fn a_cart_goes_with_its_member() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    for person in [&ann, &bob] {
        let add = shop
            .by("ann", Method::POST, "/cart/lines")
            .bearer_auth(&person.access);
        let line = json!({ "product_id": "sneaker", "quantity": 1 });
        assert_eq!(send(add.json(&line)).await.status, 200);
    }
    let password = json!({ "password": PASSWORD });
    let erased = ann.sends(&shop, Method::DELETE, "/members/me", &password).await;
    assert_eq!(erased.status, 204, "{erased:?}");
    let left = "SELECT count(*) FROM carts JOIN cart_lines USING (owner)";
    assert_eq!(shop.count(left).await, 1, "that of somebody else");
    let erased = "SELECT count(*) FROM carts JOIN members ON owner = 'member:' || id
                  WHERE erased_at IS NOT NULL";
    assert_eq!(shop.count(erased).await, 0);
}
