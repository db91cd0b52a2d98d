//! The autopilot's drill: shoppers order as fast as they are let in, the order worker is stopped in its tracks for a
//! while, and the edge must let fewer in, and as many as before once the worker has caught up. Nothing is lost.

use crate::{
    Verdict, books,
    cli::DrillAutopilotPlan,
    crowd::{self, Place},
    edge::{Edge, EdgePlan, ROOM, Store},
    http::{self, Connection},
    ordering,
    report::{print, rounded, say},
    scratch::Scratch,
    shop::{PRODUCT, READY_PATH, Shop},
};
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use testbed::{RedisNamespace, free_address};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

/// More than can be sold in the drill.
const STOCK: u32 = 100_000_000;
/// Connections that claim and order, each for one shopper after the other.
const LANES: u32 = 64;
/// How soon somebody who is not called yet asks again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const LOOKED_AT_EVERY: Duration = Duration::from_millis(200);
/// How long the edge may take to let fewer in, and all again.
const BACKS_OFF_WITHIN: Duration = Duration::from_secs(30);
const RECOVERS_WITHIN: Duration = Duration::from_secs(180);
/// How long the last orders may take until they are decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

pub async fn measure(plan: &DrillAutopilotPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("drill-autopilot")?;
    let redis = RedisNamespace::try_fresh()?;
    let (origin, signals) = (free_address(), free_address());
    say("starting the shop and the edge ...");
    let room = format!(
        "
[room.autopilot]
min_users_per_minute = {}
step_seconds = 2
backlog_max = {}
oldest_age_ms_max = 2000

[room.signals]
urls = [\"http://{signals}/signals\"]
",
        (plan.users_per_minute / 20).max(1),
        plan.users_per_minute / 6,
    );
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: plan.users_per_minute,
        max_active: 1_000_000,
        origin,
        health_path: READY_PATH,
        room: &room,
    };
    let edge = Arc::new(Edge::start(&scratch, &edge_plan).await?);
    let shop = Shop::start_telling(origin, edge.public, STOCK, signals).await?;
    let shoppers = shoppers(&edge, plan).await?;
    let story = tell(plan, &edge, &shop, &shoppers).await;
    let accepted = shoppers.go_home().await?;
    judge(plan, &shop, &story?, &accepted).await
}

/// What happened.
struct Story {
    rate_before: u64,
    rate_lowest: u64,
    rate_after: u64,
    /// From the stop of the worker until fewer were let in.
    backed_off: Duration,
    /// From the worker's going on until as many were let in as before.
    recovered: Duration,
    /// What the autopilot said when it let fewer in.
    reason: String,
    /// Orders a second while all was well, and in the last seconds of the stop.
    ordered_before: f64,
    ordered_slowed: f64,
}

async fn tell(
    plan: &DrillAutopilotPlan,
    edge: &Edge,
    shop: &Shop,
    shoppers: &Shoppers,
) -> anyhow::Result<Story> {
    let calm = Duration::from_secs(u64::from(plan.calm_seconds));
    say("all is well ...");
    let ordered_before = shoppers.pace(calm).await;
    let (rate_before, _) = rate(edge).await?;
    say(&format!(
        "{rate_before} a minute, {ordered_before:.1} orders/s; the worker stops for {} s",
        plan.stop_seconds
    ));
    shop.worker().pause();
    let stopped_at = Instant::now();
    let (lower, reason) = until(edge, BACKS_OFF_WITHIN, |rate| rate < rate_before)
        .await
        .context("the edge did not let fewer in")?;
    let backed_off = stopped_at.elapsed();
    say(&format!("after {backed_off:.1?}: {lower} a minute, {reason}"));
    let stop = Duration::from_secs(u64::from(plan.stop_seconds));
    let last = calm.min(stop / 4);
    tokio::time::sleep((stop - last).saturating_sub(backed_off)).await;
    let ordered_slowed = shoppers.pace(last).await;
    shop.worker().resume();
    let resumed_at = Instant::now();
    let (mut rate_lowest, _) = rate(edge).await?;
    say(&format!("{rate_lowest} a minute; the worker goes on"));
    let lowest = &mut rate_lowest;
    let (rate_after, _) = until(edge, RECOVERS_WITHIN, |rate| {
        *lowest = (*lowest).min(rate);
        rate >= rate_before
    })
    .await
    .context("the edge did not let as many in as before")?;
    let recovered = resumed_at.elapsed();
    say(&format!("after {recovered:.1?}: {rate_after} a minute"));
    ensure!(
        shoppers.are_there(),
        "everybody was let in before the drill was over"
    );
    Ok(Story {
        rate_before,
        rate_lowest,
        rate_after,
        backed_off,
        recovered,
        reason,
        ordered_before,
        ordered_slowed,
    })
}

/// The rate in force and why.
async fn rate(edge: &Edge) -> anyhow::Result<(u64, String)> {
    let room = edge.operate("GET", &format!("/rooms/{ROOM}"), "").await?;
    let autopilot: &Value = &room["autopilot"];
    let rate = autopilot["rate"].as_u64();
    let rate = rate.with_context(|| format!("which rate? {room}"))?;
    Ok((rate, autopilot["reason"].as_str().unwrap_or_default().to_owned()))
}

