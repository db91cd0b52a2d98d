//! How the origin's answers come, as this edge sees them: how soon, and how many fail.
//!
//! Every request writes here and nobody waits: counters in slots of a second, the oldest of which is cleared by
//! whoever first needs it again. At the turn of a second a count may be lost; nobody decides by one.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// Seconds that count.
const WINDOW: u64 = 10;
/// One more than that: the current second is not over.
const SLOTS: usize = 11;
/// Steps in which the time doubles: an answer's time is known to within an eighth.
const STEPS: usize = 8;
/// Doublings told apart, from a millisecond to two minutes.
const DOUBLINGS: usize = 17;
const BUCKETS: usize = STEPS * DOUBLINGS;
/// With fewer requests than this one failure says little: the share is of this many.
const REQUESTS_MIN: u64 = 20;

/// Watches an origin for one room.
#[derive(Debug)]
pub struct OriginWatch {
    began: Instant,
    slots: [Slot; SLOTS],
    /// Requests that were not answered yet.
    open: AtomicU32,
    /// When the first of them began, or the last answer came, in milliseconds since `began`.
    moved_at_ms: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    second: AtomicU64,
    failures: AtomicU32,
    answers: AtomicU32,
    by_time: [AtomicU32; BUCKETS],
}

/// A request that the origin was asked. Dropped without an answer, it was the visitor who went away.
#[derive(Debug)]
pub struct Asked {
    watch: Arc<OriginWatch>,
    at: Instant,
    /// The visitor asked the origin to take its time (`Prefer: wait`): how long it takes says nothing.
    takes_its_time: bool,
}

/// What was seen in the last seconds; as text it travels to the edge that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OriginSeen {
    /// Requests that came to an end, failures included.
    pub requests: u64,
    /// Requests that failed: an answer of 500 or more, or none.
    pub failures: u64,
    /// How soon nine of ten answers began, in milliseconds.
    pub p90_ms: u64,
}

/// Not a text of [`OriginSeen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what an edge saw of an origin")]
pub struct NotSeen;

impl Default for OriginWatch {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            slots: std::array::from_fn(|_| Slot {
                // No second is this one, so every slot is empty.
                second: AtomicU64::new(u64::MAX),
                failures: AtomicU32::new(0),
                answers: AtomicU32::new(0),
                by_time: std::array::from_fn(|_| AtomicU32::new(0)),
            }),
            open: AtomicU32::new(0),
            moved_at_ms: AtomicU64::new(0),
        }
    }
}

impl OriginWatch {
    /// A request goes to the origin now.
    pub fn asks(self: &Arc<Self>, takes_its_time: bool) -> Asked {
        if !takes_its_time && self.open.fetch_add(1, Relaxed) == 0 {
            self.moved_at_ms.store(self.now_ms(), Relaxed);
        }
        Asked {
            watch: Arc::clone(self),
            at: Instant::now(),
            takes_its_time,
        }
    }

    /// What was seen lately.
    pub fn seen(&self) -> OriginSeen {
        let now_ms = self.now_ms();
        let mut seen = OriginSeen::default();
        let mut by_time = [0u64; BUCKETS];
        let oldest = (now_ms / 1_000).saturating_sub(WINDOW);
        let slots = self.slots.iter().filter(|slot| {
            let second = slot.second.load(Relaxed);
            second != u64::MAX && second >= oldest
        });
        for slot in slots {
            seen.failures += u64::from(slot.failures.load(Relaxed));
            seen.requests += u64::from(slot.answers.load(Relaxed));
            for (sum, count) in by_time.iter_mut().zip(&slot.by_time) {
                *sum += u64::from(count.load(Relaxed));
            }
        }
        seen.p90_ms = p90(&by_time).max(self.silence_ms(now_ms));
        seen
    }

    /// How long requests wait while none is answered: an origin that hangs has no answers to measure.
    fn silence_ms(&self, now_ms: u64) -> u64 {
        if self.open.load(Relaxed) == 0 {
            return 0;
        }
        now_ms.saturating_sub(self.moved_at_ms.load(Relaxed))
    }

