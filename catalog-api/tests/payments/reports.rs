//! From the checkout to the paid order, and reports that are forged, repeated or malformed.

use crate::support::{self, Answer, CARD_PAID, SECRET, TestShop, send};
use clock::{Clock, SystemClock};
use contract::Money;
use payments::{PaymentReport, Report, webhooks::WebhookSecret};
use reqwest::Method;
use serde_json::{Value, json};

fn captured(order_id: &str) -> Vec<u8> {
    let report = PaymentReport {
        payment_id: "pay_1".to_owned(),
        order_id: order_id.parse().unwrap(),
        amount: Money::new(5_000, "KRW".parse().unwrap()),
        reason: None,
    };
    Report::Captured(report).to_body(SystemClock.utc()).unwrap()
}

/// Sends a webhook signed with `secret`.
async fn webhook(shop: &TestShop, secret: &str, id: &str, sent_at: u64, body: Vec<u8>) -> Answer {
    let signature = WebhookSecret::parse(secret).unwrap().sign(id, sent_at, &body);
    let request = shop.request(Method::POST, "/webhooks/payments");
    let request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", sent_at.to_string());
    let request = request
        .header("webhook-signature", signature)
        .header("content-type", "application/json");
    send(request.body(body)).await
}

fn now() -> u64 {
    SystemClock.unix_ms() / 1000
}

#[tokio::test]
async fn an_order_is_paid_by_the_providers_word() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    let checkout = shop.pay("ann", &id).await;
    assert_eq!(checkout.status, 200, "{checkout:?}");
    assert_eq!(
        shop.pay("ann", &id).await.json(),
        checkout.json(),
        "an order has one checkout"
    );
    shop.confirm(&checkout, CARD_PAID).await;
    let paid = shop.order_becomes("ann", &id, "paid").await;
    assert_eq!(paid["total"]["minor"], 5_000);
    assert_eq!(shop.count("SELECT sold FROM stock").await, 1);
    let twice = shop.pay("ann", &id).await;
    assert_eq!((twice.status, twice.problem().as_str()), (409, "not-payable"));
}

#[tokio::test]
async fn a_paid_order_that_is_cancelled_gives_units_and_money_back_once() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    shop.confirm(&shop.pay("ann", &id).await, CARD_PAID).await;
    shop.order_becomes("ann", &id, "paid").await;
    let back = send(shop.by("ann", Method::POST, &format!("/orders/{id}/return"))).await;
    assert_eq!((back.status, back.problem().as_str()), (409, "not-returnable"));

    for _twice in 0..2 {
        let cancel = shop.by("ann", Method::POST, &format!("/orders/{id}/cancel"));
        let cancelled = send(cancel.header("Prefer", "wait=20")).await;
        assert_eq!(cancelled.status, 200, "{cancelled:?}");
        assert_eq!(cancelled.json()["refund_reason"], "cancelled");
    }
    let refunded = shop.order_becomes("ann", &id, "refunded").await;
    assert_eq!(refunded["refunded"]["minor"], 5_000);
    assert_eq!(shop.count("SELECT sold FROM stock").await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM refunds").await, 1);
}

#[tokio::test]
async fn an_order_whose_payment_started_is_held_longer() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let held = shop.buy("ann", "k", "sneaker").await.json();
    let id = held["order_id"].as_str().unwrap();
    assert_eq!(shop.pay("ann", id).await.status, 200);
    let before = held["hold_expires_at_unix_ms"].as_u64().unwrap();
    testbed::eventually(support::SOON, "the hold is longer", async || {
        let now = shop.order_of("ann", id).await.json();
        now["hold_expires_at_unix_ms"].as_u64() == Some(before + 600_000)
    })
    .await;
}

#[tokio::test]
async fn every_card_leads_where_it_says() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    for (card, state) in [
        ("4000 0000 0000 0002", "payment_failed"),
        ("4000 0000 0000 0028", "paid"),
        ("4000 0000 0000 0036", "paid"),
    ] {
        let id = shop.buy(&card.replace(' ', ""), "k", "sneaker").await.order_id();
        let shopper = card.replace(' ', "");
        shop.confirm(&shop.pay(&shopper, &id).await, card).await;
        shop.order_becomes(&shopper, &id, state).await;
    }
    assert_eq!(shop.count("SELECT sold FROM stock").await, 2);
    assert_eq!(shop.count("SELECT held FROM stock").await, 0);
}

#[tokio::test]
async fn only_signed_fresh_and_readable_reports_are_taken() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    let forger = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let stranger = "00000000-0000-8000-8000-000000000000";
    let unknown_type =
        json!({ "type": "payment.disputed", "timestamp": "2026-11-21T00:00:00Z", "data": Value::Null });
    for (secret, sent_at, body, status) in [
        (forger, now(), captured(&id), 401),
        (SECRET, now() - 600, captured(&id), 401),
        (SECRET, now() + 600, captured(&id), 401),
        (SECRET, now(), b"{".to_vec(), 400),
        (SECRET, now(), b"{}".to_vec(), 400),
        (SECRET, now(), captured(stranger), 422),
        (SECRET, now(), unknown_type.to_string().into_bytes(), 204),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = webhook(&shop, secret, "msg_bad", sent_at, body).await;
        assert_eq!(answer.status, status, "{shown}");
        assert!(status == 204 || !answer.problem().is_empty());
    }
    assert_eq!(
        shop.order_of("ann", &id).await.json()["state"],
        "held",
        "none of these paid anything"
    );

    for _twice in 0..2 {
        assert_eq!(
            webhook(&shop, SECRET, "msg_good", now(), captured(&id))
                .await
                .status,
            204
        );
    }
    shop.order_becomes("ann", &id, "paid").await;
    assert_eq!(shop.count("SELECT sold FROM stock").await, 1);
}

#[tokio::test]
async fn a_report_that_the_broker_did_not_take_is_asked_for_again() {
    let shop = TestShop::open().await;
    shop.sells("sneaker", 5).await;
    let id = shop.buy("ann", "k", "sneaker").await.order_id();
    shop.around.amqp.cut();
    let refused = webhook(&shop, SECRET, "msg_1", now(), captured(&id)).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (503, "not-confirmed")
    );
    shop.around.amqp.heal();
    testbed::eventually(support::SOON, "the report is taken", async || {
        webhook(&shop, SECRET, "msg_1", now(), captured(&id)).await.status == 204
    })
    .await;
    shop.order_becomes("ann", &id, "paid").await;
}
