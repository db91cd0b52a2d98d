//! What befalls edges.

use super::{Done, stage::Stage};
use crate::edge::Edge;
use anyhow::{Context, ensure};
use std::{sync::Arc, time::Duration};
use testbed::within;
use tokio::time::{Instant, sleep};

/// How long edges are away.
const AWAY: Duration = Duration::from_secs(3);
/// The lease is half a second: by then others decide for long.
const ASLEEP: Duration = Duration::from_secs(5);
/// How long the last edge may take to decide.
const DECIDES_WITHIN: Duration = Duration::from_secs(10);
const LIBRARY: &str = "libfaketime";

pub async fn kill_one(stage: &mut Stage) -> anyhow::Result<Done> {
    let deciding = deciding(stage)?;
    let since = Instant::now();
    deciding.kill_9();
    // It comes back only when others have taken over.
    sleep(AWAY).await;
    deciding.start_again().await?;
    Ok(Done {
        what: "the edge that decided was killed, and started again after three seconds",
        since,
    })
}

pub async fn kill_all(stage: &mut Stage) -> anyhow::Result<Done> {
    stage.edges.iter().for_each(|edge| edge.kill_9());
    sleep(AWAY).await;
    for edge in &stage.edges {
        edge.start_again().await?;
    }
    Ok(Done {
        what: "all edges were killed, and started again after three seconds",
        since: Instant::now(),
    })
}

pub async fn wrong_clock(stage: &mut Stage) -> anyhow::Result<Done> {
    let (wrong, right) = stage.edges.split_first().context("there is no edge")?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", wrong.id()?))?;
    ensure!(maps.contains(LIBRARY), "the edge has the same time as all");
    let since = Instant::now();
    right.iter().for_each(|edge| edge.kill_9());
    let decides = async || stage.deciding().map(|edge| Arc::ptr_eq(edge, wrong));
    ensure!(
        within(DECIDES_WITHIN, decides).await == Some(true),
        "the edge with the wrong time does not decide"
    );
    sleep(AWAY).await;
    for edge in right {
        edge.start_again().await?;
    }
    Ok(Done {
        what: "the edge whose clock is an hour fast had to decide alone: the others were killed, and started again",
        since,
    })
}

pub async fn pause(stage: &mut Stage) -> anyhow::Result<Done> {
    let deciding = deciding(stage)?;
    let since = Instant::now();
    deciding.pause(true);
    sleep(ASLEEP).await;
    deciding.pause(false);
    Ok(Done {
        what: "the edge that decided stood still for five seconds, and woke",
        since,
    })
}

fn deciding(stage: &Stage) -> anyhow::Result<Arc<Edge>> {
    stage.deciding().cloned().context("no edge says that it decides")
}
