//! Products: put up, listed, changed, opened and closed, counted and followed, on the real programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::Role;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use support::{Answer, SOON, TestShop, send};
use testbed::{eventually, eventually_some};
use tokio::time::{Instant, timeout};

/// An administrator of the shop.
struct Admin<'a> {
    shop: &'a TestShop,
    token: String,
}

impl<'a> Admin<'a> {
    async fn of(shop: &'a TestShop) -> Self {
        let (_, token) = shop.around.member("admin", Role::Admin).await;
        Self { shop, token }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.shop.request(method, path).bearer_auth(&self.token)
    }

    async fn puts_up(&self, id: &str, on_hand: i64, offer: Value) -> Answer {
        let mut whole = json!({ "name": id, "price": { "minor": 5_000, "currency": "KRW" } });
        whole
            .as_object_mut()
            .unwrap()
            .extend(offer.as_object().unwrap().clone());
        let body = json!({ "id": id, "on_hand": on_hand, "offer": whole });
        let answer = send(self.request(Method::POST, "/admin/products").json(&body)).await;
        if answer.status == 201 {
            eventually(SOON, "the product is known", async || {
                self.shop.get(&format!("/products/{id}")).await.status == 200
            })
            .await;
        }
        answer
    }

    async fn change(&self, id: &str, version: &str, change: Value) -> Answer {
        let path = format!("/admin/products/{id}");
        let request = self.request(Method::PATCH, &path).header("If-Match", version);
        send(request.json(&change)).await
    }

    /// Changes whatever version there is, and waits until shoppers see `field` as it is in `shown`.
    async fn changes(&self, id: &str, change: Value, shown: (&str, Value)) {
        let path = format!("/admin/products/{id}");
        let seen = send(self.request(Method::GET, &path)).await;
        let answer = self.change(id, seen.header("etag").unwrap(), change).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (field, value) = shown;
        eventually(SOON, field, async || {
            self.shop.get(&format!("/products/{id}")).await.json()[field] == value
        })
        .await;
    }

    async fn adjusts(&self, id: &str, key: &str, units: i64) -> Answer {
        let path = format!("/admin/products/{id}/adjustments");
        let request = self
            .request(Method::POST, &path)
            .header("Idempotency-Key", format!("\"{key}\""));
        send(request.json(&json!({ "units": units, "reason": "counted" }))).await
    }
}

