//! Drop day: ten thousand shoppers at one hundred units, by k6, and then the books.

use crate::{
    Verdict, books,
    books::Books,
    cli::DropDayPlan,
    edge::{Edge, EdgePlan, ROOM, Store},
    k6::{K6, Told},
    report::{print, say},
    scratch::Scratch,
    shop::{READY_PATH, Shop},
};
use anyhow::{Context, ensure};
use serde_json::json;
use sqlx::PgPool;
use std::{process::ExitStatus, time::Duration};
use testbed::{RedisNamespace, free_address, within};
use tokio::time::Instant;

/// How long it may take until everybody stands in line.
const IN_LINE_WITHIN: Duration = Duration::from_secs(180);
/// How long the whole may take.
const OVER_WITHIN: Duration = Duration::from_secs(20 * 60);
/// How long the last payments may take to be written after the last shopper left.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const TOLD_EVERY: Duration = Duration::from_secs(5);

pub async fn measure(plan: &DropDayPlan) -> anyhow::Result<Verdict> {
    let began = Instant::now();
    let scratch = Scratch::new("drop-day")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    say("starting the shop, the edge and the provider ...");
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: plan.users_per_minute,
        max_active: plan.max_active,
        origin,
        health_path: READY_PATH,
        room: "",
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let shop = Shop::start(origin, edge.public, plan.stock).await?;
    let pool = shop.database().try_pool().await?;

    // Nobody is let in before everybody stands in line: that is what makes it a drop.
    edge.operate("POST", &format!("/rooms/{ROOM}/pause"), "").await?;
    let mut k6 = K6::start(plan, &scratch, &edge)?;
    everybody_in_line(plan, &edge, &mut k6).await?;
    edge.operate("POST", &format!("/rooms/{ROOM}/resume"), "").await?;
    say("the doors are open");
    let status = watch(&edge, &mut k6, &pool).await?;
    let told = k6.told()?;
    settle(&pool).await;
    let lost = books::undecided(&pool, &told.accepted, SETTLED_WITHIN).await?;
    let books = Books::read(&pool).await?;
    pool.close().await;
    judge(plan, &told, lost, &books, status, began.elapsed())
}

/// How many stand in line.
async fn waiting(edge: &Edge) -> anyhow::Result<u64> {
    let room = edge.operate("GET", &format!("/rooms/{ROOM}"), "").await?;
    room["waiting"]
        .as_u64()
        .with_context(|| format!("how many wait? {room}"))
}

async fn everybody_in_line(plan: &DropDayPlan, edge: &Edge, k6: &mut K6) -> anyhow::Result<()> {
    let deadline = Instant::now() + IN_LINE_WITHIN;
    loop {
        let waiting = waiting(edge).await?;
        say(&format!("{waiting} of {} stand in line", plan.shoppers));
        if waiting >= u64::from(plan.shoppers) {
            return Ok(());
        }
        ensure!(
            k6.child.try_wait()?.is_none(),
            "k6 ended while the shoppers arrived: {}",
            k6.last_words()
        );
        ensure!(Instant::now() < deadline, "not everybody stands in line");
        tokio::time::sleep(TOLD_EVERY / 2).await;
    }
}

async fn watch(edge: &Edge, k6: &mut K6, pool: &PgPool) -> anyhow::Result<ExitStatus> {
    let deadline = Instant::now() + OVER_WITHIN;
    loop {
        if let Ok(status) = tokio::time::timeout(TOLD_EVERY, k6.child.wait()).await {
            return status.context("wait for k6");
        }
        let books = Books::read(pool).await?;
        let waiting = waiting(edge).await?;
        say(&format!(
            "{waiting} wait, {} of {} sold, {} held",
            books.sold, books.on_hand, books.held
        ));
        ensure!(Instant::now() < deadline, "the drop is not over");
    }
}

/// Payments are reported a little after the shoppers see them.
async fn settle(pool: &PgPool) {
    let settled = async || {
        Books::read(pool)
            .await
            .is_ok_and(|books| books.held == 0)
            .then_some(())
    };
    within(SETTLED_WITHIN, settled).await;
}

fn judge(
    plan: &DropDayPlan,
    told: &Told,
    lost: usize,
    books: &Books,
    status: ExitStatus,
    took: Duration,
) -> anyhow::Result<Verdict> {
    let doubled = i64::try_from(told.lines - told.accepted.len())?;
    let duplicated = doubled + books.second_orders + books.second_sales;
    print(&[
        ("bench", json!("drop-day")),
        ("shoppers", json!(plan.shoppers)),
        ("admitted", json!(told.summary["admitted"])),
        ("accepted", json!(told.accepted.len())),
        ("sold", json!(books.sold)),
        ("stock", json!(books.on_hand)),
        ("oversold", json!(books.oversold())),
        ("lost", json!(lost)),
        ("duplicated", json!(duplicated)),
        ("books_balance", json!(books.balance())),
        ("broken_journeys", json!(told.summary["broken"])),
        ("told_paid", json!(told.summary["paid"])),
        ("payments_failed", json!(told.summary["payment_failed"])),
        ("poll_p50_ms", json!(told.summary["poll_p50_ms"])),
        ("poll_p99_ms", json!(told.summary["poll_p99_ms"])),
        ("decision_p50_ms", json!(told.summary["decision_p50_ms"])),
        ("decision_p99_ms", json!(told.summary["decision_p99_ms"])),
        ("seconds", json!(took.as_secs())),
    ])?;
    let sold_out = books.sold == books.on_hand && books.oversold() == 0 && books.balance();
    let told_true = told.summary["paid"] == books.paid_units;
    let sound = sold_out && told_true && lost == 0 && duplicated == 0 && status.success();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}
