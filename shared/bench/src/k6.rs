//! k6, which plays the shoppers of a drop day.

use crate::{
    cli::DropDayPlan,
    edge::{Edge, ROOM},
    report::say,
    scratch::Scratch,
    shop::PRODUCT,
};
use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// How long the shoppers take to arrive.
const ARRIVAL_SECONDS: u32 = 20;
/// What k6 ends with when everything ran and a threshold was crossed.
const THRESHOLDS_CROSSED: i32 = 99;

/// The storm.
pub struct K6 {
    /// Its process.
    pub child: Child,
    folder: PathBuf,
}

/// What the shoppers saw.
pub struct Told {
    /// What k6 counted.
    pub summary: Value,
    /// Orders that were accepted.
    pub accepted: HashSet<Uuid>,
    /// One for each time that it was told.
    pub lines: usize,
}

// === impl K6 ===

impl K6 {
    /// Sends them.
    pub fn start(plan: &DropDayPlan, scratch: &Scratch, edge: &Edge) -> anyhow::Result<Self> {
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

    /// The end of what it wrote, for messages.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("k6.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Reads what it counted, once it has ended.
    pub fn told(&mut self) -> anyhow::Result<Told> {
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
