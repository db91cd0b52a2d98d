//! A shopper who orders, pays, cancels, or walks away, and who asks again until there is an answer.

use super::{ledger::Ledger, stage::PRODUCTS};
use crate::{
    crowd::micros,
    http::{self, Connection},
    ordering::Order,
};
use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// How long an answer may take before the shopper gives the connection up.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long a shopper goes on asking.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause before a request is sent again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// The longest pause between two orders, milliseconds.
const PAUSE_MAX_MS: u64 = 60;
/// Cards of the sandbox: paid, reported twice, slow, declined.
const CARDS: [&str; 4] = [
    "4242424242424242",
    "4000000000000036",
    "4000000000000028",
    "4000000000000002",
];

/// One of them.
pub struct Shopper {
    pub number: u64,
    pub pass: String,
    /// What it does follows from this.
    pub rng: Xoshiro256PlusPlus,
    pub shop: SocketAddr,
    pub provider: SocketAddr,
    pub ledger: Arc<Ledger>,
    pub stop: Arc<AtomicBool>,
    pub connection: Option<Connection>,
}

/// An answer that says how things are.
struct Answered {
    status: u16,
    body: Vec<u8>,
    has_retry_after: bool,
    /// Whether the request was sent before, and nobody knows what became of that.
    is_doubtful: bool,
}

/// What somebody does about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Pay,
    Cancel,
    PayAndCancel,
    Leave,
}

impl Shopper {
    /// Orders until it is told to stop.
    pub async fn live(mut self) {
        for turn in 0_u64.. {
            if self.stop.load(Relaxed) {
                return;
            }
            self.order(turn).await;
            sleep(Duration::from_millis(self.rng.random_range(0..PAUSE_MAX_MS))).await;
        }
    }

    async fn order(&mut self, turn: u64) {
        let lines = self.wish();
        let entry = self.ledger.begin(lines.clone());
        let request = self.placing(turn, &lines);
        let Some(id) = self.place(entry, &request).await else {
            return;
        };
        if self.rng.random_range(0..10) == 0 {
            // An impatient click: the same request once more is the same order.
            self.place(entry, &request).await;
        }
        match self.doing() {
            Doing::Pay => self.pay(&id).await,
            Doing::Cancel => self.cancel(&id).await,
            Doing::PayAndCancel => {
                self.pay(&id).await;
                self.cancel(&id).await;
            }
            Doing::Leave => {}
        }
    }

    /// One product or two, one unit or two.
    fn wish(&mut self) -> BTreeMap<String, i64> {
        let lines = self.rng.random_range(1..=2);
        (0..lines)
            .map(|_| {
                let (product, _) = PRODUCTS[self.rng.random_range(0..PRODUCTS.len())];
                (product.to_owned(), self.rng.random_range(1..=2))
            })
            .collect()
    }

    fn doing(&mut self) -> Doing {
        match self.rng.random_range(0..10) {
            0..4 => Doing::Pay,
            4..6 => Doing::Cancel,
            6 => Doing::PayAndCancel,
            _ => Doing::Leave,
        }
    }

