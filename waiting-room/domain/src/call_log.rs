//! When which places were called: what a claim window is counted from.
//!
//! One entry for each decision that called anybody, later one for each second of them, kept for as long as a claim
//! window lasts: some hundreds of entries, whatever the number of people waiting.

use crate::{Moment, TICK};
use std::{collections::VecDeque, fmt::Write, time::Duration};

/// The longest claim window, and with it the bound on the log.
pub(crate) const CLAIM_WINDOW_MAX: Duration = Duration::from_secs(600);
/// For so long every call keeps its own moment: most people come within it, and how soon is of interest.
const FINE: Duration = Duration::from_secs(5);
const ENTRIES_MAX: usize = 700;
const _: () = assert!(
    ENTRIES_MAX as u128 > CLAIM_WINDOW_MAX.as_secs() as u128 + FINE.as_millis() / TICK.as_millis() + 2,
    "every second of a window has room, and every tick of the last ones"
);

/// Places below `below` (and not below an earlier entry's) became claimable at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    below: u64,
    at: Moment,
}

/// The calls whose claim windows are still open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallLog {
    calls: VecDeque<Call>,
}

/// A stored log that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call log is malformed")]
pub struct CallLogError;

impl CallLog {
    /// Places below `below` are claimable from `now` on.
    pub fn record(&mut self, below: u64, now: Moment) {
        let known = self.calls.back().map_or(0, |last| last.below);
        if below <= known {
            return;
        }
        self.calls.push_back(Call { below, at: now });
        self.gather(now);
        while self.calls.len() > ENTRIES_MAX {
            self.calls.pop_front();
        }
    }

    /// Makes one entry of the calls of a second that is long enough ago. It counts from the last of them: windows are
    /// a little longer, never shorter.
    fn gather(&mut self, now: Moment) {
        let old = self.calls.partition_point(|call| call.at.plus(FINE) <= now);
        // What is further back was gathered before.
        let lately = usize::try_from(2_000 / TICK.as_millis()).unwrap_or(usize::MAX);
        for index in (old.saturating_sub(lately).max(1)..old).rev() {
            let (before, call) = (self.calls[index - 1], self.calls[index]);
            if before.at.unix_seconds() == call.at.unix_seconds() {
                self.calls[index - 1] = call;
                self.calls.remove(index);
            }
        }
    }

    /// Forgets the calls whose window of `window` has passed, and answers below which place every window has.
    pub fn expire(&mut self, settled_below: u64, now: Moment, window: Duration) -> u64 {
        let mut settled = settled_below;
        while let Some(first) = self.calls.front().filter(|first| first.at.plus(window) <= now) {
            settled = settled.max(first.below);
            self.calls.pop_front();
        }
        settled
    }

    /// When the place `rank` was called; nothing if it was not, or is forgotten.
    pub fn called_at(&self, rank: u64) -> Option<Moment> {
        // Thousands of polls a second ask, and the log is in order.
        let index = self.calls.partition_point(|call| call.below <= rank);
        self.calls.get(index).map(|call| call.at)
    }

    /// The calls on record: how many places each was for, and when. Those below `settled_below` are none.
    pub(crate) fn calls(&self, settled_below: u64) -> impl Iterator<Item = (u64, Moment)> {
        let mut from = settled_below;
        self.calls.iter().map(move |call| {
            let count = call.below.saturating_sub(from);
            from = from.max(call.below);
            (count, call.at)
        })
    }

    /// Lets `by` not count: every window ends so much later.
    pub(crate) fn stand_still(&mut self, by: Duration) {
        self.calls.iter_mut().for_each(|call| call.at = call.at.plus(by));
    }

    /// How many places became claimable after `since`.
    pub fn called_after(&self, since: Moment, settled_below: u64) -> u64 {
        let last = self.calls.back().map_or(settled_below, |call| call.below);
        let before = self.calls.iter().take_while(|call| call.at <= since).last();
        last - before.map_or(settled_below, |call| call.below).min(last)
    }

    /// The log as one short text: `below:unix_ms` pairs with commas.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(self.calls.len() * 24);
        for call in &self.calls {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}{}:{}", call.below, call.at.unix_ms());
        }
        text
    }

    /// The log that [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`CallLogError`] if anything else did.
    pub fn decode(text: &str) -> Result<Self, CallLogError> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        let calls = pairs.map(|pair| {
            let (below, at) = pair.split_once(':').ok_or(CallLogError)?;
            let number = |text: &str| text.parse::<u64>().map_err(|_| CallLogError);
            Ok(Call {
                below: number(below)?,
                at: Moment::from_unix_ms(number(at)?),
            })
        });
        Ok(Self {
            calls: calls.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn a_window_is_counted_from_the_call() {
        let mut log = CallLog::default();
        log.record(10, at(1_000));
        log.record(12, at(1_900));
        assert_eq!(log.called_at(0), Some(at(1_000)));
        log.record(20, at(7_000));
        assert_eq!(log.called_at(0), Some(at(1_900)), "one entry for the second");
        assert_eq!(log.called_at(11), Some(at(1_900)));
        assert_eq!(log.called_at(12), Some(at(7_000)));
        assert_eq!(log.called_at(20), None);
        assert_eq!(log.expire(0, at(61_899), WINDOW), 0);
        assert_eq!(log.expire(0, at(61_900), WINDOW), 12);
        assert_eq!(log.expire(12, at(67_000), WINDOW), 20);
    }

    #[test]
    fn it_tells_how_many_were_called_lately() {
        let mut log = CallLog::default();
        log.record(10, at(1_000));
        log.record(30, at(2_000));
        log.record(60, at(3_000));
        assert_eq!(log.called_after(at(0), 0), 60);
        assert_eq!(log.called_after(at(1_000), 0), 50);
        assert_eq!(log.called_after(at(2_500), 0), 30);
        assert_eq!(log.called_after(at(3_000), 0), 0);
        assert_eq!(CallLog::default().called_after(at(0), 7), 0);
    }

    #[test]
    fn nonsense_is_no_log() {
        for bad in ["1", "1:", ":1", "a:b", "1:2,3", "1:2;3:4", "-1:2"] {
            assert_eq!(CallLog::decode(bad), Err(CallLogError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_survives_its_encoding(steps in proptest::collection::vec((0u64..50, 0u64..5_000), 0..2_000)) {
            let (mut log, mut below, mut now) = (CallLog::default(), 0, 0);
            for (more, later) in steps {
                below += more;
                now += later;
                log.record(below, at(now));
            }
            prop_assert!(log.calls.len() <= ENTRIES_MAX);
            prop_assert_eq!(CallLog::decode(&log.encode()), Ok(log));
        }
    }
}
