//! How long a draw of very many entries takes from its closing until every winner has a right, and what its log proves
//! then; against the shuffle that everybody would write first, over the same table.

use crate::{
    Verdict,
    cli::DrawPlan,
    edge::{Edge, EdgePlan, Store},
    report::{print, rounded, say},
    scratch::Scratch,
    shop::{DRAW_KEY, PRODUCT, READY_PATH, Shop},
};
use anyhow::{Context, ensure};
use catalog_domain::draw::{Book, Group, Terms, Window, draw_secret};
use contract::DrawId;
use fairness::{Audit, Leaf, Permutation, Seed, commitment};
use serde_json::json;
use sqlx::PgPool;
use std::time::Duration;
use testbed::{RedisNamespace, free_address, within};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

const DRAW: &str = "bench";
/// Entries in one line of the log.
const GROUP: usize = 1_024;
/// How long the draw may take.
const DRAWN_WITHIN: Duration = Duration::from_secs(120);

/// What was found out.
struct Figures {
    /// From the closing until every winner had a right.
    seconds: f64,
    peak_kib_before: u64,
    peak_kib_after: u64,
    /// Computing everybody's rank from the seed, as a verifier does.
    ranks_seconds: f64,
    audit_seconds: f64,
    log_lines: u64,
    log_bytes: usize,
    problems: usize,
    reference_seconds: f64,
}

pub async fn measure(plan: &DrawPlan) -> anyhow::Result<Verdict> {
    ensure!(
        plan.units > 0 && plan.units <= plan.entries,
        "some of the entries win"
    );
    let scratch = Scratch::new("draw")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: 1_000,
        max_active: 1_000,
        origin,
        health_path: READY_PATH,
        room: "",
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let shop = Shop::start(origin, edge.public, plan.units).await?;
    let pool = shop.database().try_pool().await?;
    say(&format!("{} members enter ...", plan.entries));
    fill(&pool, plan).await?;
    let figures = run(&shop, &pool, plan).await?;
    pool.close().await;
    told(plan, &figures)
}

