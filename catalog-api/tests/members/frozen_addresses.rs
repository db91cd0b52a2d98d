//! Orders keep the address that they were placed with.

use crate::{
    people::{PASSWORD, Person},
    support::{SOON, TestShop, lines, send},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testbed::eventually;

const BOOK: &str = "/members/me/addresses";

fn address(line1: &str) -> Value {
    json!({
        "recipient": "Ann Lee", "phone": "+82 10 1234 5678", "country": "KR", "city": "Seoul", "line1": line1
    })
}

/// Puts an address into the book; answers its name.
async fn lives_at(shop: &TestShop, person: &Person, line1: &str) -> String {
    let added = person.sends(shop, Method::POST, BOOK, &address(line1)).await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()["id"].as_str().unwrap().to_owned()
}

fn order(shop: &TestShop, person: Option<&Person>, key: &str, address: Option<&str>) -> RequestBuilder {
    let mut body = lines("sneaker", 1);
    if let Some(id) = address {
        body["address_id"] = json!(id);
    }
    let request = shop.by("ann", Method::POST, "/orders").json(&body);
    let request = request
        .header("Idempotency-Key", format!("\"{key}\""))
        .header("Prefer", "wait=20");
    person
        .iter()
        .fold(request, |request, person| request.bearer_auth(&person.access))
}

/// The street that an order goes to, as its owner sees it.
async fn goes_to(shop: &TestShop, person: &Person, order: &Value) -> Value {
    let path = format!("/orders/{}", order["order_id"].as_str().unwrap());
    let shown = send(shop.by("ann", Method::GET, &path).bearer_auth(&person.access)).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    shown.json()["address"]["line1"].clone()
}

#[tokio::test]
async fn an_order_goes_where_its_member_lived_when_it_was_placed() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 9).await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    let homeless = send(order(&shop, Some(&ann), "none", None)).await;
    assert_eq!(
        homeless.status, 201,
        "a member without an address may order: {homeless:?}"
    );
    assert_eq!(goes_to(&shop, &ann, &homeless.json()).await, Value::Null);

    let home = lives_at(&shop, &ann, "1 Old Street").await;
    let work = lives_at(&shop, &ann, "2 Work Lane").await;
    let by_default = send(order(&shop, Some(&ann), "default", None)).await.json();
    let to_work = send(order(&shop, Some(&ann), "work", Some(&work))).await;
    assert_eq!(to_work.status, 201, "{to_work:?}");
    let path = format!("{BOOK}/{home}");
    let moved = ann
        .sends(&shop, Method::PUT, &path, &address("3 New Street"))
        .await;
    assert_eq!(moved.status, 200, "{moved:?}");
    assert_eq!(goes_to(&shop, &ann, &by_default).await, "1 Old Street");
    assert_eq!(goes_to(&shop, &ann, &to_work.json()).await, "2 Work Lane");
    let repeated = send(order(&shop, Some(&ann), "default", None)).await;
    assert_eq!(
        (repeated.status, &repeated.json()["order_id"]),
        (201, &by_default["order_id"]),
        "the same request, wherever the member lives now"
    );

    // A book that is not one's own.
    let of_bob = lives_at(&shop, &bob, "4 Elsewhere").await;
    for (person, id) in [(Some(&ann), of_bob.as_str()), (None, work.as_str())] {
        let refused = send(order(&shop, person, "strange", Some(id))).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.json()["type"], "urn:problem:unknown-address");
    }
    let malformed = send(order(&shop, Some(&ann), "malformed", Some("home"))).await;
    assert_eq!(
        malformed.json()["errors"][0]["pointer"],
        "/address_id",
        "{malformed:?}"
    );
    // The key of what was refused is free.
    assert_eq!(
        send(order(&shop, Some(&ann), "strange", Some(&work)))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn the_addresses_of_orders_are_handed_out_and_erased_with_their_member() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 9).await;
    let ann = Person::signs_up(&shop, "ann").await;
    lives_at(&shop, &ann, "1 Old Street").await;
    assert_eq!(send(order(&shop, Some(&ann), "one", None)).await.status, 201);
    let export = ann.gets(&shop, "/members/me/export").await.json();
    assert_eq!(
        export["orders"][0]["address"]["line1"], "1 Old Street",
        "{export}"
    );

    let erase = json!({ "password": PASSWORD });
    let erased = ann.sends(&shop, Method::DELETE, "/members/me", &erase).await;
    assert_eq!(erased.status, 204, "{erased:?}");
    let gone = async || shop.count("SELECT count(*) FROM order_addresses").await == 0;
    eventually(SOON, "the address is erased", gone).await;
    assert_eq!(
        shop.count("SELECT count(*) FROM orders").await,
        1,
        "the order stays"
    );
}
