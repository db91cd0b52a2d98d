//! Very many holds whose time is over in the same moment, while people order: how soon their units are for sale again, and
//! what that does to the orders.

use crate::{
    Verdict, books,
    books::Books,
    cli::ExpiryPlan,
    crowd,
    edge::{Edge, EdgePlan},
    ordering::{self, Load},
    report::{print, rounded, say},
    scratch::Scratch,
    shop::{PRODUCT, Shop},
};
use anyhow::Context;
use serde_json::json;
use sqlx::PgPool;
use std::{collections::HashSet, sync::Arc, time::Duration};
use testbed::{RedisNamespace, free_address, within};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

const STOCK: u32 = 100_000_000;
const CLAIMING: u32 = 32;
const WARM_UP_SECONDS: u32 = 2;
/// Between what is measured before and the moment.
const SLACK: Duration = Duration::from_secs(2);
/// Orders are counted in slices of this while holds expire.
const SLICE_SECONDS: u32 = 1;
/// Within this all units must be for sale again.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(10);
/// How long it is watched.
const WATCHED_FOR: Duration = Duration::from_secs(120);
/// How long the last orders may take until they are decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

/// Orders of one unit each, held until `$2` seconds from now, as the worker would have written them.
const HELD: &str = "
    WITH made AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, n FROM generate_series(1, $1::bigint) AS n
    ), placed AS (
        INSERT INTO orders (id, shopper, fingerprint, state, total_minor, currency, accepted_at, decided_at, updated_at)
        SELECT id, 'session:held-' || n, repeat('f', 64), 'held', 12900, 'EUR', now(), now(), now() FROM made
    ), lines AS (
        INSERT INTO order_lines (order_id, line_number, product_id, name, quantity, unit_price_minor)
        SELECT id, 1, $3, 'Demo sneaker', 1, 12900 FROM made
    ), kept AS (
        INSERT INTO holds (order_id, attempt, created_at, expires_at)
        SELECT id, 1, now(), now() + make_interval(secs => $2) FROM made
    )
    UPDATE stock SET held = held + $1, version = version + 1, updated_at = now() WHERE product_id = $3";

/// What was seen.
struct Seen {
    before: f64,
    meanwhile: f64,
    given_back: Option<Duration>,
    accepted: HashSet<Uuid>,
}

pub async fn measure(plan: &ExpiryPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("expiry")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    let edge = Arc::new(Edge::start(&scratch, &EdgePlan::of_shop(&redis, origin)).await?);
    let shop = Shop::start(origin, edge.public, STOCK).await?;
    let pool = shop.database().try_pool().await?;
    let crowd = crowd::join(&edge, plan.shoppers.max(plan.in_flight), CLAIMING).await?;
    let passes = crowd::admit(&edge, crowd.places, CLAIMING).await?;
    let first_pass = passes.first().context("nobody was let in")?;
    ordering::until_open(edge.public, first_pass, PRODUCT).await?;
    let load = Load {
        public: edge.public,
        passes: Arc::new(passes),
        products: Arc::new(vec![PRODUCT.to_owned()]),
        in_flight: plan.in_flight,
        seconds: plan.seconds,
    };
    let seen = watch(plan, &load, &pool).await?;
    judge(plan, &pool, &seen).await
}

