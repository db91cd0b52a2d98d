//! What stands in the database about people.

use crate::{
    people::{PASSWORD, Person, code_for, post, sign_up},
    support::{SOON, TestShop, lines, send},
};
use reqwest::Method;
use serde_json::json;
use std::process::Command;
use testbed::eventually;

/// The whole database as text.
fn dump(shop: &TestShop) -> String {
    let url = shop.around.database.url();
    let dumped = Command::new("pg_dump").arg("--dbname").arg(url).output();
    let dumped = dumped.expect("pg_dump comes with PostgreSQL's client");
    assert!(
        dumped.status.success(),
        "{}",
        String::from_utf8_lossy(&dumped.stderr)
    );
    String::from_utf8(dumped.stdout).unwrap()
}

/// Text as a dump shows it, and as it shows the bytes of a text.
fn spellings(secret: &str) -> [String; 2] {
    let bytes: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    [secret.to_lowercase(), bytes]
}

#[tokio::test]
async fn a_dump_of_the_database_shows_no_personal_data() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let ann = Person::signs_up(&shop, "ann.secretive").await;
    let change = json!({ "name": "Annabella Secretive", "phone": "+82 10 5555 4321" });
    assert_eq!(
        ann.sends(&shop, Method::PATCH, "/members/me", &change)
            .await
            .status,
        200
    );
    let address = json!({
        "recipient": "Grandmother Secretive", "phone": "+82 2 777 8888", "country": "KR", "city": "Hiddenville",
        "line1": "77 Quiet Lane"
    });
    assert_eq!(
        ann.sends(&shop, Method::POST, "/members/me/addresses", &address)
            .await
            .status,
        201
    );
    let order = shop.by("ann", Method::POST, "/orders").bearer_auth(&ann.access);
    let order = order
        .header("Idempotency-Key", "\"k\"")
        .header("Prefer", "wait=20");
    assert_eq!(send(order.json(&lines("sneaker", 1))).await.status, 201);
    assert_eq!(shop.count("SELECT count(*) FROM order_addresses").await, 1);
    // One who has not come back with the code, and one whose mail cannot be sent.
    post(&shop, "/members", &sign_up("pending.bob@x.example")).await;
    post(&shop, "/members", &sign_up("busy.kim@x.example")).await;
    let code = code_for(&shop, "pending.bob@x.example").await;
    let waiting = "SELECT count(*) FROM mails WHERE attempts > 0 AND sent_at IS NULL";
    eventually(SOON, "a mail waits for its next try", async || {
        shop.count(waiting).await == 1
    })
    .await;

    let dump = dump(&shop).to_lowercase();
    assert!(
        dump.contains("sneaker") && dump.contains("copy public.members"),
        "the dump is one"
    );
    for secret in [
        "secretive",
        "annabella",
        "1055554321",
        "grandmother",
        "hiddenville",
        "quiet lane",
        "27778888",
        "pending.bob",
        "busy.kim",
        "x.example",
        PASSWORD,
        &ann.refresh,
        &ann.device,
        &ann.access,
    ] {
        for spelling in spellings(secret) {
            assert!(
                !dump.contains(&spelling),
                "{secret} stands in the dump as {spelling}"
            );
        }
    }
    // Six digits stand in any dump by chance: of the code's own row and its mail they must not.
    let codes =
        "SELECT count(*) FROM member_codes WHERE position($1::bytea IN code || coalesce(details, '')) > 0";
    let found: i64 = sqlx::query_scalar(codes)
        .bind(code.as_bytes())
        .fetch_one(&shop.around.database.pool().await)
        .await
        .unwrap();
    assert_eq!(found, 0);
}

#[tokio::test]
async fn everything_is_sealed_anew_while_the_shop_runs() {
    let mut shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let ann = Person::signs_up(&shop, "ann").await;
    let address = json!({
        "recipient": "Ann", "phone": "+821012345678", "country": "KR", "city": "Seoul", "line1": "1 Sejong-daero"
    });
    ann.sends(&shop, Method::POST, "/members/me/addresses", &address)
        .await;
    let order = shop.order("ann", "k", "sneaker", 1).bearer_auth(&ann.access);
    let order = send(order.header("Prefer", "wait=20")).await;
    assert_eq!(order.status, 201, "{order:?}");
    post(&shop, "/members", &sign_up("pending@x.example")).await;
    let (old, new) = (
        testbed::MEMBER_SETTINGS[0].1.to_owned(),
        "2 gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=",
    );
    // First every instance learns the new key, then everything is sealed by it, then the old key goes.
    let both = format!("{new}\n{old}");
    shop.restart_with("PERSONAL_DATA_KEYS", &both).await;
    let worked_meanwhile = async {
        for turn in 0..20 {
            let name = json!({ "name": format!("Ann {turn}") });
            assert_eq!(
                ann.sends(&shop, Method::PATCH, "/members/me", &name).await.status,
                200
            );
        }
    };
    let command = shop.command_with(&["reseal", "--batch", "1"], "PERSONAL_DATA_KEYS", &both);
    let (resealed, ()) = tokio::join!(command, worked_meanwhile);
    assert!(
        resealed.status.success(),
        "{}",
        String::from_utf8_lossy(&resealed.stderr)
    );
    let old_key =
        "SELECT (SELECT count(*) FROM members WHERE get_byte(email, 1) <> 2 OR get_byte(name, 1) <> 2)
                        + (SELECT count(*) FROM addresses WHERE get_byte(details, 1) <> 2)
                        + (SELECT count(*) FROM order_addresses WHERE get_byte(details, 1) <> 2)
                        + (SELECT count(*) FROM member_codes WHERE get_byte(details, 1) <> 2)";
    assert_eq!(shop.count(old_key).await, 0);
    shop.restart_with("PERSONAL_DATA_KEYS", new).await;
    let profile = ann.gets(&shop, "/members/me").await.json();
    assert_eq!(
        (&profile["name"], &profile["email"]),
        (&json!("Ann 19"), &json!("ann@x.example"))
    );
    assert_eq!(
        ann.gets(&shop, "/members/me/addresses").await.json()["addresses"][0]["city"],
        "Seoul"
    );
    let path = format!("/orders/{}", order.json()["order_id"].as_str().unwrap());
    let shown = send(shop.by("ann", Method::GET, &path).bearer_auth(&ann.access)).await;
    assert_eq!(shown.json()["address"]["city"], "Seoul", "{shown:?}");

    let without = shop.command_with(&["reseal"], "PERSONAL_DATA_KEYS", &old).await;
    assert!(!without.status.success(), "a key is missing, and that is said");
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("reseal the table members"),
        "{without:?}"
    );
}
