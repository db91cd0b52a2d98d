//! Shoppers who were let in and order, each as soon as the decision about the last order is back.

use crate::{
    crowd::micros,
    http::{self, Connection},
    report::histogram,
    shop::PRODUCT,
};
use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// What happened in one run.
pub struct Run {
    /// The orders that were accepted.
    pub accepted: Vec<Uuid>,
    /// From the request until the decision came back, in microseconds.
    pub latency: Histogram<u64>,
    /// Accepted, but not decided while the shopper waited.
    pub late: u64,
    seconds: f64,
}

impl Run {
    /// Nothing has happened yet.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            accepted: Vec::new(),
            latency: histogram()?,
            late: 0,
            seconds: 0.0,
        })
    }

    /// Counts what happened elsewhere; how long it took is another matter.
    pub fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.accepted.extend(other.accepted);
        self.latency.add(other.latency)?;
        self.late += other.late;
        Ok(())
    }

    /// Decisions a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of some seconds fit a float exactly"
    )]
    pub fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.seconds
    }
}

/// Waits until the edge, which was there first, has seen that the shop is well.
pub async fn until_open(public: SocketAddr, pass: &str) -> anyhow::Result<()> {
    let request = http::request("GET", public, "/products", &[("Waiting-Room-Pass", pass)], "");
    let open = async || {
        let mut connection = Connection::open(public).await.ok()?;
        let answer = connection.exchange(&request).await.ok()?;
        (answer.status == 200).then_some(())
    };
    testbed::within(OPEN_WITHIN, open)
        .await
        .context("the edge does not reach the shop")
}

/// Orders for `seconds`; the connections share the passes out among them.
pub async fn run(
    public: SocketAddr,
    passes: &Arc<Vec<String>>,
    in_flight: u32,
    seconds: u32,
    round: u32,
) -> anyhow::Result<Run> {
    let began = Instant::now();
    let until = began + Duration::from_secs(u64::from(seconds));
    let mut tasks = JoinSet::new();
    for lane in 0..in_flight {
        let turn = Turn {
            passes: Arc::clone(passes),
            lane,
            lanes: in_flight,
            round,
        };
        tasks.spawn(turn.order_until(public, until));
    }
    let mut sum = Run::new()?;
    while let Some(run) = tasks.join_next().await {
        sum.add(run??)?;
    }
    sum.seconds = began.elapsed().as_secs_f64();
    Ok(sum)
}

/// One connection's share of the shoppers.
struct Turn {
    passes: Arc<Vec<String>>,
    lane: u32,
    lanes: u32,
    round: u32,
}

/// An order as it is answered.
#[derive(Deserialize)]
pub struct Order {
    /// Its identifier.
    pub order_id: Uuid,
    state: String,
}

impl Turn {
    async fn order_until(self, public: SocketAddr, until: Instant) -> anyhow::Result<Run> {
        let mut connection = Connection::open(public).await?;
        let mut run = Run::new()?;
        let mine = self
            .passes
            .iter()
            .skip(self.lane as usize)
            .step_by(self.lanes as usize)
            .cycle();
        for (turn, pass) in mine.enumerate() {
            if Instant::now() >= until {
                break;
            }
            let request = self.request(public, pass, turn);
            let asked = Instant::now();
            let order = accepted(&mut connection, &request).await?;
            match order.state.as_str() {
                "held" => run.latency.saturating_record(micros(asked.elapsed())),
                "pending" => run.late += 1,
                other => bail!("an order that should be held is {other}"),
            }
            run.accepted.push(order.order_id);
        }
        Ok(run)
    }

    fn request(&self, public: SocketAddr, pass: &str, turn: usize) -> Vec<u8> {
        let key = format!("\"bench-{}-{}-{turn}\"", self.round, self.lane);
        let body = format!(r#"{{"lines":[{{"product_id":"{PRODUCT}","quantity":1}}]}}"#);
        let headers = [
            ("Waiting-Room-Pass", pass),
            ("Idempotency-Key", key.as_str()),
            ("Prefer", "wait=10"),
        ];
        http::request("POST", public, "/orders", &headers, &body)
    }
}

/// Sends an order until it is accepted: "later" is an answer too, and the same key is the same order.
pub async fn accepted(connection: &mut Connection, request: &[u8]) -> anyhow::Result<Order> {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        let answer = connection.exchange(request).await?;
        if answer.status != 503 {
            ensure!(
                matches!(answer.status, 200..=202),
                "an order answered {} {}",
                answer.status,
                answer.text()
            );
            return answer.json(&[200, 201, 202]).context("order");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("an order was put off {TRIES} times");
}
