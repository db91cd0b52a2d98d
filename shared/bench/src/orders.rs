//! How many orders a second go the whole way - HTTP, edge, shop, broker, worker, PostgreSQL, and back to the shopper
//! with the decision - against the naive transaction in the same minute on the same PostgreSQL.

use crate::{
    Verdict, books,
    books::Books,
    cli::OrdersPlan,
    crowd,
    edge::{Edge, EdgePlan, Store},
    ordering::{self, Run},
    pgbench::{CLIENTS, Naive},
    report::{median, print, quantile_ms, rounded, say},
    scratch::Scratch,
    shop::{PRODUCT, READY_PATH, Shop},
};
use anyhow::Context;
use serde_json::json;
use std::{collections::HashSet, sync::Arc, time::Duration};
use testbed::{RedisNamespace, free_address};
use uuid::Uuid;

/// More than can be sold in a run.
const STOCK: u32 = 100_000_000;
/// Connections that let the shoppers in.
const CLAIMING: u32 = 32;
/// Orders before the first round.
const WARM_UP_SECONDS: u32 = 2;
/// How long the last orders may take until they are decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

pub async fn measure(plan: &OrdersPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("orders")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: 1_000_000,
        max_active: 1_000_000,
        origin,
        health_path: READY_PATH,
        room: "",
    };
    let edge = Arc::new(Edge::start(&scratch, &edge_plan).await?);
    let public = edge.public;
    let shop = Shop::start(origin, public, STOCK).await?;
    let naive = Naive::new(&scratch).await?;
    let crowd = crowd::join(&edge, plan.shoppers.max(plan.in_flight), CLAIMING).await?;
    let passes = Arc::new(crowd::admit(&edge, crowd.places, CLAIMING).await?);

    // Caches of passes and connections to everything: a shop that is open has them.
    ordering::until_open(public, passes.first().context("nobody was let in")?).await?;
    say("warming up ...");
    let warm = ordering::run(public, &passes, plan.in_flight, WARM_UP_SECONDS, 0).await?;
    let mut tally = Tally {
        rates: Vec::new(),
        references: Vec::new(),
        orders: Run::new()?,
        warm,
    };
    for round in 1..=plan.rounds {
        let run = ordering::run(public, &passes, plan.in_flight, plan.seconds, round).await?;
        let (rate, p99) = (run.rate(), quantile_ms(&run.latency, 0.99));
        let reference = naive.rate(plan.seconds).await?;
        say(&format!(
            "round {round} of {}: {rate:.0} orders/s (p99 {p99} ms), naive {reference:.0}/s",
            plan.rounds
        ));
        tally.rates.push(rate);
        tally.references.push(reference);
        tally.orders.add(run)?;
    }
    judge(plan, &shop, &tally).await
}

/// What was counted over all rounds.
struct Tally {
    rates: Vec<f64>,
    references: Vec<f64>,
    orders: Run,
    /// Measured nowhere, and still not to be lost.
    warm: Run,
}

/// Looks every accepted order up and prints the result.
async fn judge(plan: &OrdersPlan, shop: &Shop, tally: &Tally) -> anyhow::Result<Verdict> {
    let all = || tally.warm.accepted.iter().chain(&tally.orders.accepted).copied();
    let accepted: HashSet<Uuid> = all().collect();
    let pool = shop.database().try_pool().await?;
    let lost = books::undecided(&pool, &accepted, DECIDED_WITHIN).await?;
    let books = Books::read(&pool, PRODUCT).await?;
    pool.close().await;
    let duplicated = books.open_units - i64::try_from(accepted.len() - lost)?;
    let (value, reference) = (median(&tally.rates), median(&tally.references));
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
        ("p50_ms", json!(quantile_ms(&tally.orders.latency, 0.5))),
        ("p99_ms", json!(quantile_ms(&tally.orders.latency, 0.99))),
        ("accepted", json!(accepted.len())),
        ("decided_late", json!(tally.orders.late)),
        ("lost", json!(lost)),
        ("duplicated", json!(duplicated)),
        ("books_balance", json!(books.balance())),
        ("in_flight", json!(plan.in_flight)),
        ("shoppers", json!(plan.shoppers)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ])?;
    let sound = lost == 0 && duplicated == 0 && all().count() == accepted.len() && books.balance();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}