async fn watch(plan: &ExpiryPlan, load: &Load, pool: &PgPool) -> anyhow::Result<Seen> {
    let for_seconds = |seconds| Load {
        seconds,
        ..load.clone()
    };
    let slice = for_seconds(SLICE_SECONDS);
    let moment = hold(plan, pool).await?;
    let mut all = for_seconds(WARM_UP_SECONDS).run(0).await?.accepted;
    let before = load.run(1).await?;
    say(&format!("{:.0} orders/s before", before.rate()));
    let rate_before = before.rate();
    all.extend(before.accepted);
    sleep_until(moment).await;
    let expired = async || {
        // Those of the orders that come meanwhile last for half an hour.
        let left = "SELECT EXISTS (SELECT FROM holds WHERE open AND expires_at < clock_timestamp() + interval '5 minutes')";
        let left: bool = sqlx::query_scalar(left).fetch_one(pool).await.ok()?;
        (!left).then(|| moment.elapsed())
    };
    let watched = within(WATCHED_FOR, expired);
    let ordered = async {
        // Until dropped: whoever watches ends it.
        let mut slices = Vec::new();
        for round in 2.. {
            slices.push(slice.run(round).await?);
            let held = "SELECT EXISTS (SELECT FROM holds WHERE open AND expires_at <= clock_timestamp())";
            let left: bool = sqlx::query_scalar(held).fetch_one(pool).await?;
            if !left || moment.elapsed() >= WATCHED_FOR {
                break;
            }
        }
        anyhow::Ok(slices)
    };
    let (given_back, slices) = tokio::join!(watched, ordered);
    let took = moment.elapsed();
    let during: Vec<Uuid> = slices?.into_iter().flat_map(|slice| slice.accepted).collect();
    let meanwhile = rate(during.len(), took);
    all.extend(during);
    say(&format!(
        "given back after {given_back:.1?}; {meanwhile:.0} orders/s meanwhile"
    ));
    Ok(Seen {
        before: rate_before,
        meanwhile,
        given_back,
        accepted: all.into_iter().collect(),
    })
}

/// Holds the units; answers the moment when their time is over.
async fn hold(plan: &ExpiryPlan, pool: &PgPool) -> anyhow::Result<Instant> {
    say(&format!("holding {} units ...", plan.holds));
    // The statement takes a while, and its clock stands still at its beginning.
    let filling = Duration::from_secs(u64::from(plan.holds) / 20_000 + 2);
    let lead = filling + Duration::from_secs(u64::from(WARM_UP_SECONDS + plan.seconds)) + SLACK;
    let moment = Instant::now() + lead;
    sqlx::query(HELD)
        .bind(i64::from(plan.holds))
        .bind(lead.as_secs_f64())
        .bind(PRODUCT)
        .execute(pool)
        .await
        .context("hold units")?;
    // They would have come one by one, and autovacuum have seen them.
    sqlx::raw_sql("ANALYZE orders, order_lines, holds, stock")
        .execute(pool)
        .await?;
    Ok(moment)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of some seconds fit a float exactly"
)]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

async fn judge(plan: &ExpiryPlan, pool: &PgPool, seen: &Seen) -> anyhow::Result<Verdict> {
    let lost = books::undecided(pool, &seen.accepted, DECIDED_WITHIN).await?;
    let books = Books::read(pool).await?;
    let expired = "SELECT count(*) FROM hold_resolutions WHERE resolution = 'expired'";
    let expired: i64 = sqlx::query_scalar(expired).fetch_one(pool).await?;
    let seconds = seen.given_back.map(|after| rounded(after.as_secs_f64(), 2));
    print(&[
        ("bench", json!("expiry")),
        ("value", json!(seconds)),
        ("unit", json!("seconds until all units are for sale again")),
        ("holds", json!(plan.holds)),
        ("expired", json!(expired)),
        ("orders_per_second_before", json!(rounded(seen.before, 0))),
        ("orders_per_second_meanwhile", json!(rounded(seen.meanwhile, 0))),
        ("ratio", json!(rounded(seen.meanwhile / seen.before, 3))),
        ("accepted", json!(seen.accepted.len())),
        ("lost", json!(lost)),
        ("books_balance", json!(books.balance())),
        ("in_flight", json!(plan.in_flight)),
    ])?;
    let soon = seen.given_back.is_some_and(|after| after <= GIVEN_BACK_WITHIN);
    let sound = lost == 0 && books.balance() && expired == i64::from(plan.holds);
    Ok(if soon && sound && seen.meanwhile > 0.0 {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}
