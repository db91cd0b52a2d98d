//! The address book.

use crate::{
    people::Person,
    support::{TestShop, send},
};
use reqwest::Method;
use serde_json::{Value, json};

const BOOK: &str = "/members/me/addresses";

fn address(line1: &str, is_default: bool) -> Value {
    json!({
        "label": "Home", "recipient": "Ann Lee", "phone": "+82 10 1234 5678", "country": "KR", "postal_code": "04524",
        "city": "Seoul", "line1": line1, "is_default": is_default
    })
}

async fn book(shop: &TestShop, person: &Person) -> Vec<(String, bool)> {
    let book = person.gets(shop, BOOK).await.json();
    let entry = |entry: &Value| {
        (
            entry["line1"].as_str().unwrap().to_owned(),
            entry["is_default"] == true,
        )
    };
    book["addresses"].as_array().unwrap().iter().map(entry).collect()
}

fn entries(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
    expected
        .iter()
        .map(|(line, is_default)| ((*line).to_owned(), *is_default))
        .collect()
}

#[tokio::test]
async fn a_book_has_one_default_whatever_is_done_to_it() {
    let shop = TestShop::without_worker().await;
    let (ann, bob) = (
        Person::signs_up(&shop, "ann").await,
        Person::signs_up(&shop, "bob").await,
    );
    let mut paths = Vec::new();
    for (line, is_default) in [("one", false), ("two", true), ("three", false)] {
        let added = ann
            .sends(&shop, Method::POST, BOOK, &address(line, is_default))
            .await;
        assert_eq!(added.status, 201, "{added:?}");
        paths.push(added.header("location").unwrap().to_owned());
    }
    assert_eq!(
        book(&shop, &ann).await,
        entries(&[("two", true), ("one", false), ("three", false)])
    );
    let changed = ann
        .sends(&shop, Method::PUT, &paths[2], &address("three b", true))
        .await;
    assert_eq!(changed.json()["is_default"], true);
    let unchanged = ann
        .sends(&shop, Method::PUT, &paths[2], &address("three c", false))
        .await;
    assert_eq!(
        unchanged.json()["is_default"],
        true,
        "another one is made the default instead"
    );
    assert_eq!(send(ann.asks(&shop, Method::DELETE, &paths[2])).await.status, 204);
    assert_eq!(book(&shop, &ann).await, entries(&[("one", true), ("two", false)]));

    for (method, body) in [
        (Method::GET, None),
        (Method::DELETE, None),
        (Method::PUT, Some(address("x", true))),
    ] {
        let request = bob.asks(&shop, method.clone(), &paths[0]);
        let request = body.iter().fold(request, |request, body| request.json(body));
        assert_eq!(send(request).await.status, 404, "{method} of somebody else's");
    }
    assert_eq!(book(&shop, &bob).await, []);
    assert_eq!(ann.gets(&shop, &format!("{BOOK}/nonsense")).await.status, 404);
    let bad = ann
        .sends(&shop, Method::POST, BOOK, &json!({ "recipient": "A" }))
        .await;
    assert_eq!(bad.problem(), "invalid-fields");
}

#[tokio::test]
async fn a_book_is_bounded_also_against_many_at_once() {
    let shop = TestShop::without_worker().await;
    let ann = Person::signs_up(&shop, "ann").await;
    let entry = address("one", true);
    let adds = (0..25).map(|_| ann.sends(&shop, Method::POST, BOOK, &entry));
    let answers = futures::future::join_all(adds).await;
    let added = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((added, refused), (20, 5));
    assert_eq!(
        shop.count("SELECT count(*) FROM addresses WHERE is_default")
            .await,
        1
    );
}
