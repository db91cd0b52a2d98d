//! The public beacon: asks for the round that a draw was committed to, and believes only its signature.

use super::Room;
use anyhow::{Context, ensure};
use fairness::{
    Beacon,
    beacon::Network,
    hex::{self, Hex},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use waiting_room_domain::Moment;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);
/// An answer is some hundreds of bytes.
const ANSWER_MAX: usize = 16_384;

/// What is known of the beacon's rounds.
pub(super) struct BeaconRounds {
    wanted: watch::Sender<Option<Beacon>>,
    /// Signatures that were checked, by round.
    known: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl Default for BeaconRounds {
    fn default() -> Self {
        Self {
            wanted: watch::Sender::new(None),
            known: Mutex::default(),
        }
    }
}

impl BeaconRounds {
    /// The signature of a round, if it has come. If not, it is asked for from now on.
    pub(super) fn signature(&self, beacon: &Beacon) -> Option<Vec<u8>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = known.get(&beacon.round).cloned();
        if signature.is_none() {
            self.wanted.send_if_modified(|wanted| {
                let news = *wanted != Some(*beacon);
                *wanted = Some(*beacon);
                news
            });
        }
        signature
    }

    fn keep(&self, round: u64, signature: Vec<u8>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(round, signature);
    }
}

/// Asks for the rounds that are wanted, until they have come.
pub(super) async fn ask(room: Arc<Room>, urls: Vec<String>, token: CancellationToken) -> anyhow::Result<()> {
    process::install_tls();
    let http = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .build()
        .context("make a client for the beacon")?;
    let mut wanted = room.beacon.wanted.subscribe();
    // It may have been wanted before this task began.
    wanted.mark_changed();
    loop {
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return Ok(()) },
            () = token.cancelled() => return Ok(()),
        }
        loop {
            let Some(beacon) = *wanted.borrow_and_update() else {
                break;
            };
            if let Some(signature) = ask_all(&http, &urls, &beacon).await {
                info!(room = %room.config.id, round = beacon.round, "the beacon's round has come");
                room.beacon.keep(beacon.round, signature);
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = token.cancelled() => return Ok(()),
            }
        }
    }
}

async fn ask_all(http: &reqwest::Client, urls: &[String], beacon: &Beacon) -> Option<Vec<u8>> {
    for url in urls {
        match ask_one(http, url, beacon).await {
            Ok(signature) => return Some(signature),
            Err(error) => warn!(
                url,
                round = beacon.round,
                error = format!("{error:#}"),
                "no beacon"
            ),
        }
    }
    None
}

#[derive(Deserialize)]
struct Round {
    round: u64,
    signature: String,
}

/// The signature of a round from one server, checked.
async fn ask_one(http: &reqwest::Client, url: &str, beacon: &Beacon) -> anyhow::Result<Vec<u8>> {
    let (url, chain) = (url.trim_end_matches('/'), Hex(&beacon.chain));
    let address = format!("{url}/{chain}/public/{}", beacon.round);
    let mut answer = http.get(address).send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        ensure!(body.len() <= ANSWER_MAX, "the answer is too long");
    }
    let said: Round = serde_json::from_slice(&body).context("read the answer")?;
    ensure!(said.round == beacon.round, "it is of another round");
    let signature = hex::bytes(&said.signature).context("the signature is not hexadecimal")?;
    beacon.verify(&signature)?;
    Ok(signature)
}

/// The round that a draw is committed to: the first that nobody knows, neither now nor when the doors open.
pub(super) fn round_for(network: &Network, now: Moment, doors_open: Option<Moment>) -> Beacon {
    let unknown_at = doors_open.map_or(now, |doors_open| doors_open.max(now));
    Beacon {
        chain: network.chain,
        round: network.round_after(unknown_at.unix_ms()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};
    use fairness::beacon::QUICKNET;

    /// A round of quicknet, as it was published.
    const RECORDED: (u64, &str) = (
        1000,
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    );

    /// Serves one recorded round of quicknet, and lies about the next.
    async fn server(recorded: (u64, &'static str)) -> String {
        let body = move |round: u64| format!(r#"{{"round":{round},"signature":"{}"}}"#, recorded.1);
        let path = |round: u64| {
            format!("/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971/public/{round}")
        };
        let routes = Router::new()
            .route(&path(recorded.0), get(async move || body(recorded.0)))
            .route(&path(recorded.0 + 1), get(async move || body(recorded.0 + 1)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn a_recorded_round_is_believed_and_a_false_one_is_not() {
        process::install_tls();
        let recorded = RECORDED;
        let url = server(recorded).await;
        let http = reqwest::Client::new();
        let beacon = |round| Beacon {
            chain: QUICKNET.chain,
            round,
        };
        let signature = ask_one(&http, &url, &beacon(recorded.0)).await.unwrap();
        assert_eq!(Some(signature), hex::bytes(recorded.1));
        let lie = ask_one(&http, &url, &beacon(recorded.0 + 1)).await.unwrap_err();
        assert!(lie.to_string().contains("does not verify"), "{lie}");
        let missing = ask_one(&http, &url, &beacon(5)).await.unwrap_err();
        assert!(missing.to_string().contains("404"), "{missing}");
        let urls = ["http://127.0.0.1:1".to_owned(), url];
        assert!(
            ask_all(&http, &urls, &beacon(recorded.0)).await.is_some(),
            "the next is asked"
        );
    }

    #[test]
    fn the_round_is_one_that_nobody_knows() {
        let genesis = Moment::from_unix_ms(QUICKNET.genesis * 1_000);
        let later = |seconds| genesis.plus(Duration::from_secs(seconds));
        let round = |now, doors_open| round_for(&QUICKNET, now, doors_open).round;
        assert_eq!(
            round(later(10), Some(later(100))),
            QUICKNET.round_after(later(100).unix_ms())
        );
        assert_eq!(
            round(later(100), Some(later(10))),
            QUICKNET.round_after(later(100).unix_ms())
        );
        assert!(QUICKNET.published_at(round(later(10), None)) > later(10).unix_ms());
    }
}
