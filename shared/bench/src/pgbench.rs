//! The naive way to take an order, run by pgbench: every order locks the stock row for a transaction of its own.

use crate::scratch::Scratch;
use anyhow::{Context, ensure};
use std::{path::PathBuf, process::Stdio, time::Duration};
use testbed::Database;
use tokio::process::Command;
use url::Url;

/// As many clients as the naive shop has.
pub const CLIENTS: u32 = 16;

const TABLES: &str = "
    CREATE TABLE naive_stock (product_id text PRIMARY KEY, on_hand bigint NOT NULL, held bigint NOT NULL DEFAULT 0);
    CREATE TABLE naive_orders (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        product_id text NOT NULL,
        quantity bigint NOT NULL,
        accepted_at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO naive_stock VALUES ('p', 1000000000);";

const TRANSACTION: &str = "BEGIN;
SELECT on_hand - held FROM naive_stock WHERE product_id = 'p' FOR UPDATE;
UPDATE naive_stock SET held = held + 1 WHERE product_id = 'p';
INSERT INTO naive_orders (product_id, quantity) VALUES ('p', 1);
COMMIT;
";

/// The naive shop: a database of its own on the same server.
pub struct Naive {
    database: Database,
    script: PathBuf,
}

impl Naive {
    /// Makes its tables.
    pub async fn new(scratch: &Scratch) -> anyhow::Result<Self> {
        let database = Database::try_fresh().await?;
        let pool = database.try_pool().await?;
        sqlx::raw_sql(TABLES)
            .execute(&pool)
            .await
            .context("make the naive tables")?;
        pool.close().await;
        Ok(Self {
            database,
            script: scratch.write("naive.sql", TRANSACTION)?,
        })
    }

    /// Orders a second over `seconds`.
    pub async fn rate(&self, seconds: u32) -> anyhow::Result<f64> {
        let mut url = Url::parse(self.database.url())?;
        let mut command = Command::new("pgbench");
        if let Some(password) = url.password().map(str::to_owned) {
            command.env("PGPASSWORD", password);
        }
        // The list of processes shows arguments to everybody.
        let _ = url.set_password(None);
        command
            .args(["--no-vacuum", "--jobs=2"])
            .arg(format!("--client={CLIENTS}"));
        command
            .arg(format!("--time={seconds}"))
            .arg("--file")
            .arg(&self.script)
            .arg(url.as_str());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let bound = Duration::from_secs(u64::from(seconds) + 30);
        let output = tokio::time::timeout(bound, command.output())
            .await
            .context("pgbench did not end")?;
        let output = output.context("run pgbench (Debian: apt-get install postgresql-contrib)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "pgbench: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        transactions_per_second(&text).with_context(|| format!("read {text}"))
    }
}

fn transactions_per_second(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read() {
        let text = "latency average = 7.9 ms\ntps = 2004.25 (without initial connection time)\n";
        assert_eq!(transactions_per_second(text), Some(2004.25));
        assert_eq!(transactions_per_second("pgbench: error"), None);
    }
}
