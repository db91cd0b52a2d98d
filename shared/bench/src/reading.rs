//! Readers who come at a set rate, whether those before them were answered or not.

use crate::{crowd::micros, http::Connection, report::histogram};
use anyhow::ensure;
use hdrhistogram::Histogram;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How readers come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Reads over the whole time.
    pub reads: u32,
    /// The whole time, seconds.
    pub seconds: u32,
    /// Connections that they share.
    pub connections: u32,
}

/// Sends the requests in turn, each at its time; answers how long each took, from the time at which it was due, in
/// microseconds. A reader who has to wait for another's answer counts that wait, so a server that stands still is seen.
pub async fn read(address: SocketAddr, requests: Vec<Vec<u8>>, pace: Pace) -> anyhow::Result<Histogram<u64>> {
    ensure!(!requests.is_empty(), "there is nothing to read");
    let requests = Arc::new(requests);
    let begin = Instant::now() + Duration::from_millis(200);
    let mut readers = JoinSet::new();
    for first in 0..pace.connections {
        let lane = Connection::open(address).await?;
        readers.spawn(read_in_turn(lane, Arc::clone(&requests), pace, first, begin));
    }
    let mut latency = histogram()?;
    while let Some(read) = readers.join_next().await {
        latency.add(read??)?;
    }
    Ok(latency)
}

/// Every `connections`th read, beginning with the `first`.
async fn read_in_turn(
    mut lane: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    pace: Pace,
    first: u32,
    begin: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = histogram()?;
    for number in (first..pace.reads).step_by(pace.connections as usize) {
        let due = begin + Duration::from_secs(pace.seconds.into()) * number / pace.reads;
        sleep_until(due).await;
        let request = &requests[number as usize % requests.len()];
        let answer = lane.exchange(request).await?;
        ensure!(
            answer.status == 200,
            "a read was answered {} {}",
            answer.status,
            answer.text()
        );
        latency.saturating_record(micros(due.elapsed()));
    }
    Ok(latency)
}
