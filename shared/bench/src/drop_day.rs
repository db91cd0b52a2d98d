//! Drop day: ten thousand shoppers at one hundred units, by k6, and then the books.

use crate::{
    Verdict, books,
    books::Books,
    cli::DropDayPlan,
    edge::{Edge, EdgePlan, ROOM},
    report::{print, say},
    scratch::Scratch,
    shop::{PRODUCT, READY_PATH, Shop},
};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use testbed::{RedisNamespace, free_address, within};
use tokio::{
    process::{Child, Command},
    time::Instant,
};
use uuid::Uuid;

/// How long the shoppers take to arrive, and how long everybody may take to stand in line after that.
const ARRIVAL_SECONDS: u32 = 20;
const IN_LINE_WITHIN: Duration = Duration::from_secs(180);
/// How long the whole may take.
const OVER_WITHIN: Duration = Duration::from_secs(20 * 60);
/// How long the last payments may take to be written after the last shopper left.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// What k6 ends with when everything ran and a threshold was crossed.
const THRESHOLDS_CROSSED: i32 = 99;

pub async fn measure(plan: &DropDayPlan) -> anyhow::Result<Verdict> {
    let began = Instant::now();
    let scratch = Scratch::new("drop-day")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = free_address();
    say("starting the shop, the edge and the provider ...");
    let edge_plan = EdgePlan {
        redis: Some(&redis),
        users_per_minute: plan.users_per_minute,
        max_active: plan.max_active,
        origin,
        health_path: READY_PATH,
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let shop = Shop::start(origin, edge.public, plan.stock).await?;
    let pool = shop.database().pool().await;

    // Nobody is let in before everybody stands in line: that is what makes it a drop.
    edge.operate("POST", &format!("/rooms/{ROOM}/pause"), "").await?;
    let mut k6 = K6::start(plan, &scratch, &edge)?;
    everybody_in_line(plan, &edge, &mut k6).await?;
    edge.operate("POST", &format!("/rooms/{ROOM}/resume"), "").await?;
    say("the doors are open");
    let status = watch(&mut k6, &pool).await?;
    let told = k6.told()?;
    settle(&pool).await;
    let lost = books::undecided(&pool, &told.accepted, SETTLED_WITHIN).await?;
    let books = Books::read(&pool, PRODUCT).await?;
    pool.close().await;
    judge(plan, &told, lost, &books, status, began.elapsed())
}

async fn everybody_in_line(plan: &DropDayPlan, edge: &Edge, k6: &mut K6) -> anyhow::Result<()> {
    let deadline = Instant::now() + IN_LINE_WITHIN;
    loop {
        let room = edge.operate("GET", &format!("/rooms/{ROOM}"), "").await?;
        let waiting = room["waiting"]
            .as_u64()
            .with_context(|| format!("how many wait? {room}"))?;
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

async fn watch(k6: &mut K6, pool: &PgPool) -> anyhow::Result<ExitStatus> {
    let deadline = Instant::now() + OVER_WITHIN;
    loop {
        if let Ok(status) = tokio::time::timeout(TOLD_EVERY, k6.child.wait()).await {
            return status.context("wait for k6");
        }
        let books = Books::read(pool, PRODUCT).await?;
        say(&format!(
            "{} of {} sold, {} held",
            books.sold, books.on_hand, books.held
        ));
        ensure!(Instant::now() < deadline, "the drop is not over");
    }
}

/// Payments are reported a little after the shoppers see them.
async fn settle(pool: &PgPool) {
    let settled = async || {
        Books::read(pool, PRODUCT)
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
        ("payments_failed", json!(told.summary["payment_failed"])),
        ("poll_p50_ms", json!(told.summary["poll_p50_ms"])),
        ("poll_p99_ms", json!(told.summary["poll_p99_ms"])),
        ("decision_p50_ms", json!(told.summary["decision_p50_ms"])),
        ("decision_p99_ms", json!(told.summary["decision_p99_ms"])),
        ("seconds", json!(took.as_secs())),
    ])?;
    let sold_out = books.sold == books.on_hand && books.oversold() == 0 && books.balance();
    let sound = sold_out && lost == 0 && duplicated == 0 && status.success();
    Ok(if sound { Verdict::Passed } else { Verdict::Failed })
}

/// The storm.
struct K6 {
    child: Child,
    folder: PathBuf,
}

/// What the shoppers saw.
struct Told {
    summary: Value,
    /// Orders that were accepted, and how often that was told.
    accepted: HashSet<Uuid>,
    lines: usize,
}

// === impl K6 ===

impl K6 {
    fn start(plan: &DropDayPlan, scratch: &Scratch, edge: &Edge) -> anyhow::Result<Self> {
        let folder = scratch.path().to_owned();
        let log = File::create(folder.join("k6.log"))?;
        let mut command = Command::new(program()?);
        command.args([
            "run",
            "--quiet",
            "--no-usage-report",
            "--address",
            "",
            "--log-format",
            "raw",
        ]);
        command.arg("--console-output").arg(folder.join("orders"));
        command
            .env("SHOP_URL", format!("http://{}", edge.public))
            .env("ROOM", ROOM)
            .env("PRODUCT", PRODUCT);
        command
            .env("SHOPPERS", plan.shoppers.to_string())
            .env("ARRIVAL_SECONDS", ARRIVAL_SECONDS.to_string());
        command.env("SUMMARY_FILE", folder.join("summary.json"));
        command.arg(scripts(plan)?.join("storms/drop-day.js"));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        say(&format!("k6 sends {} shoppers ...", plan.shoppers));
        Ok(Self {
            child: command.spawn().context("start k6")?,
            folder,
        })
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("k6.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn told(&mut self) -> anyhow::Result<Told> {
        match self.child.try_wait()? {
            Some(status) if status.success() => {}
            Some(status) if status.code() == Some(THRESHOLDS_CROSSED) => say(&self.last_words()),
            _ => bail!("k6 failed: {}", self.last_words()),
        }
        let summary = std::fs::read(self.folder.join("summary.json")).context("read what k6 counted")?;
        let orders =
            std::fs::read_to_string(self.folder.join("orders")).context("read the accepted orders")?;
        let ids: Vec<Uuid> = orders.lines().filter_map(accepted).collect();
        Ok(Told {
            summary: serde_json::from_slice(&summary).context("read what k6 counted")?,
            lines: ids.len(),
            accepted: ids.into_iter().collect(),
        })
    }
}

fn accepted(line: &str) -> Option<Uuid> {
    line.strip_prefix("accepted ")?.trim().parse().ok()
}

/// k6 from the PATH, else the one that was built into the checkout's own folder.
fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(checkout().map(|checkout| checkout.join(".local/bin")));
    let mut programs = folders.map(|folder| folder.join("k6"));
    let program = programs.find(|program| program.is_file());
    program.context("there is no k6: `make drop-day` builds it, or see k6/README.md")
}

fn scripts(plan: &DropDayPlan) -> anyhow::Result<PathBuf> {
    match &plan.scripts {
        Some(folder) => Ok(folder.clone()),
        None => Ok(checkout().context("no k6 folder here: say --scripts")?.join("k6")),
    }
}

/// The checkout that this runs in.
fn checkout() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .find(|folder| folder.join("k6/storms").is_dir())
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_orders_are_told_one_a_line() {
        assert_eq!(
            accepted("accepted 00000000-0000-0000-0000-000000000000"),
            Some(Uuid::nil())
        );
        assert_eq!(accepted("shopper 3: sold_out"), None);
    }

    #[test]
    fn the_scripts_lie_in_the_checkout() {
        assert!(checkout().unwrap().join("k6/storms/drop-day.js").is_file());
    }
}
