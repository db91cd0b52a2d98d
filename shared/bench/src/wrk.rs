//! wrk, the load generator.

use crate::scratch::Scratch;
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::process::Command;

/// As many threads as wrk gets; what it loads has as many.
pub const THREADS: u32 = 2;

/// Loads with one request after the other on each of its connections, each with another value of one header.
#[derive(Debug)]
pub struct Wrk {
    script: PathBuf,
    header: &'static str,
    values: PathBuf,
    connections: u32,
    seconds: u32,
}

/// What wrk measured.
#[derive(Debug, Clone, Deserialize)]
pub struct Measured {
    requests: u64,
    duration_us: u64,
    bytes: u64,
    failed: u64,
    p50_us: f64,
    p99_us: f64,
}

// === impl Wrk ===

impl Wrk {
    /// Prepares a load by shoppers who send these values under `header` in turn.
    pub fn new(
        scratch: &Scratch,
        header: &'static str,
        values: &[String],
        connections: u32,
        seconds: u32,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            script: scratch.write("wrk.lua", include_str!("wrk.lua"))?,
            header,
            values: scratch.write("values", values.join("\n"))?,
            connections,
            seconds,
        })
    }

    /// Loads `url`. Every answer must be a good one.
    pub async fn load(&self, url: &str) -> anyhow::Result<Measured> {
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{THREADS}"))
            .arg(format!("-c{}", self.connections));
        command
            .arg(format!("-d{}s", self.seconds))
            .arg("-s")
            .arg(&self.script);
        command.arg(url).arg("--").arg(self.header).arg(&self.values);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let bound = Duration::from_secs(u64::from(self.seconds) + 30);
        let output = tokio::time::timeout(bound, command.output())
            .await
            .context("wrk did not end")?;
        let output = output.context("run wrk (Debian: apt-get install wrk)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "wrk: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text
            .lines()
            .rev()
            .find(|line| line.starts_with('{'))
            .context("wrk printed no result")?;
        let measured: Measured = serde_json::from_str(line).with_context(|| format!("read {line}"))?;
        ensure!(
            measured.failed == 0,
            "{} of {} requests to {url} failed",
            measured.failed,
            measured.requests
        );
        Ok(measured)
    }
}

// === impl Measured ===

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of some seconds fit a float exactly"
)]
impl Measured {
    /// How many were answered.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / (self.duration_us as f64 / 1e6)
    }

    /// Bytes of an answer with its head.
    pub fn answer_bytes(&self) -> f64 {
        self.bytes as f64 / self.requests as f64
    }

    /// Half of the answers came within this.
    pub fn p50_ms(&self) -> f64 {
        self.p50_us / 1000.0
    }

    /// All but one in a hundred came within this.
    pub fn p99_ms(&self) -> f64 {
        self.p99_us / 1000.0
    }
}
