//! Versions in a row, as a store and every edge keep them: each is written over the one before, and none is ever
//! undone by a store that forgot.

use crate::Moment;
use std::collections::VecDeque;

/// Versions that are kept; the oldest are forgotten first.
pub const VERSIONS_MAX: usize = 100;

/// Which version, and when it was made. Of two versions the later stamp counts: two with one number can only come of a
/// store that had forgotten the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// 1 is the first; 0 is none.
    pub number: u64,
    /// By the store's clock.
    pub at: Moment,
}

/// A version of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<T> {
    /// Which.
    pub stamp: Stamp,
    /// What was made.
    pub made: T,
}

/// The last [`VERSIONS_MAX`] versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<T>(VecDeque<Version<T>>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Clone> History<T> {
    /// The version in force.
    pub fn newest(&self) -> Option<&Version<T>> {
        self.0.back()
    }

    /// The stamp of the version in force.
    pub fn stamp(&self) -> Stamp {
        self.newest().map(|version| version.stamp).unwrap_or_default()
    }

    /// The version with this number, if it is still kept.
    pub fn get(&self, number: u64) -> Option<&Version<T>> {
        self.0.iter().find(|version| version.stamp.number == number)
    }

    /// All that are kept, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Version<T>> {
        self.0.iter().rev()
    }

    /// All that are kept, the oldest first: what a store that forgot is told.
    pub fn all(&self) -> Vec<Version<T>> {
        self.0.iter().cloned().collect()
    }

    /// The next version, if `expected` is the number of the one in force.
    ///
    /// # Errors
    /// The number of the one that is.
    pub fn put(&mut self, expected: u64, made: T, now: Moment) -> Result<Stamp, u64> {
        let before = self.stamp();
        if before.number != expected {
            return Err(before.number);
        }
        let stamp = Stamp {
            number: expected + 1,
            at: now,
        };
        self.push(Version { stamp, made });
        Ok(stamp)
    }

    /// What somebody does not know whose newest version is `known`, the oldest first.
    pub fn since(&self, known: Stamp) -> Vec<Version<T>> {
        let news = |version: &&Version<T>| {
            version.stamp.number > known.number
                || (version.stamp.number == known.number && version.stamp > known)
        };
        self.0.iter().filter(news).cloned().collect()
    }

    /// Takes in what somebody else knows, the oldest first, if that is later than what is in force here. Answers
    /// whether anything came of it.
    pub fn take(&mut self, versions: Vec<Version<T>>) -> bool {
        let before = self.stamp();
        for version in versions {
            if version.stamp > self.stamp() {
                while self.stamp().number >= version.stamp.number {
                    self.0.pop_back();
                }
                self.push(version);
            }
        }
        self.stamp() != before
    }

    fn push(&mut self, version: Version<T>) {
        self.0.push_back(version);
        while self.0.len() > VERSIONS_MAX {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn at(second: u64) -> Moment {
        Moment::from_unix_ms(second * 1_000)
    }

    fn with(count: u64) -> History<u64> {
        let mut history = History::default();
        for number in 0..count {
            history.put(number, number, at(number)).unwrap();
        }
        history
    }

    #[test]
    fn a_version_is_written_over_the_one_that_was_read() {
        let mut history = with(2);
        assert_eq!(history.put(1, 9, at(9)), Err(2));
        assert_eq!(history.put(3, 9, at(9)), Err(2));
        assert_eq!(history.put(2, 9, at(9)).unwrap().number, 3);
        assert_eq!(history.newest().unwrap().made, 9);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let history = with(VERSIONS_MAX as u64 + 5);
        assert_eq!(history.newest_first().count(), VERSIONS_MAX);
        assert_eq!(history.get(5), None);
        assert!(history.get(6).is_some());
    }

    #[test]
    fn a_store_that_forgot_learns_all_and_one_that_knows_more_learns_nothing() {
        let (mut empty, edge) = (History::default(), with(7));
        assert!(empty.take(edge.all()));
        assert_eq!(empty, edge);
        let mut ahead = with(9);
        assert!(!ahead.take(edge.all()));
        assert_eq!(ahead, with(9));
    }

    #[test]
    fn of_two_with_one_number_the_later_counts() {
        let (mut early, mut late) = (with(3), with(3));
        early.put(3, 10, at(10)).unwrap();
        late.put(3, 11, at(11)).unwrap();
        assert_eq!(early.since(late.stamp()), []);
        let news = late.since(early.stamp());
        assert_eq!(news.len(), 1);
        assert!(early.take(news));
        assert_eq!(early, late);
    }

    proptest! {
        /// However edges and a store that forgets tell each other, nobody ever goes back, and all agree in the end.
        #[test]
        fn nobody_goes_back(steps in vec((0usize..4, 0usize..4, 0u8..4), 1..80)) {
            let mut all: Vec<History<u64>> = vec![History::default(); 4];
            let mut second = 0;
            for (one, other, what) in steps {
                let before: Vec<Stamp> = all.iter().map(History::stamp).collect();
                match what {
                    0 => {
                        second += 1;
                        let number = all[one].stamp().number;
                        all[one].put(number, second, at(second)).unwrap();
                    }
                    _ => {
                        let news = all[one].since(all[other].stamp());
                        all[other].take(news);
                    }
                }
                for (history, before) in all.iter().zip(before) {
                    prop_assert!(history.stamp() >= before);
                    let numbers: Vec<u64> = history.newest_first().map(|version| version.stamp.number).collect();
                    prop_assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]));
                }
            }
            let newest = all.iter().map(History::stamp).max().unwrap();
            for one in 0..4 {
                for other in 0..4 {
                    let news = all[one].all();
                    all[other].take(news);
                }
            }
            prop_assert!(all.iter().all(|history| history.stamp() == newest));
        }
    }
}
