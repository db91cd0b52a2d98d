//! The crowd: as many stand in line as were sent. Whoever is called makes room for the next at the end of the line, and
//! then comes in or is never seen again.

use super::tally::Tally;
use crate::{
    edge::{Edge, ROOM},
    http,
    pool::{Answered, Pool},
    report::say,
};
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};

/// A shopper goes on with another edge after so many requests.
const REQUESTS_AT_AN_EDGE: u64 = 3;
/// How often "later" is taken for an answer, and how long that is.
const PATIENCE: u32 = 40;
const LATER: Duration = Duration::from_millis(500);
/// How soon is claimed again at an edge that does not know of the call yet.
const CLAIM_AGAIN: Duration = Duration::from_millis(100);
/// Those who broke are replaced after so long: when all break, the drill does not spin.
const BROKEN_PAUSE: Duration = Duration::from_secs(1);
/// So many are told about.
const BROKEN_TOLD: u64 = 5;

/// What all shoppers share.
pub struct Crowd {
    /// What they count.
    pub tally: Tally,
    edges: Vec<(Arc<Edge>, Pool)>,
    no_shows_percent: u64,
    session: Duration,
    called: mpsc::UnboundedSender<()>,
}

/// Tells of each that was called.
pub type Called = mpsc::UnboundedReceiver<()>;

#[derive(Deserialize)]
struct Place {
    state: String,
    poll_after_ms: u64,
    ticket: Option<String>,
}

#[derive(Deserialize)]
struct Claimed {
    pass: String,
    expires_at_unix_ms: u64,
}

// === impl Crowd ===

impl Crowd {
    /// Of whom so many never come, and the others stay for a session or a part of one.
    pub fn at(edges: &[Arc<Edge>], no_shows_percent: u32, session: Duration) -> (Arc<Self>, Called) {
        let (called, arrivals) = mpsc::unbounded_channel();
        let edges = edges.iter().map(|edge| (Arc::clone(edge), Pool::to(edge.public)));
        let crowd = Self {
            tally: Tally::default(),
            edges: edges.collect(),
            no_shows_percent: u64::from(no_shows_percent),
            session,
            called,
        };
        (Arc::new(crowd), arrivals)
    }

    /// Keeps `in_line` shoppers in line, until this is dropped.
    pub async fn keep_coming(self: Arc<Self>, in_line: u32, mut called: Called) -> anyhow::Result<()> {
        let mut shoppers = JoinSet::new();
        let mut next = 0;
        for _ in 0..in_line {
            shoppers.spawn(one(Arc::clone(&self), next));
            next += 1;
        }
        loop {
            tokio::select! {
                came = called.recv() => {
                    came.context("nobody is called any more")?;
                    shoppers.spawn(one(Arc::clone(&self), next));
                    next += 1;
                }
                ended = shoppers.join_next() => if let Some(ended) = ended { ended? },
            }
        }
    }

    fn is_no_show(&self, shopper: u64) -> bool {
        mixed(shopper) % 100 < self.no_shows_percent
    }

    /// When the shopper leaves, if not by letting the session expire: every other does.
    fn leaves_after(&self, shopper: u64) -> Option<Duration> {
        let chance = mixed(!shopper);
        let part = u32::try_from((chance >> 8) & 0xff).unwrap_or_default();
        chance
            .is_multiple_of(2)
            .then(|| self.session / 4 + self.session * part / 512)
    }
}

/// One shopper's whole way.
async fn one(crowd: Arc<Crowd>, index: u64) {
    let mut shopper = Shopper {
        crowd: &crowd,
        index,
        asked: 0,
    };
    let called = shopper.stand_in_line().await;
    if called.is_err() {
        tokio::time::sleep(BROKEN_PAUSE).await;
    }
    // At the end of a run nobody listens.
    let _ = crowd.called.send(());
    let ended = match called {
        Ok(Some(ticket)) => shopper.come_or_not(&ticket).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended
        && crowd.tally.broken.fetch_add(1, Relaxed) < BROKEN_TOLD
    {
        say(&format!("shopper {index}: {error:#}"));
    }
}

/// One shopper.
struct Shopper<'a> {
    crowd: &'a Crowd,
    index: u64,
    asked: u64,
}

// === impl Shopper ===

