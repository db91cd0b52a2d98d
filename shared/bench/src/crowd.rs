//! Many shoppers at the edge, over connections that stay open.

use crate::{
    edge::Edge,
    http::Connection,
    report::{self, histogram},
};
use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// How long a crowd may take to come in.
const ADMITTED_WITHIN: Duration = Duration::from_secs(120);
/// How soon somebody who is not called yet asks again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A place in line.
#[derive(Debug, Deserialize)]
pub struct Place {
    /// The number.
    pub number: u64,
    /// The ticket.
    pub ticket: String,
}

/// Those who joined, and how that went.
pub struct Crowd {
    /// Their places.
    pub places: Vec<Place>,
    /// How long it took.
    pub seconds: f64,
    /// How long each had to wait for a place, in microseconds.
    pub latency: Histogram<u64>,
}

/// Lets `shoppers` join over `connections` connections, each as fast as it is answered.
pub async fn join(edge: &Edge, shoppers: u32, connections: u32) -> anyhow::Result<Crowd> {
    let left = Arc::new(AtomicU32::new(shoppers));
    let request: Arc<[u8]> = edge.room_request("POST", "/join", None).into();
    let mut lanes = Vec::new();
    for _ in 0..connections {
        lanes.push(Connection::open(edge.public).await?);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for lane in lanes {
        tasks.spawn(join_in_turn(lane, Arc::clone(&left), Arc::clone(&request)));
    }
    let mut crowd = Crowd {
        places: Vec::new(),
        seconds: 0.0,
        latency: histogram()?,
    };
    while let Some(joined) = tasks.join_next().await {
        let (places, latency) = joined??;
        crowd.places.extend(places);
        crowd.latency.add(latency)?;
    }
    crowd.seconds = began.elapsed().as_secs_f64();
    Ok(crowd)
}

async fn join_in_turn(
    mut lane: Connection,
    left: Arc<AtomicU32>,
    request: Arc<[u8]>,
) -> anyhow::Result<(Vec<Place>, Histogram<u64>)> {
    let mut places = Vec::new();
    let mut latency = histogram()?;
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        let asked = Instant::now();
        let answer = lane.exchange(&request).await?;
        latency.saturating_record(micros(asked.elapsed()));
        places.push(answer.json(&[201]).context("join")?);
    }
    Ok((places, latency))
}

/// Lets those with these tickets in, as soon as they are called; answers their passes.
pub async fn admit(edge: &Arc<Edge>, places: Vec<Place>, connections: u32) -> anyhow::Result<Vec<String>> {
    report::say(&format!("letting {} shoppers in ...", places.len()));
    let shares = places.len().div_ceil(connections.max(1) as usize).max(1);
    let mut tasks = JoinSet::new();
    let mut places = places.into_iter().peekable();
    while places.peek().is_some() {
        let share: Vec<Place> = places.by_ref().take(shares).collect();
        tasks.spawn(claim_in_turn(Arc::clone(edge), share));
    }
    let mut passes = Vec::new();
    while let Some(claimed) = tasks.join_next().await {
        passes.extend(claimed??);
    }
    Ok(passes)
}

async fn claim_in_turn(edge: Arc<Edge>, places: Vec<Place>) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Claimed {
        pass: String,
    }
    let mut lane = Connection::open(edge.public).await?;
    let deadline = Instant::now() + ADMITTED_WITHIN;
    let mut passes = Vec::new();
    for place in places {
        let claim = edge.room_request("POST", "/claim", Some(&place.ticket));
        loop {
            let answer = lane.exchange(&claim).await?;
            if answer.status != 409 {
                passes.push(answer.json::<Claimed>(&[200]).context("claim")?.pass);
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "number {} was never called",
                place.number
            );
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
    Ok(passes)
}

/// Whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
