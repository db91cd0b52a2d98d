//! A million in line: what they cost Redis, and how many polls a second the edge asks them for. Once in a room that is
//! open, first come, first served; once before the doors of a scheduled drop that will be drawn, with its public log.

use crate::{
    Verdict,
    cli::MillionPlan,
    crowd,
    edge::{Edge, EdgePlan, ROOM, Store},
    http::Connection,
    memory,
    origin::Origin,
    report::{print, rounded, say},
    scratch::Scratch,
};
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use testbed::{RedisNamespace, within};

/// How many join before the next lot, so that not everybody's ticket is kept.
const LOT: u32 = 100_000;
/// How long the edge may take to see that all have joined.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// What the edge is willing to answer: the default of `edge.poll_budget_per_second`.
const POLL_BUDGET: f64 = 30_000.0;
/// The doors are far away, and the pre-queue is open.
const DROP: &str = r#"method = "shuffle"

[[room.drop]]
prequeue_opens = 2020-01-01T00:00:00Z
doors_open = 2099-01-01T00:00:00Z
doors_close = 2099-01-02T00:00:00Z
"#;

/// What one of the rooms showed.
struct Figures {
    bytes_before: u64,
    bytes_after: u64,
    log_lines: u64,
    sampled: usize,
    /// Mean over the sample, for one shopper.
    polls_per_second: f64,
}

#[derive(Deserialize)]
struct Poll {
    state: String,
    poll_after_ms: f64,
}

pub async fn measure(plan: &MillionPlan) -> anyhow::Result<Verdict> {
    ensure!(
        plan.sample > 0 && plan.shoppers >= plan.sample,
        "a sample is some of the shoppers"
    );
    let origin = Origin::start().await?;
    say("the open room ...");
    let fifo = room(plan, origin.address, "").await?;
    say("the drop before its doors ...");
    let before_drop = room(plan, origin.address, DROP).await?;
    let mut fields = vec![("bench", json!("million")), ("shoppers", json!(plan.shoppers))];
    fields.push(("fifo", told(plan, &fifo)));
    fields.push(("drop_prequeue", told(plan, &before_drop)));
    fields.push(("poll_budget_per_second", json!(POLL_BUDGET)));
    print(&fields)?;
    let within_budget = [fifo, before_drop]
        .iter()
        .all(|figures| asked_for(plan, figures) <= POLL_BUDGET);
    Ok(if within_budget {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// The polls a second of everybody.
fn asked_for(plan: &MillionPlan, figures: &Figures) -> f64 {
    figures.polls_per_second * f64::from(plan.shoppers)
}

fn told(plan: &MillionPlan, figures: &Figures) -> Value {
    let a_shopper = memory::a_shopper(figures.bytes_before, figures.bytes_after, plan.shoppers);
    json!({
        "redis_bytes_per_shopper": rounded(a_shopper, 4),
        "redis_bytes_at_0": figures.bytes_before,
        "redis_bytes_at_end": figures.bytes_after,
        "log_lines": figures.log_lines,
        "polls_per_second": rounded(asked_for(plan, figures), 0),
        "sampled": figures.sampled,
    })
}

async fn room(plan: &MillionPlan, origin: SocketAddr, rules: &str) -> anyhow::Result<Figures> {
    let scratch = Scratch::new("million")?;
    let redis = RedisNamespace::try_fresh()?;
    // Some are called and do not come: hardly any of a million, but the line is one that moves.
    let edge_plan = EdgePlan {
        store: Some(Store::of(&redis)),
        users_per_minute: 60,
        max_active: 100,
        origin,
        health_path: "/",
        room: rules,
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let bytes_before = memory::bytes(&redis, None)?;
    let tickets = line_up(plan, &edge).await?;
    everybody_is_seen(plan, &edge).await?;
    let bytes_after = memory::bytes(&redis, None)?;
    let polls = sample(&edge, &tickets).await?;
    Ok(Figures {
        bytes_before,
        bytes_after,
        log_lines: log_lines(&edge).await?,
        sampled: polls.len(),
        polls_per_second: mean(&polls),
    })
}

/// Everybody joins; answers the tickets of a sample that is spread over the line.
async fn line_up(plan: &MillionPlan, edge: &Edge) -> anyhow::Result<Vec<String>> {
    let every = u64::from(plan.shoppers / plan.sample);
    let mut tickets = Vec::new();
    let mut joined = 0;
    while joined < plan.shoppers {
        let lot = LOT.min(plan.shoppers - joined);
        let crowd = crowd::join(edge, lot, plan.connections).await?;
        joined += lot;
        let sampled = crowd.places.into_iter().filter(|place| place.number % every == 0);
        tickets.extend(sampled.map(|place| place.ticket));
        say(&format!("{joined} of {} joined", plan.shoppers));
    }
    Ok(tickets)
}

async fn everybody_is_seen(plan: &MillionPlan, edge: &Edge) -> anyhow::Result<()> {
    let seen = async || {
        let room = edge.operate("GET", &format!("/rooms/{ROOM}"), "").await.ok()?;
        let joined = room["joined"].as_u64()?;
        (joined >= u64::from(plan.shoppers)).then_some(())
    };
    within(SEEN_WITHIN, seen)
        .await
        .context("the edge has not seen all of the line")
}

/// The milliseconds after which each of them is asked to poll again.
async fn sample(edge: &Edge, tickets: &[String]) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(edge.public).await?;
    let mut pauses = Vec::new();
    for ticket in tickets {
        let asked = edge.room_request("GET", "/status", Some(ticket));
        let poll: Poll = connection.exchange(&asked).await?.json(&[200])?;
        if matches!(poll.state.as_str(), "waiting" | "to_be_drawn") {
            pauses.push(poll.poll_after_ms);
        }
    }
    ensure!(!pauses.is_empty(), "nobody of the sample waits");
    Ok(pauses)
}

/// Polls a second, of the pauses between them.
#[expect(clippy::cast_precision_loss, reason = "a sample is small")]
fn mean(pauses_ms: &[f64]) -> f64 {
    let sum: f64 = pauses_ms.iter().map(|pause| 1_000.0 / pause).sum();
    sum / pauses_ms.len() as f64
}

/// How long the public log is; 0 if there is none.
async fn log_lines(edge: &Edge) -> anyhow::Result<u64> {
    let mut connection = Connection::open(edge.public).await?;
    let answer = connection.exchange(&edge.room_request("GET", "", None)).await?;
    let room: Value = answer.json(&[200])?;
    Ok(room["log"]["length"].as_u64().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_a_second_are_averaged_not_pauses() {
        let polls = mean(&[1_000.0, 500.0]);
        assert!((polls - 1.5).abs() < f64::EPSILON, "{polls}");
    }
}
