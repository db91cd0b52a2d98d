//! Payments with which something goes wrong: reports that race or never come, money that is late, a provider that is away,
//! and shoppers who leave.

use crate::support::{Answer, CARD_PAID, SOON, TestShop, send};
use futures::future::join_all;
use reqwest::Method;
use sandbox_payments::Trouble;
use serde_json::{Value, json};
use testbed::{eventually, free_address};

const CARD_DECLINED: &str = "4000 0000 0000 0002";
const CARD_SLOW: &str = "4000 0000 0000 0028";
const CARD_TWICE: &str = "4000 0000 0000 0036";

/// How many payments took money that is kept.
const KEPT: &str = "SELECT count(*) FROM payments WHERE captured_minor > owed_back_minor";

impl TestShop {
    async fn execute(&self, statement: &'static str) {
        sqlx::query(statement)
            .execute(&self.around.database.pool().await)
            .await
            .unwrap();
    }

    /// As if nothing had been heard of any payment for a minute.
    async fn has_waited_for_reports(&self) {
        self.execute("UPDATE payments SET ask_at = clock_timestamp() WHERE ask_at IS NOT NULL")
            .await;
    }

    /// What a shopper does who comes back from the provider's page: looks, and presses the button again. Answers what that
    /// said.
    async fn comes_back(&self, shopper: &str, order_id: &str) -> Answer {
        let page = self.by(shopper, Method::GET, &format!("/orders/{order_id}"));
        let page = send(page.header("Accept", "text/html")).await;
        assert_eq!(page.status, 200, "{page:?}");
        self.pay(shopper, order_id).await
    }
}

#[tokio::test]
async fn a_report_that_races_with_the_redirect_pays_once() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 30).await;
    let cards = [CARD_PAID, CARD_SLOW, CARD_TWICE].into_iter().cycle().take(18);
    let races = cards.enumerate().map(async |(number, card)| {
        let shopper = format!("shopper{number}");
        let id = shop.buy(&shopper, "k", "sneaker").await.order_id();
        let checkout = shop.pay(&shopper, &id).await;
        let (_, again) = tokio::join!(shop.confirm(&checkout, card), shop.comes_back(&shopper, &id));
        match again.status {
            200 => assert_eq!(again.json(), checkout.json(), "an order has one payment"),
            _ => assert_eq!((again.status, again.problem().as_str()), (409, "not-payable")),
        }
        shop.order_becomes(&shopper, &id, "paid").await;
    });
    join_all(races).await;
    assert_eq!(shop.count("SELECT sold FROM stock").await, 18);
    assert_eq!(shop.count(KEPT).await, 18);
    assert_eq!(shop.count("SELECT count(*) FROM refunds").await, 0);
}

#[tokio::test]
async fn who_is_back_and_pays_again_before_any_report_pays_once() {
    let all_lost = Trouble {
        lost: 100,
        ..Trouble::default()
    };
    let shop = TestShop::with_trouble(all_lost).await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    let checkout = shop.pay("ann", &id).await;
    shop.confirm(&checkout, CARD_PAID).await;
    let again = shop.comes_back("ann", &id).await;
    assert_eq!((again.status, again.json()), (200, checkout.json()));
    assert_eq!(shop.confirm(&again, CARD_PAID).await["state"], "captured");
    assert_eq!(
        shop.order_of("ann", &id).await.json()["state"],
        "held",
        "nobody has told"
    );

    shop.has_waited_for_reports().await;
    shop.order_becomes("ann", &id, "paid").await;
    assert_eq!(shop.count("SELECT sold FROM stock").await, 1);
    assert_eq!(shop.count(KEPT).await, 1);
}

#[tokio::test]
async fn money_that_comes_after_the_hold_buys_the_units_again_or_goes_back() {
    let shop = TestShop::open().await;
    for (product, is_taken, state) in [("boot", false, "paid"), ("sneaker", true, "refunded")] {
        shop.sells(product, 1).await;
        let id = shop.buy("ann", product, product).await.order_id();
        let checkout = shop.pay("ann", &id).await;
        shop.execute("UPDATE holds SET expires_at = clock_timestamp() WHERE open")
            .await;
        shop.order_becomes("ann", &id, "expired").await;
        let too_late = shop.pay("ann", &id).await;
        assert_eq!(
            (too_late.status, too_late.problem().as_str()),
            (409, "not-payable")
        );
        eventually(SOON, "it is for sale again", async || {
            shop.available(product).await == Some(1)
        })
        .await;
        if is_taken {
            assert_eq!(shop.buy("bob", product, product).await.status, 201);
        }
        shop.confirm(&checkout, CARD_PAID).await;
        let order = shop.order_becomes("ann", &id, state).await;
        let refunds = shop.payment(&checkout).await["refunds"].clone();
        if is_taken {
            assert_eq!(order["refund_reason"], "units_gone");
            assert_eq!(refunds[0]["amount"]["minor"], 5_000);
        } else {
            assert_eq!(refunds, json!([]));
        }
    }
    assert_eq!(
        shop.count("SELECT sum(10 * sold + held)::bigint FROM stock")
            .await,
        11,
        "one sold, and one held for bob"
    );
}

