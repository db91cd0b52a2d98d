//! Webhooks out, received by a server that takes them, refuses them, or is not there.

use crate::shop::{SOON, Shop, cancel, order_id, place};
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use clock::{Clock, SystemClock};
use order_worker::reconcilers::{Reconciler, SendWebhooks};
use payments::webhooks::{SignedHeaders, WebhookMaster};
use sqlx::query;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};
use testbed::eventually;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use uuid::Uuid;

const MASTER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came, by its name, and what is answered.
#[derive(Clone)]
pub struct Partner {
    endpoint: Uuid,
    pub answers: Arc<AtomicU16>,
    pub taken: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

async fn take(State(partner): State<Partner>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap();
    let signed = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
    };
    let secret = master().secret_of(&partner.endpoint.to_string());
    secret
        .verify(signed, &body, SystemClock.unix_ms() / 1_000)
        .unwrap();
    let status = StatusCode::from_u16(partner.answers.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        let told = (signed.id.to_owned(), serde_json::from_slice(&body).unwrap());
        partner.taken.lock().unwrap().push(told);
    }
    status
}

fn master() -> WebhookMaster {
    WebhookMaster::parse(MASTER).unwrap()
}

impl Partner {
    /// A partner of the shop that answers 204.
    pub async fn of(shop: &Shop) -> Self {
        let partner = Self {
            endpoint: Uuid::from_bytes(clock::random_bytes()),
            answers: Arc::new(AtomicU16::new(204)),
            taken: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/hooks", post(take))
            .with_state(partner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        shop.store().add_endpoint(partner.endpoint, &url).await.unwrap();
        partner
    }

    fn kinds(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let mut kinds: Vec<String> = taken
            .iter()
            .map(|(_, told)| told["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds
    }
}

impl Shop {
    pub fn webhooks(&self, ahead: Duration) -> SendWebhooks {
        SendWebhooks::new(self.store().ahead(ahead), master(), Arc::new(SystemClock)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_hears_of_each_step_once_by_a_running_worker() {
    let shop = Shop::open(&[1]).await;
    let partner = Partner::of(&shop).await;
    let (worker, listen) = shop.worker_at(shop.namespace.url(), shop.database.url());
    let worker = worker.env("ORDER_WORKER_WEBHOOK_KEY", MASTER);
    let _worker = worker.ready_at(listen, "/readyz").start().await;
    shop.send(place(1, &[("p0", 1)])).await;
    shop.send(cancel(1)).await;
    eventually(SOON, "both steps", async || {
        partner.kinds() == ["order.cancelled", "order.held"]
    })
    .await;
    let taken = partner.taken.lock().unwrap().clone();
    assert_eq!(taken[0].1["data"]["order"]["order_id"], order_id(1).to_string());
    assert_ne!(taken[0].0, taken[1].0, "each has a name of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_comes_again_later_and_under_the_same_name() {
    let shop = Shop::open(&[1]).await;
    let partner = Partner::of(&shop).await;
    shop.store().apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    partner.answers.store(500, Ordering::SeqCst);
    assert_eq!(shop.webhooks(Duration::ZERO).run().await.unwrap().count, 0);
    partner.answers.store(204, Ordering::SeqCst);
    assert_eq!(
        shop.webhooks(Duration::ZERO).run().await.unwrap().count,
        0,
        "after a pause"
    );
    assert!(shop.store().endpoints().await.unwrap()[0].failing_since.is_some());
    assert_eq!(shop.webhooks(Duration::minutes(5)).run().await.unwrap().count, 1);
    assert_eq!(shop.store().endpoints().await.unwrap()[0].failing_since, None);
    assert_eq!(
        shop.webhooks(Duration::days(1)).run().await.unwrap().count,
        0,
        "once"
    );

    let again = shop
        .store()
        .replay_webhooks(partner.endpoint, OffsetDateTime::UNIX_EPOCH)
        .await;
    assert_eq!(again.unwrap(), Some(1));
    assert_eq!(shop.webhooks(Duration::ZERO).run().await.unwrap().count, 1);
    let taken = partner.taken.lock().unwrap().clone();
    assert_eq!(taken[0], taken[1], "whoever has seen it knows it by its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_a_day_is_given_up_and_holds_up_nobody_else() {
    let shop = Shop::open(&[5]).await;
    let (deaf, well) = (Partner::of(&shop).await, Partner::of(&shop).await);
    deaf.answers.store(503, Ordering::SeqCst);
    shop.store().apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    assert_eq!(shop.webhooks(Duration::ZERO).run().await.unwrap().count, 1);
    query("UPDATE webhook_endpoints SET failing_since = failing_since - interval '25 hours'")
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.webhooks(Duration::hours(7)).run().await.unwrap();
    let endpoints = shop.store().endpoints().await.unwrap();
    let given_up = |partner: &Partner| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.id == partner.endpoint);
        endpoint.unwrap().disabled_at.is_some()
    };
    assert_eq!((given_up(&deaf), given_up(&well)), (true, false));

    shop.store().apply(&[place(2, &[("p0", 1)])]).await.unwrap();
    assert_eq!(
        shop.webhooks(Duration::days(1)).run().await.unwrap().count,
        1,
        "only the other one"
    );
    deaf.answers.store(204, Ordering::SeqCst);
    let now =
        OffsetDateTime::from_unix_timestamp(i64::try_from(SystemClock.unix_ms() / 1_000).unwrap()).unwrap();
    shop.store().replay_webhooks(deaf.endpoint, now).await.unwrap();
    shop.webhooks(Duration::ZERO).run().await.unwrap();
    assert!(
        deaf.kinds().contains(&"order.held".to_owned()),
        "what it missed while it was failing"
    );
}
