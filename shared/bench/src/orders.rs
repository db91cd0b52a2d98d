//! How many orders a second go the whole way - HTTP, edge, shop, broker, worker, PostgreSQL, and back to the shopper
//! with the decision - against the naive transaction in the same minute on the same PostgreSQL.

use crate::{
    Verdict, books,
    books::Books,
    cli::OrdersPlan,
    crowd,
    edge::{Edge, EdgePlan},
    ordering::{self, Load, Run},
    past,
    pgbench::{CLIENTS, Naive},
    report::{median, print, quantile_ms, rounded, say},
    scratch::Scratch,
    shop::Shop,
    spending::{Part, Spending},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc, thread::available_parallelism, time::Duration};
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
    let edge = Arc::new(Edge::start(&scratch, &EdgePlan::of_shop(&redis, origin)).await?);
    let public = edge.public;
    let shop = Shop::start(origin, public, STOCK).await?;
    let naive = Naive::new(&scratch).await?;
    let passes = let_in(plan, &edge).await?;
    let products = shop.products(plan.products, STOCK).await?;
    let first_pass = passes.first().context("nobody was let in")?;
    // Caches of passes and connections to everything: a shop that is open has them.
    ordering::until_open(
        public,
        first_pass,
        products.last().context("there is no product")?,
    )
    .await?;
    let load = Load {
        public,
        passes: Arc::new(passes),
        products: Arc::new(products),
        in_flight: plan.in_flight,
        seconds: plan.seconds,
    };
    say("warming up ...");
    let warm_up = Load {
        seconds: WARM_UP_SECONDS,
        ..load.clone()
    };
    let mut tally = Tally {
        rates: Vec::new(),
        references: Vec::new(),
        orders: Run::new()?,
        unhurried: Run::new()?,
        warm: warm_up.run(0).await?,
        spending: spending(&edge, &shop)?,
        past: None,
    };
    for round in 1..=plan.rounds {
        tally.spending.begin()?;
        let run = load.run(round).await?;
        tally.spending.end(run.latency.len())?;
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
    tally.unhurried = load.run_at(median(&tally.rates) / 2.0, plan.rounds + 1).await?;
    if plan.past_orders > 0 {
        tally.past = Some(Past::come(plan, &edge, &shop, load, &naive).await?);
    }
    judge(plan, &shop, &tally).await
}

/// Lets shoppers in; answers their passes.
async fn let_in(plan: &OrdersPlan, edge: &Arc<Edge>) -> anyhow::Result<Vec<String>> {
    let crowd = crowd::join(edge, plan.shoppers.max(plan.in_flight), CLAIMING).await?;
    crowd::admit(edge, crowd.places, CLAIMING).await
}

/// Who spends the processors' time.
fn spending(edge: &Edge, shop: &Shop) -> anyhow::Result<Spending> {
    Ok(Spending::of(vec![
        Part::Ours("edge", edge.id()?),
        Part::Ours("catalog-api", shop.catalog().id()),
        Part::Ours("order-worker", shop.worker().id()),
        Part::Named("rabbitmq", "beam.smp"),
        Part::Named("postgresql", "postgres"),
        Part::Named("load", "bench"),
    ]))
}

/// What was counted over all rounds.
struct Tally {
    rates: Vec<f64>,
    references: Vec<f64>,
    orders: Run,
    /// At half of the rate.
    unhurried: Run,
    /// Measured nowhere, and still not to be lost.
    warm: Run,
    spending: Spending,
    past: Option<Past>,
}

/// What was counted once there were past orders.
struct Past {
    rates: Vec<f64>,
    references: Vec<f64>,
    orders: Run,
    seconds: f64,
}

impl Past {
    /// Makes past orders, and measures as before.
    async fn come(
        plan: &OrdersPlan,
        edge: &Arc<Edge>,
        shop: &Shop,
        mut load: Load,
        naive: &Naive,
    ) -> anyhow::Result<Self> {
        let pool = shop.database().try_pool().await?;
        let mut past = Self {
            rates: Vec::new(),
            references: Vec::new(),
            orders: Run::new()?,
            seconds: past::make(&pool, plan.past_orders).await?,
        };
        pool.close().await;
        // That took longer than a session lasts.
        load.passes = Arc::new(let_in(plan, edge).await?);
        for round in plan.rounds + 2..=2 * plan.rounds + 1 {
            let run = load.run(round).await?;
            past.rates.push(run.rate());
            past.references.push(naive.rate(plan.seconds).await?);
            past.orders.add(run)?;
        }
        Ok(past)
    }

    /// Beside the rate without them.
    fn figures(&self, plan: &OrdersPlan, without: f64) -> Vec<(&'static str, Value)> {
        let (value, p99) = (median(&self.rates), quantile_ms(&self.orders.latency, 0.99));
        say(&format!(
            "{value:.0} orders/s over {} past orders (p99 {p99} ms)",
            plan.past_orders
        ));
        vec![
            ("past_orders", json!(plan.past_orders)),
            ("value_with_past", json!(rounded(value, 0))),
            ("reference_with_past", json!(rounded(median(&self.references), 0))),
            ("p99_ms_with_past", json!(p99)),
            ("ratio_with_past", json!(rounded(value / without, 3))),
            ("seconds_to_make_them", json!(rounded(self.seconds, 0))),
        ]
    }
}

/// Looks every accepted order up and prints the result.
async fn judge(plan: &OrdersPlan, shop: &Shop, tally: &Tally) -> anyhow::Result<Verdict> {
    let runs = [&tally.warm, &tally.orders, &tally.unhurried];
    let runs = || {
        runs.into_iter()
            .chain(tally.past.as_ref().map(|past| &past.orders))
    };
    let all = || runs().flat_map(|run| &run.accepted).copied();
    let accepted: HashSet<Uuid> = all().collect();
    let pool = shop.database().try_pool().await?;
    let lost = books::undecided(&pool, &accepted, DECIDED_WITHIN).await?;
    let books = Books::read(&pool).await?;
    pool.close().await;
    let duplicated = books.open_units - i64::try_from(accepted.len() - lost)?;
    let (value, reference) = (median(&tally.rates), median(&tally.references));
    let mut fields = vec![
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
        ("half_load", json!(rounded(tally.unhurried.rate(), 0))),
        (
            "half_load_p50_ms",
            json!(quantile_ms(&tally.unhurried.latency, 0.5)),
        ),
        (
            "half_load_p99_ms",
            json!(quantile_ms(&tally.unhurried.latency, 0.99)),
        ),
        ("parts", tally.spending.table(available_parallelism()?.get())),
        ("accepted", json!(accepted.len())),
        ("decided_late", json!(tally.orders.late + tally.unhurried.late)),
        ("lost", json!(lost)),
        ("duplicated", json!(duplicated)),
        ("books_balance", json!(books.balance())),
        ("in_flight", json!(plan.in_flight)),
        ("products", json!(plan.products)),
        ("shoppers", json!(plan.shoppers)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ];
    if let Some(past) = &tally.past {
        fields.extend(past.figures(plan, value));
    }
    print(&fields)?;
    let sound = lost == 0 && duplicated == 0 && all().count() == accepted.len() && books.balance();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}
