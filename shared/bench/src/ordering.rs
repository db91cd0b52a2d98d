//! Shoppers who were let in and order, each as soon as the decision about the last order is back.

use crate::{
    crowd::micros,
    http::{self, Connection},
    report::histogram,
};
use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
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

/// Waits until the edge, which was there first, has seen that the shop is well, and the shop has heard of the product.
pub async fn until_open(public: SocketAddr, pass: &str, product: &str) -> anyhow::Result<()> {
    let path = format!("/products/{product}");
    let request = http::request("GET", public, &path, &[("Waiting-Room-Pass", pass)], "");
    let open = async || {
        let mut connection = Connection::open(public).await.ok()?;
        let answer = connection.exchange(&request).await.ok()?;
        (answer.status == 200).then_some(())
    };
    testbed::within(OPEN_WITHIN, open)
        .await
        .context("the edge does not reach the shop")
}

/// Who orders what, and how fast.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the edge is.
    pub public: SocketAddr,
    /// The shoppers, shared out among the connections.
    pub passes: Arc<Vec<String>>,
    /// What is ordered, in turn.
    pub products: Arc<Vec<String>>,
    /// Connections; each waits for the decision before it sends the next order.
    pub in_flight: u32,
    /// How long.
    pub seconds: u32,
}

impl Load {
    /// Orders as fast as decisions come. `round` makes the keys of these orders other than those of the other rounds.
    pub async fn run(&self, round: u32) -> anyhow::Result<Run> {
        self.run_each(round, None).await
    }

    /// Orders so many a second, each at its time. An order that cannot be sent in time is late all the same: it took
    /// from when it was due.
    pub async fn run_at(&self, per_second: f64, round: u32) -> anyhow::Result<Run> {
        let between = Duration::from_secs_f64(f64::from(self.in_flight) / per_second);
        self.run_each(round, Some(between)).await
    }

    async fn run_each(&self, round: u32, between: Option<Duration>) -> anyhow::Result<Run> {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for lane in 0..self.in_flight {
            let turn = Turn {
                load: self.clone(),
                lane,
                round,
                between,
            };
            tasks.spawn(turn.order_from(began));
        }
        let mut sum = Run::new()?;
        while let Some(run) = tasks.join_next().await {
            sum.add(run??)?;
        }
        sum.seconds = began.elapsed().as_secs_f64();
        Ok(sum)
    }
}

/// One connection's share of the shoppers.
struct Turn {
    load: Load,
    lane: u32,
    round: u32,
    between: Option<Duration>,
}

/// An order as it is answered.
#[derive(Deserialize)]
pub struct Order {
    /// Its identifier.
    pub order_id: Uuid,
    state: String,
}

impl Turn {
    async fn order_from(self, began: Instant) -> anyhow::Result<Run> {
        let mut connection = Connection::open(self.load.public).await?;
        let mut run = Run::new()?;
        let until = began + Duration::from_secs(self.load.seconds.into());
        let (lane, lanes) = (self.lane as usize, self.load.in_flight as usize);
        let mine = self.load.passes.iter().skip(lane).step_by(lanes).cycle();
        for (turn, pass) in (0..).zip(mine) {
            let asked = self.due(began, turn).unwrap_or_else(Instant::now);
            if asked >= until {
                break;
            }
            sleep_until(asked).await;
            let request = self.request(pass, turn);
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

    /// When the order is due, if there is a time for it: the lanes take their turns evenly spread.
    fn due(&self, began: Instant, turn: u32) -> Option<Instant> {
        let between = self.between?;
        Some(began + between * turn + between * self.lane / self.load.in_flight)
    }

    fn request(&self, pass: &str, turn: u32) -> Vec<u8> {
        let key = format!("\"bench-{}-{}-{turn}\"", self.round, self.lane);
        let products = &self.load.products;
        let product = &products[(self.lane + turn) as usize % products.len()];
        let body = format!(r#"{{"lines":[{{"product_id":"{product}","quantity":1}}]}}"#);
        let headers = [
            ("Waiting-Room-Pass", pass),
            ("Idempotency-Key", key.as_str()),
            ("Prefer", "wait=10"),
        ];
        http::request("POST", self.load.public, "/orders", &headers, &body)
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
