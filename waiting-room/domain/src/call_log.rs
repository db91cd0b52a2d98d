//! When which places were called: what a claim window is counted from.
//!
//! One entry a second in which anybody was called, kept for as long as a claim window lasts: some hundreds of
//! entries, whatever the number of people waiting.

use crate::Moment;
use std::{collections::VecDeque, fmt::Write, time::Duration};

/// The longest claim window, and with it the bound on the log.
pub(crate) const CLAIM_WINDOW_MAX: Duration = Duration::from_secs(600);
const ENTRIES_MAX: usize = 640;
const _: () = assert!(
    ENTRIES_MAX as u64 > CLAIM_WINDOW_MAX.as_secs() + 2,
    "every second of a window has room"
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
        match self.calls.back_mut() {
            // The whole second counts from its last call: windows are a little longer, never shorter.
            Some(last) if last.at.unix_seconds() == now.unix_seconds() => *last = Call { below, at: now },
            _ => self.calls.push_back(Call { below, at: now }),
        }
        while self.calls.len() > ENTRIES_MAX {
            self.calls.pop_front();
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

    /// Until when the place `rank` may be claimed; nothing if it was not called or is forgotten.
    pub fn deadline(&self, rank: u64, window: Duration) -> Option<Moment> {
        self.calls
            .iter()
            .find(|call| rank < call.below)
            .map(|call| call.at.plus(window))
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
        log.record(20, at(5_000));
        assert_eq!(log.deadline(0, WINDOW), Some(at(61_900)));
        assert_eq!(log.deadline(11, WINDOW), Some(at(61_900)));
        assert_eq!(log.deadline(12, WINDOW), Some(at(65_000)));
        assert_eq!(log.deadline(20, WINDOW), None);
        assert_eq!(log.expire(0, at(61_899), WINDOW), 0);
        assert_eq!(log.expire(0, at(61_900), WINDOW), 12);
        assert_eq!(log.expire(12, at(65_000), WINDOW), 20);
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
