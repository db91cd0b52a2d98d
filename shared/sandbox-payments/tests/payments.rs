//! The sandbox over real HTTP, with a shop that listens to its webhooks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use contract::{Money, OrderId, ShopperId};
use payments::{
    CheckoutRequest, HttpProvider, PaymentProvider, Report,
    api::{Payment, PaymentState},
    webhooks::{SignedHeaders, WebhookSecret},
};
use sandbox_payments::{App, Settings, Trouble, router};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use testbed::eventually;

const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A shop that listens to webhooks.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Inbox>>);

/// How many webhooks the shop still refuses, and those that it took, by name.
#[derive(Default)]
struct Inbox {
    refusals: usize,
    taken: Vec<(String, Report)>,
}

impl Shop {
    fn taken(&self) -> Vec<(String, Report)> {
        self.0.lock().unwrap().taken.clone()
    }
}

async fn webhook(State(shop): State<Shop>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap();
    let signed = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
    };
    let sent_at = signed.timestamp.parse().unwrap();
    WebhookSecret::parse(SECRET)
        .unwrap()
        .verify(signed, &body, sent_at)
        .expect("the signature verifies");
    let mut inbox = shop.0.lock().unwrap();
    if inbox.refusals > 0 {
        inbox.refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inbox
        .taken
        .push((signed.id.to_owned(), Report::parse(&body).unwrap()));
    StatusCode::NO_CONTENT
}

struct Sandbox {
    base: String,
    shop: Shop,
    http: reqwest::Client,
}

impl Sandbox {
    async fn start() -> Self {
        Self::with_trouble(Trouble::default()).await
    }

