//! When a mail is tried again, and when it is given up.

use std::time::Duration;

/// Attempts until a mail is given up: most of a day.
pub const ATTEMPTS_MAX: u32 = 28;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long to wait after so many attempts, the last of which was in vain; `None` when it was the last one.
pub fn pause_after(attempts: u32) -> Option<Duration> {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    (attempts < ATTEMPTS_MAX).then(|| doubled.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_an_hour_and_end_within_a_day() {
        assert_eq!(pause_after(1), Some(Duration::from_secs(5)));
        assert_eq!(pause_after(2), Some(Duration::from_secs(10)));
        assert_eq!(pause_after(20), Some(LONGEST_PAUSE));
        assert_eq!(pause_after(ATTEMPTS_MAX), None);
        let all: Duration = (1..ATTEMPTS_MAX).filter_map(pause_after).sum();
        assert!(
            all > Duration::from_secs(12 * 3600) && all < Duration::from_secs(24 * 3600),
            "{all:?}"
        );
    }
}
