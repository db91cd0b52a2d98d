//! Webhooks out, received by a server that takes them, refuses them, or is not there.

use crate::shop::{SOON, Shop, WEBHOOK_KEY, cancel, order_id, place};
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use clock::{Clock, SystemClock};
use order_worker::reconcilers::{Reconciler, SendWebhooks};
use payments::webhooks::{SignedHeaders, WebhookMaster};
use sqlx::{query, query_scalar};
use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicU16, Ordering},
};
use testbed::eventually;
use time::{Duration, OffsetDateTime};
use tokio::{net::TcpListener, time::Instant};
use uuid::Uuid;

/// What came, by its name, and what is answered.
#[derive(Clone)]
pub struct Partner {
    endpoint: Arc<OnceLock<Uuid>>,
    pub answers: Arc<AtomicU16>,
    /// How often it was tried.
    tries: Arc<AtomicU16>,
    pub taken: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
}

async fn take(State(partner): State<Partner>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap();
    let signed = SignedHeaders {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
    };
    let secret = master().secret_of(&partner.endpoint().to_string());
    secret
        .verify(signed, &body, SystemClock.unix_ms() / 1_000)
        .unwrap();
    partner.tries.fetch_add(1, Ordering::SeqCst);
    let status = StatusCode::from_u16(partner.answers.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        let told = (signed.id.to_owned(), serde_json::from_slice(&body).unwrap());
        partner.taken.lock().unwrap().push(told);
    }
    status
}

fn master() -> WebhookMaster {
    WebhookMaster::parse(WEBHOOK_KEY).unwrap()
}

impl Partner {
    /// A partner of the shop that answers 204.
    pub async fn of(shop: &Shop) -> Self {
        let (partner, url) = Self::listens().await;
        let endpoint = Uuid::from_bytes(clock::random_bytes());
        partner.endpoint.set(endpoint).unwrap();
        shop.store().add_endpoint(endpoint, &url).await.unwrap();
        partner
    }

    /// Somebody who answers 204, and where.
    async fn listens() -> (Self, String) {
        let partner = Self {
            endpoint: Arc::default(),
            answers: Arc::new(AtomicU16::new(204)),
            tries: Arc::default(),
            taken: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/hooks", post(take))
            .with_state(partner.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (partner, url)
    }

    fn endpoint(&self) -> Uuid {
        *self.endpoint.get().expect("an endpoint of the shop")
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
    let worker = worker.env("ORDER_WORKER_WEBHOOK_KEY", WEBHOOK_KEY);
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
        .replay_webhooks(partner.endpoint(), OffsetDateTime::UNIX_EPOCH)
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
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint.id == partner.endpoint());
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
    shop.store().replay_webhooks(deaf.endpoint(), now).await.unwrap();
    shop.webhooks(Duration::ZERO).run().await.unwrap();
    assert!(
        deaf.kinds().contains(&"order.held".to_owned()),
        "what it missed while it was failing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_with_very_much_to_take_keeps_no_other_waiting() {
    let shop = Shop::open(&[200]).await;
    let deaf = Partner::of(&shop).await;
    deaf.answers.store(503, Ordering::SeqCst);
    let orders: Vec<_> = (0..100).map(|number| place(number, &[("p0", 1)])).collect();
    shop.store().apply(&orders).await.unwrap();
    let well = Partner::of(&shop).await;
    shop.store().apply(&[place(100, &[("p0", 1)])]).await.unwrap();
    assert_eq!(shop.webhooks(Duration::ZERO).run().await.unwrap().count, 1);
    assert_eq!(well.kinds(), ["order.held"]);

    let tried = deaf.tries.load(Ordering::SeqCst);
    shop.webhooks(Duration::ZERO).run().await.unwrap();
    assert_eq!(deaf.tries.load(Ordering::SeqCst), tried, "left alone for a while");
    let later = shop.webhooks(Duration::hours(1));
    later.run().await.unwrap();
    assert_eq!(deaf.tries.load(Ordering::SeqCst), tried + 1, "tried with one");
    deaf.answers.store(204, Ordering::SeqCst);
    let mut told = 0;
    while told < 101 {
        let count = later.run().await.unwrap().count;
        assert!(count > 0, "{told} of 101");
        told += count;
    }
    assert_eq!(deaf.kinds().len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_grow_fourfold_up_to_six_hours() {
    let shop = Shop::open(&[1]).await;
    let partner = Partner::of(&shop).await;
    partner.answers.store(500, Ordering::SeqCst);
    shop.store().apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    let webhooks = shop.webhooks(Duration::hours(7));
    for pause in [
        5.0, 20.0, 80.0, 320.0, 1_280.0, 5_120.0, 20_480.0, 21_600.0, 21_600.0,
    ] {
        let tried = Instant::now();
        assert_eq!(webhooks.run().await.unwrap().count, 0);
        let left =
            "SELECT extract(epoch FROM next_attempt_at - clock_timestamp())::float8 FROM webhook_deliveries";
        let left: f64 = query_scalar(left).fetch_one(&shop.pool).await.unwrap();
        let least = pause - tried.elapsed().as_secs_f64();
        assert!((least..=pause).contains(&left), "{left} instead of {pause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_looked_after_by_command() {
    let shop = Shop::open(&[1]).await;
    let (partner, url) = Partner::listens().await;
    let added = shop.command(&["webhooks", "add", &url]).await;
    let (id, secret) = added.trim().split_once('\n').expect("a name and a secret");
    assert_eq!(secret, master().secret_of(id).to_text());
    assert_eq!(
        shop.command(&["webhooks", "secret", id]).await,
        format!("{secret}\n")
    );
    partner.endpoint.set(id.parse().unwrap()).unwrap();

    partner.answers.store(500, Ordering::SeqCst);
    shop.store().apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    let list = &["webhooks", "list"];
    let well = format!("{id}\t{url}\twell\t1 waiting\n");
    assert_eq!(shop.command(list).await, well);
    shop.webhooks(Duration::ZERO).run().await.unwrap();
    let failing = shop.command(list).await;
    assert!(failing.contains("failing since"), "{failing}");

    partner.answers.store(204, Ordering::SeqCst);
    let replay = ["webhooks", "replay", id, "--since", "2026-01-01T00:00:00Z"];
    assert_eq!(shop.command(&replay).await, "1 told again\n");
    assert_eq!(shop.webhooks(Duration::ZERO).run().await.unwrap().count, 1);
    assert_eq!(partner.kinds(), ["order.held"]);

    let remove = &["webhooks", "remove", id];
    assert_eq!(shop.command(remove).await, "removed\n");
    assert_eq!(shop.command(list).await, "");
    let unknown = format!("there is no endpoint {id}");
    for gone in [&remove[..], &replay] {
        let said = shop.command(gone).await;
        assert!(said.contains(&unknown), "{gone:?}: {said}");
    }
    let wrong = shop.command(&["webhooks", "add", "ftp://partner.example"]).await;
    assert!(wrong.contains("begins with http"), "{wrong}");
}
