//! What everybody saw, taken down as it happens.

use super::record::{Record, Seen};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// A session that the store has let go of may be on for so long by a shopper's clock.
const CLOCKS_MS: u64 = 100;

/// Counts and books of a drill.
#[derive(Default)]
pub struct Ledger {
    pub polls: AtomicU64,
    pub visits: AtomicU64,
    /// Visits with a valid pass that were not answered by the shop.
    pub visits_failed: AtomicU64,
    pub intrusions: AtomicU64,
    /// Intruders who were answered 200.
    pub intruders_welcomed: AtomicU64,
    /// Answers that said "later".
    pub put_off: AtomicU64,
    /// Requests that no edge answered.
    pub unanswered: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    records: Vec<Record>,
    numbers: HashSet<u64>,
    doubled: u64,
    sessions: Sessions,
    admissions: Vec<Admission>,
}

/// Who is in, by what the shoppers were told.
#[derive(Default)]
struct Sessions {
    /// Until when each number is in, in Unix milliseconds.
    until: HashMap<u64, u64>,
    most: u64,
}

/// Somebody claimed, and saw the shop.
struct Admission {
    asked: Instant,
    seen: Instant,
}

impl Ledger {
    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// A number was dealt.
    pub fn dealt(&self, number: u64) {
        let mut books = self.books();
        let new = books.numbers.insert(number);
        books.doubled += u64::from(!new);
    }

    /// From now on this number's place is watched; answers the name of its record.
    pub fn watch(&self, number: u64) -> usize {
        let mut books = self.books();
        books.records.push(Record::of(number));
        books.records.len() - 1
    }

    /// A watched shopper was told this.
    pub fn told(&self, record: usize, seen: &Seen) {
        Self::count(&self.polls);
        if let Some(record) = self.books().records.get_mut(record) {
            record.sees(seen);
        }
    }

    /// The same when all is quiet; answers whether the place is as good as the best before.
    pub fn stands(&self, record: usize, seen: &Seen) -> bool {
        let mut books = self.books();
        books
            .records
            .get_mut(record)
            .is_some_and(|record| record.stands(seen))
    }

    /// A watched shopper has lost the place.
    pub fn loses(&self, record: usize, why: &str) {
        if let Some(record) = self.books().records.get_mut(record) {
            record.loses(why.to_owned());
        }
    }

    /// A number is in, at `now_ms` and until then at most.
    pub fn came_in(&self, number: u64, now_ms: u64, until_ms: u64) {
        self.books().sessions.begin(number, now_ms, until_ms);
    }

    /// Somebody who claimed has seen the shop.
    pub fn admitted(&self, asked: Instant) {
        let seen = Instant::now();
        self.books().admissions.push(Admission { asked, seen });
    }

    /// How long after `since` the first who claimed from then on had seen the shop.
    pub fn admitted_after(&self, since: Instant) -> Option<Duration> {
        let books = self.books();
        let later = books
            .admissions
            .iter()
            .filter(|admission| admission.asked >= since);
        later.map(|admission| admission.seen - since).min()
    }

    /// How many were in when the last one came in.
    pub fn alive(&self) -> u64 {
        self.books().sessions.until.len() as u64
    }

    /// Claims that were answered with a pass and led to the shop.
    pub fn admissions(&self) -> usize {
        self.books().admissions.len()
    }

    /// The most that were in at once.
    pub fn most_alive(&self) -> u64 {
        self.books().sessions.most
    }

    /// Numbers dealt, and how many of them for the second time.
    pub fn numbers(&self) -> (usize, u64) {
        let books = self.books();
        (books.numbers.len(), books.doubled)
    }

    /// How many are watched, and why which of them have lost their places.
    pub fn lost(&self) -> (usize, Vec<String>) {
        let books = self.books();
        (
            books.records.len(),
            books.records.iter().filter_map(Record::lost).collect(),
        )
    }

    /// In a line.
    pub fn progress(&self) -> String {
        let (dealt, _) = self.numbers();
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        format!(
            "{dealt} joined, {} in, {} admitted, {} polls, {} visits ({} failed), {} intrusions, {} put off, {} unanswered",
            self.alive(),
            self.admissions(),
            count(&self.polls),
            count(&self.visits),
            count(&self.visits_failed),
            count(&self.intrusions),
            count(&self.put_off),
            count(&self.unanswered),
        )
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn begin(&mut self, number: u64, now_ms: u64, until_ms: u64) {
        self.until.retain(|_, until| *until > now_ms + CLOCKS_MS);
        self.until.insert(number, until_ms);
        self.most = self.most.max(self.until.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_once_however_often_it_claims() {
        let ledger = Ledger::default();
        for (number, now, until) in [(1, 0, 1_000), (2, 0, 3_000), (2, 500, 3_000), (3, 1_500, 4_000)] {
            ledger.came_in(number, now, until);
        }
        assert_eq!(
            (ledger.alive(), ledger.most_alive()),
            (2, 2),
            "the first is gone by then"
        );
        ledger.came_in(4, 2_000, 4_000);
        assert_eq!(ledger.most_alive(), 3);
    }

    #[test]
    fn a_number_dealt_again_is_doubled() {
        let ledger = Ledger::default();
        [1, 2, 1].into_iter().for_each(|number| ledger.dealt(number));
        assert_eq!(ledger.numbers(), (2, 1));
    }

    #[test]
    fn who_asked_before_it_was_back_does_not_count() {
        let ledger = Ledger::default();
        let since = Instant::now();
        ledger.admitted(since - Duration::from_secs(1));
        assert_eq!(ledger.admitted_after(since), None);
        ledger.admitted(since);
        assert!(ledger.admitted_after(since).is_some());
        assert_eq!(ledger.admissions(), 2);
    }

    #[test]
    fn places_lost_are_told_with_their_reasons() {
        let ledger = Ledger::default();
        let (one, other) = (ledger.watch(5), ledger.watch(6));
        ledger.told(one, &Seen::Refused(401));
        ledger.told(other, &Seen::Called { number: 6 });
        let (watched, lost) = ledger.lost();
        assert_eq!((watched, lost.len()), (2, 1));
        assert!(lost[0].contains("number 5"), "{lost:?}");
    }
}