    fn ended(&self, took_ms: Option<u64>, failed: bool) {
        let now_ms = self.now_ms();
        let slot = self.slot(now_ms / 1_000);
        slot.answers.fetch_add(1, Relaxed);
        slot.failures.fetch_add(u32::from(failed), Relaxed);
        if let Some(took_ms) = took_ms {
            slot.by_time[bucket(took_ms)].fetch_add(1, Relaxed);
        }
        self.moved_at_ms.store(now_ms, Relaxed);
    }

    /// The slot of this second, cleared if it was another's.
    fn slot(&self, second: u64) -> &Slot {
        let slot = &self.slots[usize::try_from(second % SLOTS as u64).unwrap_or(0)];
        let was = slot.second.load(Relaxed);
        if was != second
            && slot
                .second
                .compare_exchange(was, second, Relaxed, Relaxed)
                .is_ok()
        {
            slot.failures.store(0, Relaxed);
            slot.answers.store(0, Relaxed);
            slot.by_time.iter().for_each(|count| count.store(0, Relaxed));
        }
        slot
    }

    fn now_ms(&self) -> u64 {
        millis_since(self.began)
    }
}

impl Asked {
    /// The origin answered with this status.
    pub fn answered(self, status: u16) {
        let took = (!self.takes_its_time).then(|| millis_since(self.at));
        self.watch.ended(took, status >= 500);
    }

    /// The origin did not answer.
    pub fn failed(self) {
        // How long that took counts, too: a time-out is the slowest answer of all.
        let took = (!self.takes_its_time).then(|| millis_since(self.at));
        self.watch.ended(took, true);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.takes_its_time {
            self.watch.open.fetch_sub(1, Relaxed);
        }
    }
}

impl OriginSeen {
    /// What several edges see together: their requests and failures, and the slowest of their times.
    pub fn together(seen: impl IntoIterator<Item = Self>) -> Self {
        seen.into_iter().fold(Self::default(), |sum, seen| Self {
            requests: sum.requests.saturating_add(seen.requests),
            failures: sum.failures.saturating_add(seen.failures),
            p90_ms: sum.p90_ms.max(seen.p90_ms),
        })
    }

    /// How many in a hundred failed, rounded up.
    pub fn errors_percent(&self) -> u64 {
        let of = self.requests.max(REQUESTS_MIN);
        self.failures.saturating_mul(100).div_ceil(of).min(100)
    }
}

impl fmt::Display for OriginSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.requests, self.failures, self.p90_ms)
    }
}

impl FromStr for OriginSeen {
    type Err = NotSeen;

    fn from_str(text: &str) -> Result<Self, NotSeen> {
        let numbers: Vec<u64> = text.splitn(4, ' ').map_while(|word| word.parse().ok()).collect();
        match numbers[..] {
            [requests, failures, p90_ms] => Ok(Self {
                requests,
                failures,
                p90_ms,
            }),
            _ => Err(NotSeen),
        }
    }
}

fn millis_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Where a time is counted: so many steps in every doubling.
fn bucket(ms: u64) -> usize {
    let ms = ms.max(1);
    let doubling = usize::try_from(ms.ilog2()).unwrap_or(usize::MAX);
    let step = ((ms * STEPS as u64) >> doubling.min(BUCKETS)) & (STEPS as u64 - 1);
    (doubling.saturating_mul(STEPS))
        .saturating_add(usize::try_from(step).unwrap_or(0))
        .min(BUCKETS - 1)
}

/// The longest time that is counted there.
fn longest(bucket: usize) -> u64 {
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    let next = ((STEPS + step + 1) as u64) << doubling;
    (next.div_ceil(STEPS as u64)).saturating_sub(1).max(1)
}