#[tokio::test]
async fn a_payment_that_cannot_be_started_now_is_started_later() {
    let mut shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    let nowhere = format!("http://{}", free_address());
    shop.restart_with("CATALOG_API_PAYMENTS_URL", &nowhere).await;
    let refused = shop.pay("ann", &id).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(shop.order_of("ann", &id).await.json()["state"], "held");
    shop.restart().await;
    shop.confirm(&shop.pay("ann", &id).await, CARD_PAID).await;
    shop.order_becomes("ann", &id, "paid").await;
}

#[tokio::test]
async fn an_order_costs_and_is_called_what_it_was_when_it_was_placed() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let before = shop.buy("ann", "k", "sneaker").await.json();
    let id = before["order_id"].as_str().unwrap();
    shop.execute("UPDATE products SET price_minor = 7000, name = 'Another', updated_at = clock_timestamp()")
        .await;
    let another = async || shop.get("/products/sneaker").await.json()["name"] == "Another";
    eventually(SOON, "it has another name and price", another).await;

    let checkout = shop.pay("ann", id).await;
    let payment = shop.payment(&checkout).await;
    assert_eq!(payment["amount"]["minor"], 5_000);
    let name = before["lines"][0]["name"].as_str().unwrap();
    assert_eq!(payment["description"], format!("1 × {name}"));
    shop.confirm(&checkout, CARD_PAID).await;
    let paid = shop.order_becomes("ann", id, "paid").await;
    assert_eq!(
        (&paid["lines"], &paid["total"]),
        (&before["lines"], &before["total"])
    );
    let later = shop.buy("bob", "k", "sneaker").await.json();
    assert_eq!(
        (&later["lines"][0]["name"], &later["total"]["minor"]),
        (&json!("Another"), &json!(7_000))
    );
}

/// Orders one, goes to pay, and pays if nothing comes between. Answers the order and where it was to be paid.
async fn goes_to_pay(shop: &TestShop, shopper: &str, card: &str) -> (String, Answer) {
    let id = shop.buy(shopper, "k", "sneaker").await.order_id();
    let checkout = shop.pay(shopper, &id).await;
    shop.confirm(&checkout, card).await;
    (id, checkout)
}

#[tokio::test]
async fn while_a_fifth_of_everything_goes_wrong_each_order_ends_as_its_payment_does() {
    let fifth = Trouble {
        drop_off_at_entry: 20,
        drop_off: 20,
        lost: 20,
        doubled: 20,
        late: 20,
    };
    let shop = TestShop::with_trouble(fifth).await;
    shop.sells("sneaker", 100).await;
    let cards = [CARD_PAID, CARD_SLOW, CARD_TWICE, CARD_DECLINED];
    let shoppers: Vec<String> = (0..40).map(|number| format!("shopper{number}")).collect();
    let pairs = shoppers.iter().zip(cards.into_iter().cycle());
    let orders = join_all(pairs.map(|(shopper, card)| goes_to_pay(&shop, shopper, card))).await;

    eventually(SOON, "every payment has ended", async || {
        shop.has_waited_for_reports().await;
        shop.count("SELECT count(*) FROM holds WHERE open").await == 0
    })
    .await;
    let (mut captured, mut abandoned) = (0, 0);
    for (shopper, (id, checkout)) in shoppers.iter().zip(&orders) {
        let state = match shop.payment(checkout).await["state"].as_str() {
            Some("captured") => "paid",
            Some("failed") => "payment_failed",
            Some("abandoned") => "payment_abandoned",
            other => panic!("a payment that is {other:?}"),
        };
        captured += i64::from(state == "paid");
        abandoned += i64::from(state == "payment_abandoned");
        let order: Value = shop.order_of(shopper, id).await.json();
        assert_eq!(order["state"], state, "{order}");
    }
    assert!(captured > 0 && abandoned > 0, "{captured} {abandoned}");
    assert_eq!(shop.count("SELECT sold FROM stock").await, captured);
    assert_eq!(shop.count("SELECT held FROM stock").await, 0);
    assert_eq!(shop.count(KEPT).await, captured);
    assert_eq!(shop.count("SELECT count(*) FROM refunds").await, 0);
}
