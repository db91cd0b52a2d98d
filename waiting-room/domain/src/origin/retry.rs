//! Whether a request may be sent once more: only where nothing can happen twice, and only so often that an outage is
//! not made worse by it.

use crate::Moment;

/// Retries in a row that are saved up at most. One comes back each tenth of a second, besides the share of the requests.
pub const RETRIES_SAVED: u64 = 50;
/// What one retry costs.
const RETRY: u64 = 1_000;
/// What comes back each millisecond.
const EACH_MS: u64 = 10;

/// What of a request matters for sending it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Doing it twice is the same as doing it once: RFC 9110, 9.2.2.
    pub idempotent: bool,
    /// It has a body, which is gone once it was read.
    pub has_body: bool,
}

/// How a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// There was no connection, so nothing was sent.
    NoConnection,
    /// A connection that had been idle ended when it was used again.
    IdleConnection,
    /// It may have been received, and no answer came: in time, or at all, or one that nobody can read.
    NoAnswer,
    /// The answer was that the server cannot.
    BadStatus,
    /// The answer had begun, and the visitor has seen some of it.
    InAnswer,
}

/// What is left for retries of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    left: u64,
    at: Moment,
}

/// Whether sending it again can do no harm.
pub const fn may_send_again(sent: Sent, broken: Broken) -> bool {
    match broken {
        Broken::NoConnection => true,
        Broken::IdleConnection | Broken::NoAnswer | Broken::BadStatus => sent.idempotent && !sent.has_body,
        Broken::InAnswer => false,
    }
}

impl RetryBudget {
    /// A full one.
    pub const fn full(now: Moment) -> Self {
        Self {
            left: RETRIES_SAVED * RETRY,
            at: now,
        }
    }

    /// After one more request of which `percent` in a hundred may be retried.
    #[must_use]
    pub fn earned(self, percent: u32) -> Self {
        let left = self.left + u64::from(percent) * (RETRY / 100);
        Self {
            left: left.min(RETRIES_SAVED * RETRY),
            ..self
        }
    }

    /// Takes one retry, if there is one.
    #[must_use]
    pub fn spent(self, now: Moment) -> (Self, bool) {
        let at = self.at.max(now);
        let came_back = u64::try_from(at.since(self.at).as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(EACH_MS);
        let left = self.left.saturating_add(came_back).min(RETRIES_SAVED * RETRY);
        match left.checked_sub(RETRY) {
            Some(left) => (Self { left, at }, true),
            None => (Self { left, at }, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_can_do_no_harm_is_sent_again() {
        use Broken::{BadStatus, IdleConnection, InAnswer, NoAnswer, NoConnection};
        let get = Sent {
            idempotent: true,
            has_body: false,
        };
        let put = Sent {
            has_body: true,
            ..get
        };
        let post = Sent {
            idempotent: false,
            has_body: true,
        };
        let empty_post = Sent {
            has_body: false,
            ..post
        };
        for (sent, broken, again) in [
            (get, NoConnection, true),
            (get, IdleConnection, true),
            (get, NoAnswer, true),
            (get, BadStatus, true),
            (get, InAnswer, false),
            (put, NoConnection, true),
            (put, IdleConnection, false),
            (put, NoAnswer, false),
            (put, BadStatus, false),
            (post, NoConnection, true),
            (post, IdleConnection, false),
            (post, NoAnswer, false),
            (post, BadStatus, false),
            (empty_post, IdleConnection, false),
            (empty_post, NoAnswer, false),
            (empty_post, InAnswer, false),
        ] {
            assert_eq!(may_send_again(sent, broken), again, "{sent:?} {broken:?}");
        }
    }

    proptest! {
        /// However failures come: retries stay within what was saved, a share of the requests, and ten each second.
        #[test]
        fn retries_cannot_multiply_an_outage(
            percent in 0u32..=100,
            steps in proptest::collection::vec((0u64..50, any::<bool>()), 1..600),
        ) {
            let mut budget = RetryBudget::full(Moment::from_unix_ms(0));
            let (mut now, mut requests, mut retries) = (0, 0, 0);
            for (pause, fails) in steps {
                now += pause;
                requests += 1;
                budget = budget.earned(percent);
                if fails {
                    let (next, granted) = budget.spent(Moment::from_unix_ms(now));
                    budget = next;
                    retries += u64::from(granted);
                }
                let allowed = RETRIES_SAVED + requests * u64::from(percent) / 100 + now / 100 + 1;
                prop_assert!(retries <= allowed, "{retries} of {requests} in {now} ms");
            }
        }
    }

    #[test]
    fn an_empty_budget_fills_with_time() {
        let start = Moment::from_unix_ms(0);
        let mut budget = RetryBudget::full(start);
        for _ in 0..RETRIES_SAVED {
            let (next, granted) = budget.spent(start);
            assert!(granted);
            budget = next;
        }
        assert!(!budget.spent(start).1);
        assert!(!budget.spent(Moment::from_unix_ms(99)).1);
        assert!(budget.spent(Moment::from_unix_ms(100)).1);
        assert!(budget.earned(100).spent(start).1);
    }
}
