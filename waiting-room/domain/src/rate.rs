//! How much somebody may ask for: a quota in a window, kept by the generic cell rate algorithm. One number a visitor,
//! and whole numbers only, so that a quota of seven in a minute is seven, not 6.9.

use crate::Moment;
use std::time::Duration;

/// A quota has at most so many requests, so that no sum of it overflows.
pub const RATE_REQUESTS_MAX: u32 = 1_000_000;
/// A window is at most a day.
pub const RATE_WINDOW_MAX: Duration = Duration::from_secs(86_400);

/// So many requests in each window, and so many of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    requests: u64,
    window_ms: u64,
    burst: u64,
}

/// What a visitor owes, in parts of a millisecond: as many parts as the quota has requests. 0 for who is new.
pub type Debt = u64;

/// Why there is no such rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Nothing, or too much.
    #[error("requests must be from 1 to {RATE_REQUESTS_MAX}")]
    Requests,
    /// No time, or too long.
    #[error("window_seconds must be from 1 to {}", RATE_WINDOW_MAX.as_secs())]
    Window,
    /// Nothing at once, or more than there are.
    #[error("burst must be from 1 to requests")]
    Burst,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that may come at once.
    pub left: u64,
    /// After so long without a request all of it is there again.
    pub whole_in: Duration,
}

impl Rate {
    /// `requests` in each window of `window_seconds`, of which `burst` may come at once; all of them if it is not said.
    ///
    /// # Errors
    /// [`RateError`].
    pub fn new(requests: u32, window_seconds: u64, burst: Option<u32>) -> Result<Self, RateError> {
        let burst = burst.unwrap_or(requests);
        if !(1..=RATE_REQUESTS_MAX).contains(&requests) {
            return Err(RateError::Requests);
        }
        if !(1..=RATE_WINDOW_MAX.as_secs()).contains(&window_seconds) {
            return Err(RateError::Window);
        }
        if !(1..=requests).contains(&burst) {
            return Err(RateError::Burst);
        }
        Ok(Self {
            requests: requests.into(),
            window_ms: window_seconds * 1_000,
            burst: burst.into(),
        })
    }

    /// Requests in a window.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The window.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// What is left at `now` of the quota of somebody with this debt.
    pub fn quota(&self, debt: Debt, now: Moment) -> Quota {
        let owed = self.owed(debt, now);
        Quota {
            left: (self.capacity() - owed) / self.window_ms,
            whole_in: self.time_to_pay(owed),
        }
    }

    /// Counts one more request at `now`; the answer is the next debt.
    ///
    /// # Errors
    /// How long to wait for one.
    pub fn admit(&self, debt: Debt, now: Moment) -> Result<Debt, Duration> {
        let owed = self.owed(debt, now) + self.window_ms;
        if owed > self.capacity() {
            return Err(self.time_to_pay(owed - self.capacity()));
        }
        Ok(self.paid_until(now).saturating_add(owed))
    }

    /// A clock that is set back must not make a debt larger than a debt can be.
    fn owed(&self, debt: Debt, now: Moment) -> u64 {
        debt.saturating_sub(self.paid_until(now)).min(self.capacity())
    }

    /// A request costs a window, and in a window as many are paid for as there are in it.
    fn paid_until(&self, now: Moment) -> u64 {
        now.unix_ms().saturating_mul(self.requests)
    }

    fn capacity(&self) -> u64 {
        self.burst * self.window_ms
    }

    fn time_to_pay(&self, owed: u64) -> Duration {
        Duration::from_millis(owed.div_ceil(self.requests))
    }
}

/// An item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). `name` is printable ASCII without quotes and
/// backslashes.
pub fn policy_item(name: &str, requests: u64, window: Duration) -> String {
    format!("\"{name}\";q={requests};w={}", seconds(window))
}

/// An item of `RateLimit`: how many are left, and when the quota is whole again.
pub fn limit_item(name: &str, quota: Quota) -> String {
    format!("\"{name}\";r={};t={}", quota.left, seconds(quota.whole_in))
}