fn ids(list: &Answer) -> String {
    let products = list.json()["products"].as_array().unwrap().clone();
    let ids = products
        .iter()
        .map(|product| product["id"].as_str().unwrap().to_owned());
    ids.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_does_not_know_its_products_yet_says_so() {
    let mut shop = TestShop::without_worker().await;
    shop.sells("known", 5).await;
    shop.restart_without_database().await;
    let order = shop.order("ann", "k", "known", 1);
    for request in [
        order,
        shop.request(Method::GET, "/products"),
        shop.request(Method::GET, "/products/known"),
        shop.request(Method::GET, "/products/known/stock"),
    ] {
        let answer = send(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    shop.restart().await;
    assert_eq!(shop.get("/products/known").await.status, 200);
}

#[tokio::test]
async fn products_are_listed_by_the_page_sorted_and_filtered() {
    let shop = TestShop::without_worker().await;
    let admin = Admin::of(&shop).await;
    for (id, price, category, kind) in [
        ("b", 300, Some("shoes"), "limited"),
        ("a", 100, Some("shoes"), "ordinary"),
        ("c", 200, None, "limited"),
    ] {
        let price = json!({ "minor": price, "currency": "KRW" });
        let offer = json!({ "price": price, "category": category, "kind": kind });
        assert_eq!(admin.puts_up(id, 1, offer).await.status, 201);
    }
    for (query, expected) in [
        ("", "c a b"),
        ("?sort=newest", "c a b"),
        ("?sort=price", "a c b"),
        ("?sort=-price", "b c a"),
        ("?sort=name", "a b c"),
        ("?sort=name&category=shoes", "a b"),
        ("?sort=name&kind=limited", "b c"),
        ("?category=hats", ""),
    ] {
        let list = shop.get(&format!("/products{query}")).await;
        assert_eq!((list.status, ids(&list).as_str()), (200, expected), "{query}");
        assert!(list.json()["next"].is_null() && list.json()["server_time"].is_string());
    }
    let first = shop.get("/products?sort=price&limit=2").await;
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = shop
        .get(&format!("/products?sort=price&limit=2&after={next}"))
        .await;
    assert_eq!((ids(&first).as_str(), ids(&second).as_str()), ("a c", "b"));
    for bad in [
        format!("sort=name&after={next}"),
        "limit=1000".to_owned(),
        "sort=best".to_owned(),
    ] {
        let answer = shop.get(&format!("/products?{bad}")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "invalid-query"),
            "{bad}"
        );
    }
    admin
        .changes("a", json!({ "state": "retired" }), ("status", json!("retired")))
        .await;
    assert_eq!(
        ids(&shop.get("/products?sort=name").await),
        "b c",
        "it is not listed any more"
    );
}

#[tokio::test]
async fn only_an_admin_changes_products_and_only_what_was_seen() {
    let shop = TestShop::without_worker().await;
    let admin = Admin::of(&shop).await;
    let made = admin
        .puts_up("a", 3, json!({ "images": ["https://cdn.example/a.jpg"] }))
        .await;
    assert_eq!(
        (made.status, made.header("location")),
        (201, Some("/admin/products/a"))
    );
    assert_eq!(made.json()["stock"]["available"], 3);
    let twice = admin.puts_up("a", 3, json!({})).await;
    assert_eq!((twice.status, twice.problem().as_str()), (409, "product-exists"));
    let bad = admin
        .puts_up("b", -1, json!({ "name": "", "images": ["http://x.example/"] }))
        .await;
    assert_eq!(
        (bad.status, bad.json()["errors"].as_array().unwrap().len()),
        (422, 3)
    );

    let (_, operator) = shop.around.member("operator", Role::Operator).await;
    for (method, path) in [
        (Method::POST, "/admin/products"),
        (Method::GET, "/admin/products/a"),
        (Method::PATCH, "/admin/products/a"),
        (Method::POST, "/admin/products/a/adjustments"),
    ] {
        let nobody = send(shop.request(method.clone(), path).json(&json!({}))).await;
        assert_eq!(
            (nobody.status, nobody.problem().as_str()),
            (401, "sign-in-needed"),
            "{path}"
        );
        let other = shop.request(method, path).bearer_auth(&operator).json(&json!({}));
        let other = send(other).await;
        assert_eq!(
            (other.status, other.problem().as_str()),
            (403, "role-missing"),
            "{path}"
        );
    }

    let seen = made.header("etag").unwrap();
    let changed = admin.change("a", seen, json!({ "name": "A2" })).await;
    assert_eq!(
        (changed.status, changed.json()["offer"]["name"].as_str()),
        (200, Some("A2"))
    );
    for (version, status, problem) in [(seen, 412, "changed-meanwhile"), ("x", 400, "if-match")] {
        let answer = admin.change("a", version, json!({ "name": "A3" })).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem));
    }
    let unseen = send(admin.request(Method::PATCH, "/admin/products/a").json(&json!({}))).await;
    assert_eq!(
        (unseen.status, unseen.problem().as_str()),
        (428, "precondition-required")
    );
    let none = admin.change("none", "\"1\"", json!({})).await;
    assert_eq!((none.status, none.problem().as_str()), (404, "unknown-product"));
}