fn told(plan: &DrawPlan, figures: &Figures) -> anyhow::Result<Verdict> {
    print(&[
        ("bench", json!("draw")),
        ("entries", json!(plan.entries)),
        ("units", json!(plan.units)),
        ("value", json!(rounded(figures.seconds, 3))),
        (
            "unit",
            json!("seconds from the closing until every winner has a right"),
        ),
        ("reference", json!(rounded(figures.reference_seconds, 3))),
        (
            "reference_is",
            json!("a table of everybody in ORDER BY random(), and rights for the first of it"),
        ),
        (
            "ratio",
            json!(rounded(figures.reference_seconds / figures.seconds, 3)),
        ),
        ("peak_kib_before", json!(figures.peak_kib_before)),
        ("peak_kib_after", json!(figures.peak_kib_after)),
        (
            "all_ranks_computed_seconds",
            json!(rounded(figures.ranks_seconds, 3)),
        ),
        ("audit_seconds", json!(rounded(figures.audit_seconds, 3))),
        ("log_lines", json!(figures.log_lines)),
        ("log_bytes", json!(figures.log_bytes)),
        ("problems", json!(figures.problems)),
    ])?;
    Ok(if figures.problems == 0 {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// Lets them enter as the shop would: the same rows, the same lines of the log.
async fn fill(pool: &PgPool, plan: &DrawPlan) -> anyhow::Result<()> {
    let draw: DrawId = DRAW.parse()?;
    let now: OffsetDateTime = sqlx::query_scalar("SELECT now()").fetch_one(pool).await?;
    let terms = Terms {
        product_id: PRODUCT.parse()?,
        title: "A draw of very many".to_owned(),
        units: plan.units,
        window: Window {
            opens_at: now,
            closes_at: now + time::Duration::DAY,
        },
        right_lasts: time::Duration::DAY,
    };
    let promise = commitment(&draw_secret(&DRAW_KEY, &draw));
    let mut book = Book::begin(&draw, now, promise, &terms);
    sqlx::query(
        "INSERT INTO draws (id, product_id, title, units, opens_at, closes_at, right_seconds, commitment, log_head,
                            log_lines)
         VALUES ($1, $2, $3, $4, $5, $6, 86400, $7, $7, 0)",
    )
    .bind(DRAW)
    .bind(PRODUCT)
    .bind(&terms.title)
    .bind(i64::from(plan.units))
    .bind(terms.window.opens_at)
    .bind(terms.window.closes_at)
    .bind(promise.0.as_slice())
    .execute(pool)
    .await?;
    let mut first = 0u64;
    while first < u64::from(plan.entries) {
        let rest = usize::try_from(u64::from(plan.entries) - first)?;
        let leaves: Vec<Leaf> = (0..rest.min(GROUP)).map(|_| clock::random_bytes()).collect();
        insert(pool, first, &leaves).await?;
        let group = Group {
            first,
            leaves: &leaves,
        };
        book.enter(now, &group);
        first += leaves.len() as u64;
    }
    finish(pool, plan, &book).await
}

async fn insert(pool: &PgPool, first: u64, leaves: &[Leaf]) -> anyhow::Result<()> {
    let members: Vec<Uuid> = leaves
        .iter()
        .map(|_| uuid::Builder::from_random_bytes(clock::random_bytes()).into_uuid())
        .collect();
    let ids: Vec<&[u8]> = leaves.iter().map(Leaf::as_slice).collect();
    sqlx::query(
        "INSERT INTO draw_entries (draw_id, number, member_id, entry_id, group_first, entered_at)
         SELECT $1, $2 + place - 1, member_id, entry_id, $2, now()
           FROM unnest($3::uuid[], $4::bytea[]) WITH ORDINALITY AS entrant (member_id, entry_id, place)",
    )
    .bind(DRAW)
    .bind(i64::try_from(first)?)
    .bind(&members)
    .bind(&ids)
    .execute(pool)
    .await?;
    Ok(())
}

/// The log, and those who leave again.
async fn finish(pool: &PgPool, plan: &DrawPlan, book: &Book) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO draw_log (draw_id, line_number, line)
         SELECT $1, number, line FROM unnest($2::text[]) WITH ORDINALITY AS added (line, number)",
    )
    .bind(DRAW)
    .bind(book.lines())
    .execute(pool)
    .await?;
    sqlx::query("UPDATE draws SET entries = $2, log_head = $3, log_lines = $4 WHERE id = $1")
        .bind(DRAW)
        .bind(i64::from(plan.entries))
        .bind(book.chain().head.0.as_slice())
        .bind(i64::try_from(book.chain().length)?)
        .execute(pool)
        .await?;
    sqlx::query("UPDATE draw_entries SET left_at = now() WHERE number % 1000 < $1")
        .bind(i64::from(plan.left_permille))
        .execute(pool)
        .await?;
    sqlx::query("ANALYZE draw_entries").execute(pool).await?;
    Ok(())
}

async fn run(shop: &Shop, pool: &PgPool, plan: &DrawPlan) -> anyhow::Result<Figures> {
    let process = shop.catalog().id();
    let peak_kib_before = peak_kib(process)?;
    say("the window closes ...");
    let started = Instant::now();
    sqlx::query("UPDATE draws SET closes_at = clock_timestamp() WHERE id = $1")
        .bind(DRAW)
        .execute(pool)
        .await?;
    let granted = within(DRAWN_WITHIN, async || {
        let open: Option<i64> = sqlx::query_scalar("SELECT open_rights FROM draws WHERE id = $1")
            .bind(DRAW)
            .fetch_one(pool)
            .await
            .ok();
        (open == Some(i64::from(plan.units))).then_some(())
    });
    granted.await.context("not every unit was offered in time")?;
    let seconds = started.elapsed().as_secs_f64();
    let peak_kib_after = peak_kib(process)?;
    say(&format!("drawn in {seconds:.2} s; checking ..."));
    let log = read_log(pool).await?;
    let begun = Instant::now();
    let audit = Audit::of(&log);
    let audit_seconds = begun.elapsed().as_secs_f64();
    let (ranks_seconds, wrong) = check_rights(pool, plan).await?;
    let reference_seconds = reference(pool, plan).await?;
    Ok(Figures {
        seconds,
        peak_kib_before,
        peak_kib_after,
        ranks_seconds,
        audit_seconds,
        log_lines: audit.chain.length,
        log_bytes: log.len(),
        problems: audit.problems.len() + wrong,
        reference_seconds,
    })
}