/// Whole seconds, rounded up: nobody is told to come too early.
fn seconds(span: Duration) -> u128 {
    span.as_millis().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000_000;

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    #[test]
    fn only_rates_that_make_sense_exist() {
        for (requests, window, burst, expected) in [
            (1, 1, None, None),
            (1_000_000, 86_400, Some(1), None),
            (0, 1, None, Some(RateError::Requests)),
            (1_000_001, 1, None, Some(RateError::Requests)),
            (1, 0, None, Some(RateError::Window)),
            (1, 86_401, None, Some(RateError::Window)),
            (5, 1, Some(0), Some(RateError::Burst)),
            (5, 1, Some(6), Some(RateError::Burst)),
        ] {
            let rate = Rate::new(requests, window, burst);
            assert_eq!(rate.err(), expected, "{requests} in {window}, {burst:?}");
        }
    }

    #[test]
    fn a_quota_is_spent_and_comes_back() {
        let rate = Rate::new(3, 60, None).unwrap();
        let mut debt = 0;
        assert_eq!(rate.quota(debt, at(NOW)).left, 3);
        for left in [2, 1, 0] {
            debt = rate.admit(debt, at(NOW)).unwrap();
            assert_eq!(rate.quota(debt, at(NOW)).left, left);
        }
        assert_eq!(rate.quota(debt, at(NOW)).whole_in, Duration::from_secs(60));
        assert_eq!(rate.admit(debt, at(NOW)), Err(Duration::from_secs(20)));
        assert_eq!(rate.admit(debt, at(NOW + 19_999)), Err(Duration::from_millis(1)));
        assert!(rate.admit(debt, at(NOW + 20_000)).is_ok());
        assert_eq!(rate.quota(debt, at(NOW + 60_000)).left, 3);
    }

    #[test]
    fn a_burst_is_what_may_come_at_once() {
        let rate = Rate::new(60, 60, Some(2)).unwrap();
        let debt = rate.admit(0, at(NOW)).and_then(|debt| rate.admit(debt, at(NOW)));
        assert_eq!(rate.admit(debt.unwrap(), at(NOW)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let rate = Rate::new(2, 10, None).unwrap();
        let debt = rate.admit(0, at(NOW)).unwrap();
        let hours_ago = NOW - 7_200_000;
        let wait = rate.admit(debt, at(hours_ago)).unwrap_err();
        assert!(wait <= Duration::from_secs(5), "{wait:?}");
    }

    #[test]
    fn the_fields_are_structured() {
        assert_eq!(
            policy_item("api", 100, Duration::from_secs(60)),
            "\"api\";q=100;w=60"
        );
        let quota = Quota {
            left: 7,
            whole_in: Duration::from_millis(1_001),
        };
        assert_eq!(limit_item("api", quota), "\"api\";r=7;t=2");
    }

    proptest! {
        /// In any window there are at most the burst that was saved up, and what comes in a window.
        #[test]
        fn the_rate_is_kept(
            requests in 1u32..200, window in 1u64..100, share in 1u32..=100,
            gaps in proptest::collection::vec(0u64..2_000, 1..400),
        ) {
            let burst = (requests * share / 100).max(1);
            let rate = Rate::new(requests, window, Some(burst)).unwrap();
            let (mut now, mut debt, mut admitted) = (NOW, 0, Vec::new());
            for gap in gaps {
                now += gap;
                if let Ok(next) = rate.admit(debt, at(now)) {
                    debt = next;
                    admitted.push(now);
                }
            }
            for (index, since) in admitted.iter().enumerate() {
                let within = admitted[index..].iter().filter(|then| **then < since + window * 1_000).count();
                prop_assert!(within <= (burst + requests) as usize, "{within} in a window");
            }
        }

        /// Who waits as long as told is let through, and not a millisecond earlier.
        #[test]
        fn the_wait_is_exact(requests in 1u32..=1_000_000, window in 1u64..=86_400, spent in 1u32..50) {
            let burst = spent.min(requests);
            let rate = Rate::new(requests, window, Some(burst)).unwrap();
            let mut debt = 0;
            for _ in 0..burst {
                debt = rate.admit(debt, at(NOW)).unwrap();
            }
            let wait = u64::try_from(rate.admit(debt, at(NOW)).unwrap_err().as_millis()).unwrap();
            prop_assert!(rate.admit(debt, at(NOW + wait)).is_ok());
            prop_assert!(wait == 0 || rate.admit(debt, at(NOW + wait - 1)).is_err());
            prop_assert_eq!(rate.quota(debt, at(NOW)).left, 0);
        }
    }
}