#[tokio::test]
async fn stock_is_raised_and_lowered_once_for_each_key_and_never_below_what_is_held() {
    let shop = TestShop::open().await;
    let admin = Admin::of(&shop).await;
    admin.puts_up("a", 1, json!({})).await;
    let order = shop.buy("ann", "k1", "a").await;
    assert_eq!(order.status, 201, "{order:?}");
    let status = |word: &'static str| {
        let shop = &shop;
        async move {
            let shown = async || shop.get("/products/a").await.json()["status"] == word;
            eventually(SOON, word, shown).await;
        }
    };
    status("sold_out").await;
    let less = admin.adjusts("a", "less", -1).await;
    assert_eq!((less.status, less.problem().as_str()), (409, "units-needed"));
    for _ in 0..2 {
        let more = admin.adjusts("a", "more", 2).await;
        assert_eq!(
            (more.status, more.json()["on_hand"].as_i64()),
            (200, Some(3)),
            "{more:?}"
        );
    }
    status("on_sale").await;
    let reused = admin.adjusts("a", "more", 3).await;
    assert_eq!(
        (reused.status, reused.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    assert_eq!(shop.buy("bob", "k2", "a").await.status, 201);
    let fewer = admin.adjusts("a", "fewer", -1).await;
    assert_eq!((fewer.status, fewer.json()["available"].as_i64()), (200, Some(0)));
    status("sold_out").await;
    let counted = shop.count("SELECT count(*) FROM stock_adjustments").await;
    assert_eq!(counted, 2);
    let told = async || shop.count("SELECT count(*) FROM outbox").await == 0;
    eventually(SOON, "every change was told", told).await;
}

#[tokio::test]
async fn sales_open_and_close_by_the_databases_clock_and_can_be_changed_while_they_run() {
    let shop = TestShop::open().await;
    let admin = Admin::of(&shop).await;
    admin
        .puts_up("a", 9, json!({ "opens_at": "2100-01-01T00:00:00Z" }))
        .await;
    let early = shop.buy("ann", "k1", "a").await;
    assert_eq!((early.status, early.problem().as_str()), (409, "not-open"));
    let past = json!("2020-01-01T00:00:00Z");
    admin
        .changes("a", json!({ "opens_at": past }), ("opens_at", past.clone()))
        .await;
    assert_eq!(
        shop.buy("ann", "k1", "a").await.status,
        201,
        "nothing was taken with that key"
    );
    let past = json!("2021-01-01T00:00:00Z");
    admin
        .changes("a", json!({ "closes_at": past }), ("closes_at", past.clone()))
        .await;
    let late = shop.buy("ann", "k2", "a").await;
    assert_eq!((late.status, late.problem().as_str()), (409, "closed"));
    let stopped = json!({ "closes_at": null, "state": "stopped" });
    admin.changes("a", stopped, ("status", json!("stopped"))).await;
    let answer = shop.buy("ann", "k3", "a").await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "not-for-sale"));
}

#[tokio::test]
async fn a_limit_for_each_customer_is_set_shown_and_taken_away() {
    let shop = TestShop::open().await;
    let admin = Admin::of(&shop).await;
    admin.puts_up("a", 9, json!({ "per_customer": 1 })).await;
    assert_eq!(shop.get("/products/a").await.json()["per_customer"], 1);
    assert_eq!(shop.buy("ann", "k1", "a").await.status, 201);
    let more = shop.buy("ann", "k2", "a").await;
    assert_eq!((more.status, more.problem().as_str()), (409, "limit-reached"));
    for (limit, key, status) in [
        (json!(2), "k3", 201),
        (json!(1), "k4", 409),
        (Value::Null, "k5", 201),
    ] {
        let change = json!({ "per_customer": limit });
        admin.changes("a", change, ("per_customer", limit.clone())).await;
        let bought = shop.buy("ann", key, "a").await;
        assert_eq!(bought.status, status, "{limit}: {bought:?}");
    }
    let page = shop
        .request(Method::GET, "/products/a")
        .header("Accept", "text/html");
    assert!(!send(page).await.text.contains("for each customer"));
}

#[tokio::test]
async fn a_limit_may_be_changed_while_orders_come() {
    let shop = TestShop::open().await;
    let admin = Admin::of(&shop).await;
    admin.puts_up("a", 60, json!({ "per_customer": 50 })).await;
    let orders = async {
        for number in 0..30 {
            let bought = shop.buy("ann", &format!("k{number}"), "a").await;
            assert_eq!(bought.status, 201, "{bought:?}");
        }
    };
    let changes = async {
        for limit in 51..81 {
            let change = json!({ "per_customer": limit });
            admin.changes("a", change, ("per_customer", json!(limit))).await;
        }
    };
    tokio::join!(orders, changes);
    let counted = shop
        .count("SELECT coalesce(sum(units), 30)::bigint FROM customer_units")
        .await;
    assert_eq!(counted, 30);
}