impl Shopper<'_> {
    /// Joins and polls as told; answers the ticket once it is called, or nothing if that was missed.
    async fn stand_in_line(&mut self) -> anyhow::Result<Option<String>> {
        let tally = &self.crowd.tally;
        let mut place: Place = read(&self.ask("POST", "/join", &[]).await?, &[200, 201]).context("join")?;
        let ticket = place.ticket.take().context("no ticket")?;
        Tally::count(&tally.joined);
        loop {
            match place.state.as_str() {
                "waiting" | "to_be_drawn" => {}
                "called" => return Ok(Some(ticket)),
                "missed" => {
                    Tally::count(&tally.missed);
                    return Ok(None);
                }
                other => bail!("the place is {other}"),
            }
            tokio::time::sleep(Duration::from_millis(place.poll_after_ms)).await;
            let told = self.ask("GET", "/status", &held(&ticket)).await?;
            place = read(&told, &[200]).context("poll")?;
            Tally::count(&tally.polls);
        }
    }

    async fn come_or_not(&mut self, ticket: &str) -> anyhow::Result<()> {
        let tally = &self.crowd.tally;
        if self.crowd.is_no_show(self.index) {
            Tally::count(&tally.no_shows);
            return Ok(());
        }
        let Some(claimed) = self.claim(ticket).await? else {
            Tally::count(&tally.missed);
            return Ok(());
        };
        tally.came_in(self.index, claimed.expires_at_unix_ms);
        self.visit(&claimed.pass).await?;
        if let Some(stay) = self.crowd.leaves_after(self.index) {
            tokio::time::sleep(stay).await;
            tally.leaves(self.index);
            let answered = self.ask("POST", "/leave", &held(ticket)).await?;
            ensure!(answered.status == 204, "leave: {}", answered.status);
            Tally::count(&tally.left);
        }
        Ok(())
    }

    /// The pass, or nothing when the turn is over.
    async fn claim(&mut self, ticket: &str) -> anyhow::Result<Option<Claimed>> {
        for _ in 0..PATIENCE {
            let answered = self.ask("POST", "/claim", &held(ticket)).await?;
            match answered.status {
                // Another edge may see the call a tick later.
                409 => tokio::time::sleep(CLAIM_AGAIN).await,
                410 => return Ok(None),
                _ => return read(&answered, &[200]).map(Some).context("claim"),
            }
        }
        bail!("called, and yet not called");
    }

    /// Looks at the shop.
    async fn visit(&mut self, pass: &str) -> anyhow::Result<()> {
        let answered = self.send("GET", "/", &[("Waiting-Room-Pass", pass)]).await?;
        ensure!(answered.status == 200, "the shop answered {}", answered.status);
        Tally::count(&self.crowd.tally.visits);
        Ok(())
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answered> {
        let path = format!("/.waiting-room/{ROOM}{path}");
        self.send(method, &path, headers).await
    }

    /// Asks the edge whose turn it is, and again when it says "later".
    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answered> {
        for _ in 0..PATIENCE {
            let (edge, pool) = self.next_edge()?;
            let request = http::request(method, edge.public, path, headers, "");
            let answered = pool.exchange(&request).await?;
            if answered.status != 503 {
                return Ok(answered);
            }
            Tally::count(&self.crowd.tally.refused);
            tokio::time::sleep(LATER).await;
        }
        bail!("{method} {path} was put off too often");
    }

    /// A third of the shoppers begins with each edge, and all of them go round.
    fn next_edge(&mut self) -> anyhow::Result<&(Arc<Edge>, Pool)> {
        if self.asked > 0 && self.asked.is_multiple_of(REQUESTS_AT_AN_EDGE) {
            Tally::count(&self.crowd.tally.switches);
        }
        let edges = &self.crowd.edges;
        let turn = self.index + self.asked / REQUESTS_AT_AN_EDGE;
        self.asked += 1;
        let at = usize::try_from(turn)?.checked_rem(edges.len());
        at.and_then(|at| edges.get(at)).context("there is no edge")
    }
}

fn held(ticket: &str) -> [(&'static str, &str); 1] {
    [("Waiting-Room-Ticket", ticket)]
}

fn read<T: DeserializeOwned>(answered: &Answered, statuses: &[u16]) -> anyhow::Result<T> {
    let answer = http::Answer::of(answered.status, &answered.body);
    answer.json(statuses)
}

/// Bits that look random, the same in every run (the mixing of `SplitMix64`).
fn mixed(index: u64) -> u64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_never_come_and_half_of_the_others_leave() {
        let session = Duration::from_secs(60);
        let (crowd, _) = Crowd::at(&[], 60, session);
        let comers: Vec<u64> = (0..10_000)
            .filter(|shopper| !crowd.is_no_show(*shopper))
            .collect();
        assert!((3_800..4_200).contains(&comers.len()), "{}", comers.len());
        let stays = comers.iter().filter_map(|shopper| crowd.leaves_after(*shopper));
        let stays: Vec<Duration> = stays.collect();
        assert!((1_800..2_200).contains(&stays.len()), "{}", stays.len());
        assert!(stays.iter().all(|stay| *stay >= session / 4 && *stay < session));
    }
}