async fn read_log(pool: &PgPool) -> anyhow::Result<String> {
    let lines: Vec<String> =
        sqlx::query_scalar("SELECT line FROM draw_log WHERE draw_id = $1 ORDER BY line_number")
            .bind(DRAW)
            .fetch_all(pool)
            .await?;
    Ok(format!("{}\n{}\n", Book::title(&DRAW.parse()?), lines.join("\n")))
}

/// Computes the rank of everybody, and compares who has a right with who should: the first ranks of those who stayed.
async fn check_rights(pool: &PgPool, plan: &DrawPlan) -> anyhow::Result<(f64, usize)> {
    let seed: Vec<u8> = sqlx::query_scalar("SELECT seed FROM draws WHERE id = $1")
        .bind(DRAW)
        .fetch_one(pool)
        .await?;
    let seed = Seed(seed.as_slice().try_into().context("a seed is 32 bytes")?);
    let order = Permutation::new(&seed, plan.entries.into());
    let begun = Instant::now();
    let mut by_rank = vec![None; usize::try_from(plan.entries)?];
    for number in 0..u64::from(plan.entries) {
        let place = usize::try_from(order.apply(number))?;
        ensure!(by_rank[place].replace(number).is_none(), "a rank was drawn twice");
    }
    let seconds = begun.elapsed().as_secs_f64();
    let stayed = |number: &u64| number % 1000 >= u64::from(plan.left_permille);
    let due = by_rank.iter().flatten().copied().filter(stayed);
    let due: Vec<i64> = due
        .take(usize::try_from(plan.units)?)
        .map(u64::cast_signed)
        .collect();
    let have: Vec<i64> = sqlx::query_scalar(
        "SELECT number
           FROM purchase_rights
           JOIN draw_entries USING (draw_id, member_id)
          WHERE draw_id = $1
          ORDER BY rank",
    )
    .bind(DRAW)
    .fetch_all(pool)
    .await?;
    let wrong = due.iter().zip(&have).filter(|(due, have)| due != have).count();
    Ok((seconds, wrong + due.len().abs_diff(have.len())))
}

/// What everybody would write first: everybody's rank in a table, and rights for the first ranks.
async fn reference(pool: &PgPool, plan: &DrawPlan) -> anyhow::Result<f64> {
    let begun = Instant::now();
    sqlx::query(
        "CREATE TABLE shuffled AS
         SELECT member_id, row_number() OVER (ORDER BY random()) AS rank
           FROM draw_entries
          WHERE left_at IS NULL",
    )
    .execute(pool)
    .await?;
    sqlx::query("CREATE UNIQUE INDEX ON shuffled (member_id)")
        .execute(pool)
        .await?;
    sqlx::query(
        "INSERT INTO purchase_rights (draw_id, rank, member_id, product_id, granted_at, lapses_at)
         SELECT 'reference', rank, member_id, 'reference', now(), now() FROM shuffled WHERE rank <= $1",
    )
    .bind(i64::from(plan.units))
    .execute(pool)
    .await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The most that a process had in memory.
fn peak_kib(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let told = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let mut lines = told.lines();
    let peak = lines.find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    Ok(peak
        .with_context(|| format!("{path} tells no VmHWM"))?
        .trim()
        .parse()?)
}