async fn until(
    edge: &Edge,
    bound: Duration,
    mut is_so: impl FnMut(u64) -> bool,
) -> anyhow::Result<(u64, String)> {
    let deadline = Instant::now() + bound;
    loop {
        let (rate, reason) = rate(edge).await?;
        if is_so(rate) {
            return Ok((rate, reason));
        }
        ensure!(
            Instant::now() < deadline,
            "{rate} a minute after {bound:?}: {reason}"
        );
        tokio::time::sleep(LOOKED_AT_EVERY).await;
    }
}

async fn judge(
    plan: &DrillAutopilotPlan,
    shop: &Shop,
    story: &Story,
    accepted: &HashSet<Uuid>,
) -> anyhow::Result<Verdict> {
    let pool = shop.database().try_pool().await?;
    let lost = books::undecided(&pool, accepted, DECIDED_WITHIN).await?;
    let books = books::Books::read(&pool).await?;
    pool.close().await;
    let seconds = |duration: Duration| json!(rounded(duration.as_secs_f64(), 1));
    print(&[
        ("bench", json!("drill-autopilot")),
        ("rate_before", json!(story.rate_before)),
        ("rate_lowest", json!(story.rate_lowest)),
        ("rate_after", json!(story.rate_after)),
        ("seconds_to_back_off", seconds(story.backed_off)),
        ("seconds_to_recover", seconds(story.recovered)),
        ("reason", json!(story.reason)),
        (
            "orders_per_second_before",
            json!(rounded(story.ordered_before, 1)),
        ),
        (
            "orders_per_second_slowed",
            json!(rounded(story.ordered_slowed, 1)),
        ),
        ("seconds_stopped", json!(plan.stop_seconds)),
        ("orders", json!(accepted.len())),
        ("orders_lost", json!(lost)),
        ("books_balance", json!(books.balance())),
    ])?;
    let backed_off = story.rate_lowest * 2 <= story.rate_before;
    let sound = backed_off && story.rate_after == story.rate_before && lost == 0 && books.balance();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}

// === the shoppers

/// Shoppers who stand in line, come in as they are called, order one unit each, and leave.
struct Shoppers {
    lanes: JoinSet<anyhow::Result<Vec<Uuid>>>,
    ordered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// How many came.
    came: u64,
}

async fn shoppers(edge: &Arc<Edge>, plan: &DrillAutopilotPlan) -> anyhow::Result<Shoppers> {
    let mut places = crowd::join(edge, plan.shoppers, LANES).await?.places;
    places.sort_unstable_by_key(|place| place.number);
    // Those who are called one after the other are on different lanes, so that none waits for the other.
    let mut shares: Vec<Vec<Place>> = (0..LANES).map(|_| Vec::new()).collect();
    for (turn, place) in places.into_iter().enumerate() {
        shares[turn % LANES as usize].push(place);
    }
    let (ordered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut lanes = JoinSet::new();
    for places in shares {
        let lane = Lane {
            edge: Arc::clone(edge),
            ordered: Arc::clone(&ordered),
            stop: Arc::clone(&stop),
        };
        lanes.spawn(lane.walk(places));
    }
    Ok(Shoppers {
        lanes,
        ordered,
        stop,
        came: u64::from(plan.shoppers),
    })
}

impl Shoppers {
    /// Orders a second over this time.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of some seconds fit a float exactly"
    )]
    async fn pace(&self, time: Duration) -> f64 {
        let (before, began) = (self.ordered.load(Relaxed), Instant::now());
        tokio::time::sleep(time).await;
        (self.ordered.load(Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    }

    /// Whether somebody still stands in line.
    fn are_there(&self) -> bool {
        self.ordered.load(Relaxed) < self.came
    }

    /// The orders of all who came in.
    async fn go_home(mut self) -> anyhow::Result<HashSet<Uuid>> {
        self.stop.store(true, Relaxed);
        let mut orders = HashSet::new();
        while let Some(lane) = self.lanes.join_next().await {
            orders.extend(lane??);
        }
        Ok(orders)
    }
}

struct Lane {
    edge: Arc<Edge>,
    ordered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Lane {
    async fn walk(self, places: Vec<Place>) -> anyhow::Result<Vec<Uuid>> {
        #[derive(Deserialize)]
        struct Claimed {
            pass: String,
        }
        let mut connection = Connection::open(self.edge.public).await?;
        let mut orders = Vec::new();
        for place in places {
            let claim = self.edge.room_request("POST", "/claim", Some(&place.ticket));
            let pass = loop {
                if self.stop.load(Relaxed) {
                    return Ok(orders);
                }
                let answer = connection.exchange(&claim).await?;
                if answer.status != 409 {
                    break answer.json::<Claimed>(&[200]).context("claim")?.pass;
                }
                tokio::time::sleep(ASK_AGAIN).await;
            };
            let order = order(&self.edge, &pass, place.number);
            orders.push(ordering::accepted(&mut connection, &order).await?.order_id);
            self.ordered.fetch_add(1, Relaxed);
        }
        Ok(orders)
    }
}

fn order(edge: &Edge, pass: &str, number: u64) -> Vec<u8> {
    let key = format!("\"drill-{number}\"");
    let body = format!(r#"{{"lines":[{{"product_id":"{PRODUCT}","quantity":1}}]}}"#);
    let headers = [("Waiting-Room-Pass", pass), ("Idempotency-Key", key.as_str())];
    http::request("POST", edge.public, "/orders", &headers, &body)
}
