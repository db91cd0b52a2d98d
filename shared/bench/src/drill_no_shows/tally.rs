//! What the shoppers saw, counted by themselves.

use clock::{Clock, SystemClock};
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// Counts of everything that shoppers did.
#[derive(Default)]
pub struct Tally {
    /// Shoppers who got a place.
    pub joined: AtomicU64,
    /// Answers to "where do I stand?".
    pub polls: AtomicU64,
    /// Shoppers who were called and went away.
    pub no_shows: AtomicU64,
    /// Shoppers who wanted to come and had missed their turn.
    pub missed: AtomicU64,
    /// Pages of the shop that were seen.
    pub visits: AtomicU64,
    /// Sessions ended by their shoppers.
    pub left: AtomicU64,
    /// Requests to another edge than the one before.
    pub switches: AtomicU64,
    /// Answers that said "later".
    pub refused: AtomicU64,
    /// Shoppers whose way ended in something nobody planned.
    pub broken: AtomicU64,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    claims: Vec<Instant>,
    /// Until when each shopper is in, in Unix milliseconds.
    until: HashMap<u64, u64>,
}

impl Tally {
    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// A shopper is in, until then at most.
    pub fn came_in(&self, shopper: u64, until_unix_ms: u64) {
        let mut inside = self.inside();
        inside.claims.push(Instant::now());
        inside.until.insert(shopper, until_unix_ms);
    }

    /// A shopper is about to leave.
    pub fn leaves(&self, shopper: u64) {
        self.inside().until.remove(&shopper);
    }

    /// How many are in now.
    pub fn alive(&self) -> u64 {
        let now = SystemClock.unix_ms();
        let mut inside = self.inside();
        inside.until.retain(|_, until| *until > now);
        inside.until.len() as u64
    }

    /// When each claim was answered.
    pub fn claims(&self) -> Vec<Instant> {
        self.inside().claims.clone()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_or_expired_is_not_in() {
        let tally = Tally::default();
        let later = SystemClock.unix_ms() + 60_000;
        for (shopper, until) in [(1, later), (2, later), (3, 0)] {
            tally.came_in(shopper, until);
        }
        assert_eq!(tally.alive(), 2, "one session has expired");
        tally.leaves(1);
        assert_eq!(tally.alive(), 1);
        assert_eq!(tally.claims().len(), 3);
    }
}
