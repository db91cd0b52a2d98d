//! How many orders a second go the whole way - HTTP, edge, shop, broker, worker, PostgreSQL, and back to the shopper
//! with the decision - against the naive transaction in the same minute on the same PostgreSQL.

use crate::{
    Verdict, books,
    books::Books,
    cli::OrdersPlan,
    crowd::{self, micros},
    edge::{Edge, EdgePlan},
    http::{self, Connection},
    pgbench::{CLIENTS, Naive},
    report::{histogram, median, print, quantile_ms, rounded, say},
    scratch::Scratch,
    shop::{PRODUCT, READY_PATH, Shop},
};
use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::json;
use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};
use testbed::{RedisNamespace, free_address};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

/// More than can be sold in a run.
const STOCK: u32 = 100_000_000;
/// Connections that let the shoppers in.
const CLAIMING: u32 = 32;
/// How long the last orders may take until they are decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

pub async fn measure(plan: &OrdersPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("orders")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    let edge_plan = EdgePlan {
        redis: Some(&redis),
        users_per_minute: 1_000_000,
        max_active: 1_000_000,
        origin,
        health_path: READY_PATH,
    };
    let edge = Arc::new(Edge::start(&scratch, &edge_plan).await?);
    let public = edge.public;
    let shop = Shop::start(origin, public, STOCK).await?;
    let naive = Naive::new(&scratch).await?;
    let crowd = crowd::join(&edge, plan.shoppers.max(plan.in_flight), CLAIMING).await?;
    let passes = Arc::new(crowd::admit(&edge, crowd.places, CLAIMING).await?);

    // Caches of passes and connections to everything: a shop that is open has them.
    say("warming up ...");
    let mut all = run(public, &passes, plan.in_flight, 2, 0).await?.accepted;
    let (mut ours, mut naives, mut latency, mut late) = (Vec::new(), Vec::new(), histogram()?, 0);
    for round in 1..=plan.rounds {
        let measured = run(public, &passes, plan.in_flight, plan.seconds, round).await?;
        let reference = naive.rate(plan.seconds).await?;
        say(&format!(
            "round {round} of {}: {:.0} orders/s (p99 {} ms), naive {reference:.0}/s",
            plan.rounds,
            measured.rate(),
            quantile_ms(&measured.latency, 0.99),
        ));
        ours.push(measured.rate());
        naives.push(reference);
        latency.add(&measured.latency)?;
        late += measured.late;
        all.extend(measured.accepted);
    }
    judge(plan, &shop, all, &ours, &naives, &latency, late).await
}

/// Looks every accepted order up and prints the result.
async fn judge(
    plan: &OrdersPlan,
    shop: &Shop,
    all: Vec<Uuid>,
    ours: &[f64],
    naives: &[f64],
    latency: &Histogram<u64>,
    late: u64,
) -> anyhow::Result<Verdict> {
    let pool = shop.database().pool().await;
    let accepted: HashSet<Uuid> = all.iter().copied().collect();
    let lost = books::undecided(&pool, &accepted, DECIDED_WITHIN).await?;
    let books = Books::read(&pool, PRODUCT).await?;
    pool.close().await;
    let duplicated = books.open_units - i64::try_from(accepted.len() - lost)?;
    let (value, reference) = (median(ours), median(naives));
    print(&[
        ("bench", json!("orders")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("orders/s")),
        ("reference", json!(rounded(reference, 0))),
        (
            "reference_is",
            json!(format!("naive transaction by pgbench, {CLIENTS} clients")),
        ),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", json!(quantile_ms(latency, 0.5))),
        ("p99_ms", json!(quantile_ms(latency, 0.99))),
        ("accepted", json!(accepted.len())),
        ("decided_late", json!(late)),
        ("lost", json!(lost)),
        ("duplicated", json!(duplicated)),
        ("books_balance", json!(books.balance())),
        ("in_flight", json!(plan.in_flight)),
        ("shoppers", json!(plan.shoppers)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ])?;
    let sound = lost == 0 && duplicated == 0 && all.len() == accepted.len() && books.balance();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}

/// What happened in one run.
struct Run {
    accepted: Vec<Uuid>,
    /// From the request until the decision came back, in microseconds.
    latency: Histogram<u64>,
    /// Accepted, but not decided while the shopper waited.
    late: u64,
    seconds: f64,
}

impl Run {
    /// Decisions a second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of some seconds fit a float exactly"
    )]
    fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.seconds
    }
}

/// Orders for `seconds`; the connections share the passes out among them.
async fn run(
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
    let mut sum = Run {
        accepted: Vec::new(),
        latency: histogram()?,
        late: 0,
        seconds: 0.0,
    };
    while let Some(run) = tasks.join_next().await {
        let run = run??;
        sum.accepted.extend(run.accepted);
        sum.latency.add(run.latency)?;
        sum.late += run.late;
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

#[derive(Deserialize)]
struct Order {
    order_id: Uuid,
    state: String,
}

impl Turn {
    async fn order_until(self, public: SocketAddr, until: Instant) -> anyhow::Result<Run> {
        let mut connection = Connection::open(public).await?;
        let mut run = Run {
            accepted: Vec::new(),
            latency: histogram()?,
            late: 0,
            seconds: 0.0,
        };
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
async fn accepted(connection: &mut Connection, request: &[u8]) -> anyhow::Result<Order> {
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