    async fn with_trouble(trouble: Trouble) -> Self {
        let shop = Shop::default();
        let shop_address = serve(Router::new().route("/w", post(webhook)).with_state(shop.clone())).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let base = format!("http://{listen}");
        let settings = Settings {
            listen,
            public_url: base.clone(),
            webhook_url: format!("http://{shop_address}/w"),
            secret: WebhookSecret::parse(SECRET).unwrap(),
            slow: Duration::from_millis(300),
        };
        let app = router(App::with_trouble(settings, trouble).unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { base, shop, http }
    }

    fn provider(&self) -> HttpProvider {
        HttpProvider::at(&self.base).unwrap()
    }

    /// Opens the payment of the order that `key` names.
    async fn open(&self, key: &str) -> String {
        self.provider()
            .create_checkout(&request(key, 129_000))
            .await
            .unwrap()
            .reference
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self
            .http
            .post(format!("{}{path}", self.base))
            .json(&body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn confirm(&self, id: &str, card: &str) -> PaymentState {
        let (status, payment) = self
            .post(
                &format!("/v1/payments/{id}/confirm"),
                json!({ "card_number": card }),
            )
            .await;
        assert_eq!(status, 200, "{payment}");
        serde_json::from_value::<Payment>(payment).unwrap().state
    }

    async fn takes(&self, count: usize) -> Vec<(String, Report)> {
        eventually(SOON, "the shop takes the webhooks", async || {
            self.shop.taken().len() >= count
        })
        .await;
        self.shop.taken()
    }
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn request(key: &str, minor: i64) -> CheckoutRequest {
    CheckoutRequest {
        order_id: OrderId::derive(&ShopperId::of_session("ann"), key, 1),
        amount: Money::new(minor, "KRW".parse().unwrap()),
        description: "1 × <Sneaker>".to_owned(),
        return_url: "http://shop.example/orders/1".to_owned(),
    }
}

#[tokio::test]
async fn a_payment_is_opened_once_and_its_money_goes_back_once() {
    let sandbox = Sandbox::start().await;
    let provider = sandbox.provider();
    let first = provider.create_checkout(&request("k", 129_000)).await.unwrap();
    assert_eq!(
        provider.create_checkout(&request("k", 129_000)).await.unwrap(),
        first
    );
    assert!(
        !provider
            .create_checkout(&request("k", 1))
            .await
            .unwrap_err()
            .is_retryable()
    );

    let amount = Money::new(129_000, "KRW".parse().unwrap());
    assert!(
        !provider
            .refund(&first.reference, "r", amount)
            .await
            .unwrap_err()
            .is_retryable()
    );
    assert_eq!(
        sandbox.confirm(&first.reference, "4242 4242 4242 4242").await,
        PaymentState::Captured
    );
    for _again in 0..2 {
        provider.refund(&first.reference, "r", amount).await.unwrap();
    }
    let mut reports: Vec<Report> = sandbox
        .takes(2)
        .await
        .into_iter()
        .map(|(_, report)| report)
        .collect();
    reports.sort_by_key(|report| matches!(report, Report::Refunded(_)));
    assert!(
        matches!(&reports[..], [Report::Captured(paid), Report::Refunded(back)] if paid.amount == back.amount)
    );
}

#[tokio::test]
async fn each_card_goes_its_way() {
    let sandbox = Sandbox::start().await;
    for (card, state) in [
        ("4242424242424242", PaymentState::Captured),
        ("4000 0000 0000 0002", PaymentState::Failed),
        ("4000 0000 0000 0010", PaymentState::Abandoned),
        ("4000 0000 0000 0028", PaymentState::Processing),
        ("4000 0000 0000 0036", PaymentState::Captured),
    ] {
        let id = sandbox.open(card).await;
        assert_eq!(sandbox.confirm(&id, card).await, state, "{card}");
        assert_eq!(
            sandbox.confirm(&id, "4242424242424242").await,
            state,
            "a second confirmation changes nothing"
        );
    }
    // One paid, one declined, one slow, and one twice under one name; the abandoned one is silent.
    let taken = sandbox.takes(5).await;
    let failed = taken
        .iter()
        .filter(|(_, report)| matches!(report, Report::Failed(_)))
        .count();
    let names: std::collections::BTreeSet<&String> = taken.iter().map(|(name, _)| name).collect();
    assert_eq!((taken.len(), failed, names.len()), (5, 1, 4));
}

#[tokio::test]
async fn a_fifth_of_the_shoppers_never_come_and_a_fifth_of_the_others_leave() {
    let sandbox = Sandbox::with_trouble(Trouble {
        drop_off_at_entry: 20,
        drop_off: 20,
        ..Trouble::default()
    });
    let sandbox = sandbox.await;
    let provider = sandbox.provider();
    let (mut never_came, mut left, mut paid) = (0, 0, 0);
    for number in 0..300 {
        let asked = request(&number.to_string(), 129_000);
        let id = provider.create_checkout(&asked).await.unwrap().reference;
        if provider.find(&id).await.unwrap().state == PaymentState::Abandoned {
            never_came += 1;
            continue;
        }
        match sandbox.confirm(&id, "4242424242424242").await {
            PaymentState::Abandoned => left += 1,
            PaymentState::Captured => paid += 1,
            other => panic!("{other:?}"),
        }
    }
    // Six standard deviations to either side.
    assert!((19..=101).contains(&never_came), "{never_came} of 300");
    assert!((11..=85).contains(&left), "{left} of {}", left + paid);
    let reports = sandbox.takes(paid).await;
    assert!(
        reports
            .iter()
            .all(|(_, report)| matches!(report, Report::Captured(_)))
    );
    assert_eq!(reports.len(), paid, "of the others nobody hears");
}

#[tokio::test]
async fn a_webhook_is_sent_again_until_it_is_taken() {
    let sandbox = Sandbox::start().await;
    sandbox.shop.0.lock().unwrap().refusals = 3;
    let id = sandbox.open("k").await;
    sandbox.confirm(&id, "4242424242424242").await;
    assert!(matches!(&sandbox.takes(1).await[..], [(_, Report::Captured(paid))] if paid.payment_id == id));
}

#[tokio::test]
async fn the_checkout_page_is_a_plain_form() {
    let sandbox = Sandbox::start().await;
    let checkout = sandbox
        .provider()
        .create_checkout(&request("k", 129_000))
        .await
        .unwrap();
    let page = sandbox.http.get(&checkout.url).send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("form-action 'self' http://shop.example;"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    for text in [
        "129,000 KRW",
        "1 × &lt;Sneaker&gt;",
        "4242 4242 4242 4242",
        "is declined",
    ] {
        assert!(page.contains(text), "{text} is not on the page");
    }

    let form = |card: &str| format!("card_number={}", card.replace(' ', "+"));
    let send = async |body: String| {
        let request = sandbox.http.post(&checkout.url).body(body);
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .send()
            .await
            .unwrap()
    };
    assert_eq!(send(form("1234")).await.status(), 422);
    assert_eq!(send(String::new()).await.status(), 422);
    let back = send(form("4242 4242 4242 4242")).await;
    assert_eq!(
        (back.status().as_u16(), &back.headers()["location"]),
        (303, &"http://shop.example/orders/1".parse().unwrap())
    );
    let again = sandbox
        .http
        .get(&checkout.url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(again.contains("finished"), "{again}");
}

#[tokio::test]
async fn bad_input_is_answered_with_a_problem() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.open("k").await;
    let confirm = format!("/v1/payments/{id}/confirm");
    let huge = json!({ "card_number": "4".repeat(20_000) });
    for (path, body, status) in [
        ("/v1/payments", json!({}), 422),
        ("/v1/payments/pay_none/confirm", json!({}), 404),
        (
            "/v1/payments/pay_none/refunds",
            json!({ "refund_id": "r", "amount": { "minor": 1, "currency": "KRW" } }),
            404,
        ),
        (&confirm, json!({ "card_number": "1" }), 422),
        (&confirm, json!({ "card": "1" }), 422),
        (&confirm, huge, 413),
        ("/v1/nothing", json!({}), 404),
        ("/livez", json!({}), 405),
    ] {
        let (answered, problem) = sandbox.post(path, body).await;
        assert_eq!(
            (answered, problem["status"].as_u64()),
            (status, Some(u64::from(status))),
            "{path} {problem}"
        );
    }
}
