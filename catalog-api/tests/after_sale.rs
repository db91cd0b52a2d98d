//! What comes after an order was placed: its history, its state as it happens, returns, refunds in part, and limits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod support;

use contract::Role;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{Answer, CARD_PAID, SOON, TestShop, send};

impl TestShop {
    /// An order of one sneaker that is paid.
    async fn paid(&self, shopper: &str, key: &str) -> String {
        let id = self.buy(shopper, key, "sneaker").await.order_id();
        self.confirm(&self.pay(shopper, &id).await, CARD_PAID).await;
        self.order_becomes(shopper, &id, "paid").await;
        id
    }

    /// As if the day were over for all orders, and then waits until this one has taken its step.
    async fn next_day(&self, shopper: &str, id: &str, state: &str) -> Value {
        sqlx::query("UPDATE orders SET next_step_at = clock_timestamp() WHERE next_step_at IS NOT NULL")
            .execute(&self.around.database.pool().await)
            .await
            .unwrap();
        self.order_becomes(shopper, id, state).await
    }

    async fn orders_of(&self, shopper: &str, query: &str) -> Answer {
        send(self.by(shopper, Method::GET, &format!("/orders{query}"))).await
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    let orders = answer.json()["orders"].as_array().unwrap().clone();
    let ids = orders
        .iter()
        .map(|order| order["order_id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn a_delivered_order_is_sent_back_and_its_money_with_it() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.paid("ann", "k").await;
    shop.next_day("ann", &id, "shipped").await;
    let late = send(shop.by("ann", Method::POST, &format!("/orders/{id}/cancel"))).await;
    assert_eq!((late.status, late.problem().as_str()), (409, "not-cancellable"));
    shop.next_day("ann", &id, "delivered").await;

    let back = |shopper: &'static str| shop.by(shopper, Method::POST, &format!("/orders/{id}/return"));
    assert_eq!(send(back("bob")).await.status, 404, "somebody else's");
    for _twice in 0..2 {
        let sent = send(back("ann").header("Prefer", "wait=20")).await;
        assert_eq!(
            (sent.status, &sent.json()["state"]),
            (200, &json!("return_requested"))
        );
    }
    shop.next_day("ann", &id, "refunded").await;
    let order = shop.order_of("ann", &id).await.json();
    assert_eq!(order["refund_reason"], "returned");
    assert_eq!(order["refunded"]["minor"], 5_000);
    assert_eq!(shop.count("SELECT sold FROM stock").await, 0);
}

#[tokio::test]
async fn a_shopper_pages_through_their_own_orders() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 50).await;
    let mut placed = Vec::new();
    for number in 0..5 {
        placed.push(shop.buy("ann", &number.to_string(), "sneaker").await.order_id());
    }
    shop.buy("bob", "k", "sneaker").await;
    placed.reverse();

    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = shop.orders_of("ann", &query).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.push(ids(&page));
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else {
            break;
        };
        // What is ordered meanwhile comes before the first page and changes none of the others.
        shop.buy("ann", &format!("later {next}").replace('.', "-"), "sneaker")
            .await;
        query = format!("?limit=2&after={next}");
    }
    let sizes: Vec<usize> = seen.iter().map(Vec::len).collect();
    assert_eq!((seen.concat(), sizes), (placed, vec![2, 2, 1]));

    assert_eq!(shop.orders_of("nobody", "").await.json(), json!({ "orders": [] }));
    for wrong in ["?limit=0", "?after=nonsense"] {
        let refused = shop.orders_of("ann", wrong).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "invalid-query")
        );
    }
    assert_eq!(shop.get("/orders").await.status, 401, "without a pass");
}

/// The next event of a stream: its id and its data.
async fn event(stream: &mut Response) -> (String, Value) {
    let mut text = String::new();
    let read = async {
        loop {
            text.push_str(&String::from_utf8_lossy(
                &stream.chunk().await.unwrap().expect("an event"),
            ));
            let field = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name).map(str::trim))
            };
            if let (true, Some(id), Some(data)) = (text.ends_with("\n\n"), field("id:"), field("data:")) {
                return (id.to_owned(), serde_json::from_str(data).unwrap());
            }
        }
    };
    tokio::time::timeout(SOON, read)
        .await
        .expect("an event comes soon")
}

#[tokio::test]
async fn an_order_is_followed_as_it_goes_on() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    let events = format!("/orders/{id}/events");
    assert_eq!(send(shop.by("bob", Method::GET, &events)).await.status, 404);

    let mut stream = shop.by("ann", Method::GET, &events).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (version, order) = event(&mut stream).await;
    assert_eq!((version.as_str(), &order["state"]), ("1", &json!("held")));

    let cancel = shop.by("ann", Method::POST, &format!("/orders/{id}/cancel"));
    assert_eq!(send(cancel.header("Prefer", "wait=20")).await.status, 200);
    let (version, order) = event(&mut stream).await;
    assert_eq!((version.as_str(), &order["state"]), ("2", &json!("cancelled")));

    let again = shop.by("ann", Method::GET, &events).header("Last-Event-ID", "1");
    let mut again = again.send().await.unwrap();
    assert_eq!(event(&mut again).await.0, "2", "what was missed comes at once");
}

