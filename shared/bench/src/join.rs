//! How many shoppers a second get a number, with Redis behind the edge, and what those who wait cost Redis.
//!
//! The reference is `INCR` of the same Redis over as many connections, one at a time on each: a line that asks its
//! store once for every shopper, and does nothing else, could not be faster.

use crate::{
    Verdict,
    cli::JoinPlan,
    crowd,
    edge::{Edge, EdgePlan, Store},
    memory,
    nginx::Nginx,
    report::{histogram, median, print, quantile_ms, rounded, say},
    scratch::Scratch,
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{collections::HashSet, process::Stdio, time::Duration};
use testbed::RedisNamespace;
use tokio::process::Command;
use url::Url;

/// Requests of a run of the reference.
const INCREMENTS: u32 = 400_000;
const REFERENCE_KEY: &str = ":reference";
const REFERENCE_WITHIN: Duration = Duration::from_secs(60);

pub async fn measure(plan: &JoinPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("join")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = Nginx::start(&scratch, 64).await?;
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: 0,
        max_active: 1,
        origin: origin.address,
        health_path: "/",
        room: "",
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let bytes_before = memory::bytes(&redis, Some(REFERENCE_KEY))?;
    let mut numbers = Numbers::default();
    let (mut joins, mut references, mut latency) = (Vec::new(), Vec::new(), histogram()?);
    for round in 0..plan.rounds {
        let crowd = crowd::join(&edge, share(plan, round), plan.connections).await?;
        let rate = f64::from(share(plan, round)) / crowd.seconds;
        latency.add(&crowd.latency)?;
        numbers.add(&crowd);
        drop(crowd);
        let reference = increments(&redis, plan.connections).await?;
        let joined = numbers.dealt;
        say(&format!(
            "round {} of {}: {rate:.0} joins/s ({joined} joined), INCR {reference:.0}/s",
            round + 1,
            plan.rounds
        ));
        joins.push(rate);
        references.push(reference);
    }
    let bytes_after = memory::bytes(&redis, Some(REFERENCE_KEY))?;
    let (value, reference) = (median(&joins), median(&references));
    let bytes_per_shopper = memory::a_shopper(bytes_before, bytes_after, plan.shoppers);
    print(&[
        ("bench", json!("join")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("joins/s")),
        ("reference", json!(rounded(reference, 0))),
        (
            "reference_is",
            json!("redis INCR, one at a time on as many connections"),
        ),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", json!(quantile_ms(&latency, 0.5))),
        ("p99_ms", json!(quantile_ms(&latency, 0.99))),
        ("joined", json!(numbers.dealt)),
        ("unique_numbers", json!(numbers.seen.len())),
        ("redis_bytes_at_0", json!(bytes_before)),
        ("redis_bytes_at_end", json!(bytes_after)),
        ("redis_bytes_per_shopper", json!(rounded(bytes_per_shopper, 4))),
        ("connections", json!(plan.connections)),
        ("rounds", json!(plan.rounds)),
    ])?;
    Ok(if numbers.seen.len() == numbers.dealt {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// Every number that was dealt.
#[derive(Default)]
struct Numbers {
    seen: HashSet<u64>,
    dealt: usize,
}

impl Numbers {
    fn add(&mut self, crowd: &crowd::Crowd) {
        self.dealt += crowd.places.len();
        self.seen.extend(crowd.places.iter().map(|place| place.number));
    }
}

/// How many join in a round; the first rounds take what does not divide.
fn share(plan: &JoinPlan, round: u32) -> u32 {
    plan.shoppers / plan.rounds + u32::from(round < plan.shoppers % plan.rounds)
}

/// `INCR` a second by redis-benchmark.
async fn increments(redis: &RedisNamespace, connections: u32) -> anyhow::Result<f64> {
    let url = Url::parse(redis.url())?;
    let mut command = Command::new("redis-benchmark");
    command
        .arg("-h")
        .arg(url.host_str().unwrap_or("127.0.0.1"))
        .arg("-p")
        .arg(url.port().unwrap_or(6379).to_string());
    if let Some(password) = url.password() {
        command.arg("-a").arg(password);
    }
    command
        .args(["--csv", "-n"])
        .arg(INCREMENTS.to_string())
        .arg("-c")
        .arg(connections.to_string());
    command
        .arg("INCR")
        .arg(format!("{}{REFERENCE_KEY}", redis.prefix()));
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(REFERENCE_WITHIN, command.output())
        .await
        .context("redis-benchmark did not end")?;
    let output = output.context("run redis-benchmark (Debian: apt-get install redis-tools)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "redis-benchmark: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    rate(&text).with_context(|| format!("read {text}"))
}

/// The second column of the last line: requests a second.
fn rate(csv: &str) -> Option<f64> {
    csv.lines()
        .rev()
        .find_map(|line| line.split("\",\"").nth(1)?.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_stands_in_the_second_column() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"INCR x\",\"135135.14\",\"0.5\"\n";
        assert_eq!(rate(csv), Some(135_135.14));
        assert_eq!(rate(""), None);
    }

    #[test]
    fn the_rounds_share_the_shoppers() {
        let plan = JoinPlan {
            rounds: 3,
            shoppers: 1_000_000,
            connections: 1,
        };
        assert_eq!((0..3).map(|round| share(&plan, round)).sum::<u32>(), 1_000_000);
    }
}
