//! When to try a lost connection again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

const _: () = assert!(FIRST.as_millis() > 0 && FIRST.as_millis() < LONGEST.as_millis());

/// Pauses that double from failure to failure, up to a bound.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// The pause after one more failure.
    pub(crate) fn failed(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.failed(), FIRST);
        assert_eq!(backoff.failed(), FIRST * 2);
        for _ in 0..10 {
            backoff.failed();
        }
        assert_eq!(backoff.failed(), LONGEST);
        backoff.succeeded();
        assert_eq!(backoff.failed(), FIRST);
    }
}