    fn placing(&mut self, turn: u64, lines: &BTreeMap<String, i64>) -> Vec<u8> {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(product, quantity)| json!({"product_id": product, "quantity": quantity}))
            .collect();
        let key = format!("\"{}-{turn}\"", self.number);
        let mut headers = vec![
            ("Waiting-Room-Pass", self.pass.as_str()),
            ("Idempotency-Key", &key),
        ];
        // Some hear that it is taken, others what was decided.
        if self.rng.random_range(0..2) == 0 {
            headers.push(("Prefer", "wait=5"));
        }
        let body = json!({ "lines": lines }).to_string();
        http::request("POST", self.shop, "/orders", &headers, &body)
    }

    /// Sends an order until it is known what became of it; answers its id when it was taken.
    async fn place(&mut self, entry: usize, request: &[u8]) -> Option<String> {
        let Some(answered) = self.ask(request).await else {
            self.ledger.doubtful(entry);
            self.ledger.odd("an order was never answered".to_owned());
            return None;
        };
        if answered.is_doubtful {
            self.ledger.doubtful(entry);
        }
        match answered.status {
            200..=202 => {
                let order: Order = self.read(&answered)?;
                self.ledger
                    .accepted(entry, order.order_id, answered.status == 201);
                Some(order.order_id.to_string())
            }
            409 if answered.is_problem("sold-out") => {
                self.ledger.refused(entry, answered.order());
                None
            }
            _ => self.cannot_be(&answered),
        }
    }

    /// Starts the payment, and pays.
    async fn pay(&mut self, order: &str) {
        #[derive(Deserialize)]
        struct Link {
            checkout_url: String,
        }
        let Some(answered) = self.do_to(order, "pay").await else {
            return;
        };
        match answered.status {
            200 => {
                let Some(link) = self.read::<Link>(&answered) else {
                    return;
                };
                let payment = link.checkout_url.rsplit('/').next().unwrap_or_default();
                self.ledger.payment(payment);
                self.confirm(payment).await;
            }
            // Its time is over, or it was cancelled.
            409 if answered.is_problem("not-payable") => {}
            _ => drop(self.cannot_be::<()>(&answered)),
        }
    }

    /// At the provider's page. Nothing befalls the provider.
    async fn confirm(&mut self, payment: &str) {
        let card = match self.rng.random_range(0..20) {
            0..12 => CARDS[0],
            12..14 => CARDS[1],
            14..17 => CARDS[2],
            _ => CARDS[3],
        };
        let path = format!("/v1/payments/{payment}/confirm");
        let body = json!({ "card_number": card }).to_string();
        let request = http::request("POST", self.provider, &path, &[], &body);
        let confirmed = async {
            let mut connection = Connection::open(self.provider).await?;
            connection.exchange(&request).await?.json::<Value>(&[200])
        };
        if let Err(error) = confirmed.await {
            self.ledger.odd(format!("the provider: {error:#}"));
        }
    }

    async fn cancel(&mut self, order: &str) {
        let Some(answered) = self.do_to(order, "cancel").await else {
            return;
        };
        match answered.status {
            200 | 202 => {
                self.ledger.cancelled.fetch_add(1, Relaxed);
            }
            409 if answered.is_problem("not-cancellable") => {}
            _ => drop(self.cannot_be::<()>(&answered)),
        }
    }

    /// Does something to an order that was taken, as soon as it is decided.
    async fn do_to(&mut self, order: &str, what: &str) -> Option<Answered> {
        let path = format!("/orders/{order}/{what}");
        let headers = [("Waiting-Room-Pass", self.pass.as_str())];
        let request = http::request("POST", self.shop, &path, &headers, "");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answered = self.ask(&request).await?;
            // It waits in the queue: a shop that was started anew meanwhile does not know it yet.
            let is_pending = answered.status == 409 && answered.has_retry_after;
            if answered.status != 404 && !is_pending {
                return Some(answered);
            }
            sleep(ASK_AGAIN).await;
        }
        self.ledger
            .odd(format!("an order that was taken cannot be found to {what}"));
        None
    }

    /// Sends a request until there is an answer that is not "later".
    async fn ask(&mut self, request: &[u8]) -> Option<Answered> {
        let deadline = Instant::now() + PATIENCE;
        let mut is_doubtful = false;
        while Instant::now() < deadline {
            match self.ask_once(request).await {
                Some(answered) if !answered.is_later() => {
                    return Some(Answered {
                        is_doubtful,
                        ..answered
                    });
                }
                _ => is_doubtful = true,
            }
            sleep(ASK_AGAIN).await;
        }
        None
    }

    async fn ask_once(&mut self, request: &[u8]) -> Option<Answered> {
        let asked = Instant::now();
        let Ok(Some(answered)) = timeout(ANSWER_WITHIN, self.exchange(request)).await else {
            self.connection = None;
            self.ledger.unanswered.fetch_add(1, Relaxed);
            return None;
        };
        let took = micros(asked.elapsed()) / 1000;
        self.ledger.slowest_ms.fetch_max(took, Relaxed);
        Some(answered)
    }

    async fn exchange(&mut self, request: &[u8]) -> Option<Answered> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.shop).await.ok()?,
        };
        let answer = connection.exchange(request).await.ok()?;
        if answer.status == 503 {
            self.ledger.put_off.fetch_add(1, Relaxed);
            let clearly = u64::from(answer.is_problem && answer.has_retry_after);
            self.ledger.put_off_clearly.fetch_add(clearly, Relaxed);
        }
        let answered = Answered {
            status: answer.status,
            body: answer.body.to_vec(),
            has_retry_after: answer.has_retry_after,
            is_doubtful: false,
        };
        self.connection = Some(connection);
        Some(answered)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, answered: &Answered) -> Option<T> {
        let read = serde_json::from_slice(&answered.body);
        read.inspect_err(|error| self.ledger.odd(format!("{error}: {}", answered.text())))
            .ok()
    }

    fn cannot_be<T>(&self, answered: &Answered) -> Option<T> {
        self.ledger
            .odd(format!("{} {}", answered.status, answered.text()));
        None
    }
}

impl Answered {
    /// Whether the same request may be answered another way in a moment.
    fn is_later(&self) -> bool {
        self.status == 503 || (self.status == 409 && self.is_problem("request-in-flight"))
    }

    fn is_problem(&self, name: &str) -> bool {
        let problem: Option<Value> = serde_json::from_slice(&self.body).ok();
        problem.is_some_and(|problem| problem["type"] == format!("urn:problem:{name}"))
    }

    /// The order that a refusal is about.
    fn order(&self) -> Option<uuid::Uuid> {
        let problem: Value = serde_json::from_slice(&self.body).ok()?;
        problem["order"]["order_id"].as_str()?.parse().ok()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