#[tokio::test]
async fn an_operator_gives_a_part_of_the_money_back() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.paid("ann", "k").await;
    let (_, operator) = shop.around.member("olga", Role::Operator).await;
    let (_, member) = shop.around.member("ann", Role::User).await;
    let path = format!("/admin/orders/{id}/refunds");
    let refund = |token: &str, key: &str, minor: i64| {
        let request = shop.request(Method::POST, &path).bearer_auth(token);
        let request = request.header("Idempotency-Key", format!("\"{key}\""));
        send(request.json(&json!({ "amount_minor": minor })))
    };
    for (token, key, minor, status) in [
        (&member, "a", 1_000, 403),
        (&operator, "a", 0, 422),
        (&operator, "a", 5_001, 409),
        (&operator, "a", 1_000, 202),
        (&operator, "a", 1_000, 202),
        (&operator, "a", 2_000, 422),
        (&operator, "b", 4_001, 409),
    ] {
        let answer = refund(token, key, minor).await;
        assert_eq!(answer.status, status, "{key} {minor} {answer:?}");
        if status == 202 {
            let made = async || shop.order_of("ann", &id).await.json()["refunded"]["minor"] == 1_000;
            testbed::eventually(SOON, "the refund is made", made).await;
        }
    }
    let refunds = send(shop.request(Method::GET, &path).bearer_auth(&operator))
        .await
        .json();
    assert_eq!(refunds["kept"]["minor"], 4_000);
    assert_eq!(refunds["refunds"].as_array().unwrap().len(), 1);
    assert!(refunds["refunds"][0]["refunded_at"].is_string());
    assert_eq!(shop.order_of("ann", &id).await.json()["state"], "paid");
    assert_eq!(send(shop.request(Method::GET, &path)).await.status, 401);
}

#[tokio::test]
async fn a_customer_who_wants_more_than_the_limit_is_told_so() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    sqlx::query("UPDATE products SET per_customer = 1")
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
    assert_eq!(shop.buy("ann", "1", "sneaker").await.status, 201);
    let refused = shop.buy("ann", "2", "sneaker").await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "limit-reached")
    );
    assert_eq!(shop.buy("bob", "1", "sneaker").await.status, 201);
}

#[tokio::test]
async fn a_member_is_told_of_each_step_by_mail_once() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let (_, token) = shop.around.member("ann", Role::User).await;
    let order = shop.order("ann", "k", "sneaker", 2).bearer_auth(&token);
    let id = send(order.header("Prefer", "wait=20")).await.order_id();
    let cancel = shop
        .by("ann", Method::POST, &format!("/orders/{id}/cancel"))
        .bearer_auth(&token);
    assert_eq!(send(cancel.header("Prefer", "wait=20")).await.status, 200);
    let mails = async || shop.around.mails.to(Some("ann@x.example"));
    testbed::eventually(SOON, "two mails", async || mails().await.len() >= 2).await;
    let text = format!("{:?}", mails().await);
    assert!(
        text.contains("We keep your order") && text.contains("Your order was cancelled"),
        "{text}"
    );
    assert!(text.contains(&id), "{text}");
    assert_eq!(
        shop.count("SELECT count(*) FROM order_mails WHERE mailed_at IS NULL")
            .await,
        0
    );
    assert_eq!(mails().await.len(), 2);
}

#[tokio::test]
async fn two_instances_of_the_shop_write_each_mail_once() {
    let shop = TestShop::without_worker().await;
    shop.sells("sneaker", 50).await;
    let (_, token) = shop.around.member("ann", Role::User).await;
    for number in 0..20 {
        let order = shop
            .order("ann", &number.to_string(), "sneaker", 1)
            .bearer_auth(&token);
        assert_eq!(send(order).await.status, 202);
    }
    let _other = shop.around.start_api(testbed::free_address()).await;
    let _worker = shop.around.start_worker().await;
    let mails = async || shop.around.mails.to(Some("ann@x.example")).len();
    testbed::eventually(SOON, "all mails", async || mails().await >= 20).await;
    let unwritten = "SELECT count(*) FROM order_mails WHERE mailed_at IS NULL";
    assert_eq!(shop.count(unwritten).await, 0);
    let written = "SELECT count(*) FROM mails";
    assert_eq!((mails().await, shop.count(written).await), (20, 20));
}

/// The commit of the first mail of an order.
const FAILS_ONCE: &str = "
    CREATE SEQUENCE fault;
    CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('fault') = 1 THEN RAISE EXCEPTION 'this fails once'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON mails DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fail_once()";

#[tokio::test]
async fn a_mail_of_a_step_that_could_not_be_written_is_written_once() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let (_, token) = shop.around.member("ann", Role::User).await;
    sqlx::raw_sql(FAILS_ONCE)
        .execute(&shop.around.database.pool().await)
        .await
        .unwrap();
    let order = shop.order("ann", "k", "sneaker", 1).bearer_auth(&token);
    assert_eq!(send(order.header("Prefer", "wait=20")).await.status, 201);
    let mails = async || shop.around.mails.to(Some("ann@x.example")).len();
    testbed::eventually(SOON, "the mail", async || mails().await > 0).await;
    assert_eq!(
        shop.count("SELECT last_value FROM fault").await,
        2,
        "it failed once"
    );
    let written = "SELECT count(*) FROM mails";
    assert_eq!((mails().await, shop.count(written).await), (1, 1));
}
