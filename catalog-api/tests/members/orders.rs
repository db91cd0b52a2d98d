//! What members see of their orders.

use crate::{
    people::Person,
    support::{TestShop, send},
};
use reqwest::Method;
use serde_json::Value;

async fn buys(shop: &TestShop, person: &Person, key: &str) -> String {
    let order = shop.order("ann", key, "sneaker", 1).bearer_auth(&person.access);
    let order = send(order.header("Prefer", "wait=20")).await;
    assert_eq!(order.status, 201, "{order:?}");
    order.json()["order_id"].as_str().unwrap().to_owned()
}

fn ids(page: &Value) -> Vec<&str> {
    let orders = page["orders"].as_array().unwrap().iter();
    orders.map(|order| order["order_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_member_lists_the_orders_of_the_account_without_a_pass() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 9).await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    let mut orders = Vec::new();
    for key in ["one", "two", "three"] {
        orders.push(buys(&shop, &ann, key).await);
    }
    buys(&shop, &bob, "one").await;
    let first = ann.gets(&shop, "/members/me/orders?limit=2").await;
    assert_eq!(
        (first.status, first.header("cache-control")),
        (200, Some("no-store")),
        "{first:?}"
    );
    let first = first.json();
    assert_eq!(ids(&first), [&*orders[2], &*orders[1]], "the newest first");
    assert_eq!(first["orders"][0]["state"], "held");
    let next = format!("/members/me/orders?after={}", first["next"].as_str().unwrap());
    let rest = ann.gets(&shop, &next).await.json();
    assert_eq!((ids(&rest), &rest["next"]), (vec![&*orders[0]], &Value::Null));

    let stranger = shop.get("/members/me/orders").await;
    assert_eq!(
        (stranger.status, stranger.problem().as_str()),
        (401, "sign-in-needed")
    );
    let wrong = ann.gets(&shop, "/members/me/orders?limit=0").await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
}

#[tokio::test]
async fn an_order_is_shown_in_the_language_that_is_asked_for() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 9).await;
    let ann = Person::signs_up(&shop, "ann").await;
    let path = format!("/orders/{}", buys(&shop, &ann, "one").await);
    for (accepted, language, headline, button) in [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "상품을 확보했습니다", "결제하기"),
        ("de,en;q=0.5", "en", "It is yours, for now", "Pay"),
    ] {
        let page = shop.by("ann", Method::GET, &path).bearer_auth(&ann.access);
        let page = page
            .header("Accept", "text/html")
            .header("Accept-Language", accepted);
        let page = send(page).await;
        assert_eq!(page.header("vary"), Some("accept, accept-language"));
        for part in [
            format!("<html lang=\"{language}\">"),
            format!("<h1 id=\"headline\">{headline}</h1>"),
            format!(">{button}</button>"),
        ] {
            assert!(page.text.contains(&part), "{part} in {}", page.text);
        }
        assert!(!page.text.contains("{{"), "every place is filled");
        let words = shop.get(&format!("/assets/{language}.json")).await;
        assert_eq!(words.json()["held"], headline);
    }
}
