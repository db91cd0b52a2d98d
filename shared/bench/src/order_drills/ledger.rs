//! What shoppers were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Answers of a kind that nobody expected and that are kept to be shown.
const ODD_KEPT: usize = 10;

/// One thing that a shopper wanted, under one key.
#[derive(Debug, Clone)]
pub struct Told {
    /// When.
    pub began: Instant,
    /// Product and quantity.
    pub lines: BTreeMap<String, i64>,
    /// What its order is called, by every answer.
    pub ids: BTreeSet<Uuid>,
    /// Whether it was said to be taken: the answer was 201 or 202.
    pub is_accepted: bool,
    /// When it was said to be held: the answer was 201.
    pub held_at: Option<Instant>,
    /// Whether some request got no answer that told what became of it.
    pub is_doubtful: bool,
}

/// What all shoppers were told, and what was counted on the way.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Vec<Told>>,
    payments: Mutex<BTreeSet<String>>,
    odd: Mutex<Vec<String>>,
    accepted: AtomicU64,
    /// Requests sent once more, because no answer came.
    pub unanswered: AtomicU64,
    /// Requests sent once more, because the answer was "later".
    pub put_off: AtomicU64,
    /// Of those: said as a problem document, with when to ask again.
    pub put_off_clearly: AtomicU64,
    /// The longest that an answer took, milliseconds.
    pub slowest_ms: AtomicU64,
    /// Orders refused.
    pub refused: AtomicU64,
    /// Cancellations that were taken.
    pub cancelled: AtomicU64,
    odd_answers: AtomicU64,
}

impl Told {
    /// Nothing yet.
    pub fn new(lines: BTreeMap<String, i64>) -> Self {
        Self {
            began: Instant::now(),
            lines,
            ids: BTreeSet::new(),
            is_accepted: false,
            held_at: None,
            is_doubtful: false,
        }
    }
}

impl Ledger {
    /// Somebody wants something; answers where it stands in the ledger.
    pub fn begin(&self, lines: BTreeMap<String, i64>) -> usize {
        let mut entries = lock(&self.entries);
        entries.push(Told::new(lines));
        entries.len() - 1
    }

    /// An order was taken.
    pub fn accepted(&self, entry: usize, id: Uuid, is_held: bool) {
        if let Some(told) = lock(&self.entries).get_mut(entry) {
            told.ids.insert(id);
            told.is_accepted = true;
            if is_held {
                told.held_at.get_or_insert_with(Instant::now);
            }
        }
        self.accepted.fetch_add(1, Relaxed);
    }

    /// An order was refused, before it was one or by the worker.
    pub fn refused(&self, entry: usize, id: Option<Uuid>) {
        self.refused.fetch_add(1, Relaxed);
        if let Some(told) = lock(&self.entries).get_mut(entry) {
            told.ids.extend(id);
        }
    }

    /// It is not known what became of a request.
    pub fn doubtful(&self, entry: usize) {
        if let Some(told) = lock(&self.entries).get_mut(entry) {
            told.is_doubtful = true;
        }
    }

    /// The provider has a payment of this name.
    pub fn payment(&self, name: &str) {
        lock(&self.payments).insert(name.to_owned());
    }

    /// An answer that nothing explains.
    pub fn odd(&self, what: String) {
        self.odd_answers.fetch_add(1, Relaxed);
        let mut odd = lock(&self.odd);
        if odd.len() < ODD_KEPT {
            odd.push(what);
        }
    }

    /// How many of those there were, and some of them.
    pub fn odd_answers(&self) -> (u64, Vec<String>) {
        (self.odd_answers.load(Relaxed), lock(&self.odd).clone())
    }

    /// Everything that anybody wanted.
    pub fn entries(&self) -> Vec<Told> {
        lock(&self.entries).clone()
    }

    /// The payments that shoppers were sent to.
    pub fn payments(&self) -> BTreeSet<String> {
        lock(&self.payments).clone()
    }

    /// How many orders were taken so far.
    pub fn count(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// How long after `since` somebody heard that units are held who had begun to order after it.
    pub fn decided_after(&self, since: Instant) -> Option<Duration> {
        let entries = lock(&self.entries);
        let begun_after = entries.iter().filter(|told| told.began >= since);
        let first = begun_after.filter_map(|told| told.held_at).min()?;
        Some(first.saturating_duration_since(since))
    }

    /// How many orders were said to be held since then.
    pub fn held_since(&self, since: Instant) -> usize {
        let entries = lock(&self.entries);
        let held = entries.iter().filter_map(|told| told.held_at);
        held.filter(|at| *at >= since).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