#[tokio::test]
async fn the_worker_refuses_what_closed_on_the_way() {
    let mut shop = TestShop::without_worker().await;
    {
        let admin = Admin::of(&shop).await;
        admin.puts_up("a", 9, json!({})).await;
        let accepted = send(shop.order("ann", "k", "a", 1)).await;
        assert_eq!(accepted.status, 202);
        let past = json!("2021-01-01T00:00:00Z");
        admin
            .changes("a", json!({ "closes_at": past }), ("closes_at", past.clone()))
            .await;
    }
    shop.worker = Some(shop.around.start_worker().await);
    let answer = shop.buy("ann", "k", "a").await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "closed"));
    assert_eq!(shop.available("a").await, Some(9));
}

#[tokio::test]
async fn what_is_left_is_a_small_answer_that_says_when_it_is_news() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 5).await;
    let stock = shop.get("/products/sneaker/stock").await;
    assert_eq!(stock.status, 200);
    assert_eq!(
        stock.header("cache-control"),
        Some("public, max-age=0, s-maxage=1")
    );
    let left = json!({ "product_id": "sneaker", "available": 5, "sold_out": false, "status": "on_sale", "version": 0 });
    assert_eq!(stock.json(), left);
    let tag = stock.header("etag").unwrap();
    let again = shop
        .request(Method::GET, "/products/sneaker/stock")
        .header("If-None-Match", tag);
    let again = send(again).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let pool = shop.around.database.pool().await;
    let lower = "UPDATE stock SET on_hand = 3, version = version + 1, updated_at = clock_timestamp()";
    sqlx::query(lower).execute(&pool).await.unwrap();
    let changed = Instant::now();
    eventually(SOON, "the new stock is shown", async || {
        let news = shop
            .request(Method::GET, "/products/sneaker/stock")
            .header("If-None-Match", tag);
        let news = send(news).await;
        news.status == 200 && news.json()["available"] == 3
    })
    .await;
    // Bounded by the tick and not by the machine: a busy one is given a little more than the promise.
    assert!(changed.elapsed().as_secs() < 5, "{:?}", changed.elapsed());
    let none = shop.get("/products/none/stock").await;
    assert_eq!((none.status, none.problem().as_str()), (404, "unknown-product"));
}

/// The next event with an id: its id and its data.
async fn next_event(stream: &mut Response) -> (String, Value) {
    let mut text = String::new();
    let read = async {
        loop {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            if let (true, Some(id), Some(data)) = (text.ends_with("\n\n"), field("id: "), field("data: ")) {
                return (id.to_owned(), serde_json::from_str(data).unwrap());
            }
        }
    };
    timeout(SOON, read).await.expect("an event")
}

#[tokio::test]
async fn stock_is_told_as_it_changes_from_where_the_listener_was() {
    let mut shop = TestShop::open().await;
    shop.sells("sneaker", 2).await;
    let follow = |last: Option<String>| {
        let request = shop.request(Method::GET, "/products/sneaker/stock/events");
        last.into_iter()
            .fold(request, |request, id| request.header("Last-Event-ID", id))
    };
    let mut stream = follow(None).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (seen, stock) = next_event(&mut stream).await;
    assert_eq!(stock["available"], 2);
    let mut known = follow(Some(seen)).send().await.unwrap();
    assert_eq!(shop.buy("ann", "k1", "sneaker").await.status, 201);
    for stream in [&mut stream, &mut known] {
        assert_eq!(
            next_event(stream).await.1["available"],
            1,
            "what was known is not told again"
        );
    }
    let pool = shop.around.database.pool().await;
    let stop = "UPDATE products SET state = 'stopped', version = version + 1, updated_at = clock_timestamp()";
    sqlx::query(stop).execute(&pool).await.unwrap();
    assert_eq!(next_event(&mut stream).await.1["status"], "stopped");
    assert!(shop.process.terminate().await, "nobody waits for listeners");
}

#[tokio::test]
async fn a_lost_event_makes_nobody_wrong_for_long() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 2).await;
    shop.around.amqp.cut();
    let pool = shop.around.database.pool().await;
    let lower = "UPDATE stock SET on_hand = 1, version = version + 1, updated_at = clock_timestamp()";
    sqlx::query(lower).execute(&pool).await.unwrap();
    let left = async || shop.available("sneaker").await.filter(|left| *left == 1);
    eventually_some(SOON, "the stock is read", left).await;
}