fn p90(by_time: &[u64; BUCKETS]) -> u64 {
    let all: u64 = by_time.iter().sum();
    if all == 0 {
        return 0;
    }
    let wanted = (all * 9).div_ceil(10);
    let mut counted = 0;
    let at = by_time.iter().position(|count| {
        counted += count;
        counted >= wanted
    });
    at.map_or(0, longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[test]
    fn a_time_is_known_to_within_an_eighth() {
        for ms in [
            1, 2, 3, 7, 8, 9, 15, 16, 17, 100, 499, 500, 501, 4_000, 59_999, 131_071,
        ] {
            let longest = longest(bucket(ms));
            assert!(longest >= ms, "{ms} is at most {longest}");
            assert!(longest <= ms + ms.div_ceil(8), "{ms} is not nearly {longest}");
        }
        assert_eq!(bucket(0), bucket(1));
        assert_eq!(bucket(u64::MAX / 16), BUCKETS - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_count_for_ten_seconds() {
        let watch = Arc::new(OriginWatch::default());
        assert_eq!(watch.seen(), OriginSeen::default());
        for took in [10, 10, 10, 10, 10, 10, 10, 10, 10, 800] {
            let asked = watch.asks(false);
            pass(took).await;
            asked.answered(200);
        }
        let seen = watch.seen();
        assert_eq!((seen.requests, seen.failures, seen.p90_ms), (10, 0, 10));
        let asked = watch.asks(false);
        pass(800).await;
        asked.answered(503);
        let seen = watch.seen();
        assert_eq!((seen.requests, seen.failures), (11, 1));
        assert!((800..=900).contains(&seen.p90_ms), "{seen:?}");
        pass(12_000).await;
        assert_eq!(watch.seen(), OriginSeen::default(), "that was some time ago");
        watch.asks(false).failed();
        assert_eq!(
            (watch.seen().requests, watch.seen().failures),
            (1, 1),
            "the slot is used again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_hangs_is_slow_although_nothing_was_answered() {
        let watch = Arc::new(OriginWatch::default());
        pass(60_000).await;
        let asked = watch.asks(false);
        assert_eq!(watch.seen().p90_ms, 0);
        pass(4_000).await;
        let another = watch.asks(false);
        assert_eq!(watch.seen().p90_ms, 4_000);
        another.answered(200);
        assert!(watch.seen().p90_ms < 10, "it answers");
        drop(asked);
        pass(4_000).await;
        assert_eq!(
            watch.seen().requests,
            1,
            "a visitor who went away says nothing about the origin"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_asked_to_take_its_time_is_not_slow() {
        let watch = Arc::new(OriginWatch::default());
        let asked = watch.asks(true);
        pass(9_000).await;
        assert_eq!(watch.seen(), OriginSeen::default());
        asked.answered(500);
        assert_eq!(
            watch.seen(),
            OriginSeen {
                requests: 1,
                failures: 1,
                p90_ms: 0
            }
        );
    }

    #[test]
    fn what_edges_see_is_put_together_and_travels_as_text() {
        let one = OriginSeen {
            requests: 90,
            failures: 1,
            p90_ms: 40,
        };
        let two = OriginSeen {
            requests: 10,
            failures: 4,
            p90_ms: 700,
        };
        let both = OriginSeen::together([one, two]);
        assert_eq!(
            both,
            OriginSeen {
                requests: 100,
                failures: 5,
                p90_ms: 700
            }
        );
        assert_eq!(both.to_string().parse(), Ok(both));
        for bad in ["", "1 2", "1 2 3 4", "1 2 x", "-1 2 3"] {
            assert_eq!(bad.parse::<OriginSeen>(), Err(NotSeen), "{bad}");
        }
        let failures = |requests, failures| {
            OriginSeen {
                requests,
                failures,
                p90_ms: 0,
            }
            .errors_percent()
        };
        assert_eq!(
            (
                failures(0, 0),
                failures(1, 1),
                failures(100, 5),
                failures(1_000, 1)
            ),
            (0, 5, 5, 1)
        );
        assert!(
            failures(u64::MAX, u64::MAX) <= 100,
            "nonsense stays within bounds"
        );
    }
}
