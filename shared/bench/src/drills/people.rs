//! Everybody who is there during a drill: those at the front, who come in as soon as they are called; a sample of those
//! behind them, who poll; newcomers; those who shop; and intruders.

use super::{
    balancer::Balancer,
    doings::{JOINING, POLLING, SHOPPING, come_in, join, poll, seen, shop},
    intruders,
    ledger::Ledger,
};
use crate::{crowd::Place, edge::Edge, http::Connection, pool::Answered, report::say};
use anyhow::Context;
use clock::{Clock, SystemClock};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use testbed::within;
use tokio::task::JoinSet;

/// So many at the front try to come in at once.
const CLAIMING: usize = 48;
/// Passes that are kept to shop with.
const PASSES_KEPT: usize = 1_000;
/// A pass that ends so soon is not used any more.
const ENDS_SOON_MS: u64 = 1_500;
/// How long an edge may be behind when everybody's place is looked at.
const STANDS_WITHIN: Duration = Duration::from_secs(5);
/// So many places lost are told one by one.
const LOST_TOLD: usize = 5;

/// How often things are asked, a second.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub polls: f64,
    pub joins: f64,
    pub visits: f64,
    pub intrusions: f64,
}

/// All of them, and what they share.
pub struct People {
    /// What they saw.
    pub ledger: Ledger,
    pub(super) edges: Balancer,
    pub(super) pace: Pace,
    front: Mutex<VecDeque<(Place, usize)>>,
    pub(super) watched: Vec<(Place, usize)>,
    passes: Mutex<VecDeque<Pass>>,
}

/// The right to shop, for a while.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) token: String,
    pub(super) until_ms: u64,
}

impl People {
    /// `places` are all that joined; the first `front` come in when they are called, of the others `sample` poll.
    pub fn new(
        edges: &[Arc<Edge>],
        mut places: Vec<Place>,
        front: usize,
        sample: usize,
        pace: Pace,
    ) -> Arc<Self> {
        let ledger = Ledger::default();
        places.iter().for_each(|place| ledger.dealt(place.number));
        places.sort_unstable_by_key(|place| place.number);
        let behind = places.split_off(front.min(places.len()));
        let every = (behind.len() / sample.max(1)).max(1);
        let watch = |place: Place| {
            let record = ledger.watch(place.number);
            (place, record)
        };
        let front = places.into_iter().map(watch).collect();
        let watched = behind.into_iter().step_by(every).map(watch).collect();
        Arc::new(Self {
            edges: Balancer::of(edges),
            pace,
            front: Mutex::new(front),
            watched,
            passes: Mutex::default(),
            ledger,
        })
    }

    /// Everybody does what they do, until this is dropped.
    pub async fn live(self: Arc<Self>) -> anyhow::Result<()> {
        let mut all = JoinSet::new();
        for _ in 0..CLAIMING {
            all.spawn(come_in(Arc::clone(&self)));
        }
        for first in 0..POLLING {
            all.spawn(poll(Arc::clone(&self), first));
        }
        for _ in 0..JOINING {
            all.spawn(join(Arc::clone(&self)));
        }
        for _ in 0..SHOPPING {
            all.spawn(shop(Arc::clone(&self)));
        }
        all.spawn(intruders::intrude(Arc::clone(&self)));
        while let Some(ended) = all.join_next().await {
            ended.context("somebody in the drill broke")?;
        }
        anyhow::bail!("everybody has gone home")
    }

    /// Asks for every watched place at every edge, now that all is quiet.
    pub async fn audit(&self, edges: &[Arc<Edge>]) -> anyhow::Result<()> {
        for edge in edges {
            let mut connection = Connection::open(edge.public).await?;
            for (place, record) in &self.watched {
                let asked = edge.room_request("GET", "/status", Some(&place.ticket));
                let stands = async || {
                    let answer = connection.exchange(&asked).await.ok()?;
                    let seen = seen(answer.status, answer.body)?;
                    self.ledger.stands(*record, &seen).then_some(())
                };
                if within(STANDS_WITHIN, stands).await.is_none() {
                    self.ledger.loses(*record, "further back than before");
                }
            }
        }
        for lost in self.ledger.lost().1.iter().take(LOST_TOLD) {
            say(lost);
        }
        Ok(())
    }

    /// Somebody's pass that is still good, or somebody's that is not any more.
    pub(super) fn a_pass(&self, good: bool) -> Option<Pass> {
        let now = SystemClock.unix_ms();
        let mut passes = self.passes();
        let wanted = |pass: &Pass| {
            if good {
                pass.until_ms > now + ENDS_SOON_MS
            } else {
                pass.until_ms + ENDS_SOON_MS < now
            }
        };
        // Whoever is taken goes to the end, so that all have their turn.
        let at = passes.iter().position(wanted)?;
        let pass = passes.remove(at)?;
        passes.push_back(pass.clone());
        Some(pass)
    }

    /// A place in line, and nothing more.
    pub(super) fn a_ticket(&self) -> Option<&str> {
        self.watched.last().map(|(place, _)| place.ticket.as_str())
    }

    pub(super) fn keep(&self, pass: Pass) {
        let mut passes = self.passes();
        passes.push_back(pass);
        if passes.len() > PASSES_KEPT {
            passes.pop_front();
        }
    }

    fn passes(&self) -> MutexGuard<'_, VecDeque<Pass>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn first_in_line(&self) -> Option<(Place, usize)> {
        self.front
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    /// The answer, if it is one that says something.
    pub(super) fn heard(&self, answered: anyhow::Result<Answered>) -> Option<Answered> {
        match answered {
            Ok(answered) if matches!(answered.status, 500..) => {
                Ledger::count(&self.ledger.put_off);
                None
            }
            Ok(answered) => Some(answered),
            Err(_) => {
                Ledger::count(&self.ledger.unanswered);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_line() {
        let place = |number| Place {
            number,
            ticket: format!("ticket {number}"),
        };
        let pace = Pace {
            polls: 1.0,
            joins: 1.0,
            visits: 1.0,
            intrusions: 1.0,
        };
        let people = People::new(&[], (0..1_000).rev().map(place).collect(), 100, 9, pace);
        let watched: Vec<u64> = people.watched.iter().map(|(place, _)| place.number).collect();
        assert_eq!(watched, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(people.first_in_line().map(|(place, _)| place.number), Some(0));
        assert_eq!(people.ledger.numbers(), (1_000, 0));
    }

    #[test]
    fn a_pass_is_good_or_it_is_not() {
        let people = People::new(
            &[],
            Vec::new(),
            0,
            0,
            Pace {
                polls: 1.0,
                joins: 1.0,
                visits: 1.0,
                intrusions: 1.0,
            },
        );
        for (token, until_ms) in [("over", 0), ("good", u64::MAX / 2)] {
            people.keep(Pass {
                token: token.to_owned(),
                until_ms,
            });
        }
        assert_eq!(people.a_pass(true).unwrap().token, "good");
        assert_eq!(people.a_pass(false).unwrap().token, "over");
    }
}
