//! Names that say whose they are and when they were made, so that leftovers can be recognised and swept.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How every name from here begins.
pub(crate) const MARK: &str = "testbed_";

/// What a killed test left behind is swept when it is older than this: no test takes a day.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// A name that nothing else has: when it was made, by which process, the how manieth, and something random.
pub(crate) fn fresh() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "{MARK}{:x}_{}_{counter}_{}",
        now().as_secs(),
        std::process::id(),
        &random[..8]
    )
}

/// Whether `name` was made here, long ago.
pub(crate) fn is_old(name: &str) -> bool {
    let made = name.strip_prefix(MARK).and_then(|rest| rest.split('_').next());
    let Some(made) = made.and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
        return false;
    };
    now().saturating_sub(Duration::from_secs(made)) > OLD
}

/// The number of the process that made `name`.
pub(crate) fn process_of(name: &str) -> Option<&str> {
    name.strip_prefix(MARK)?.split('_').nth(1)
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_only_old_ones_are_old() {
        assert_ne!(fresh(), fresh());
        assert!(!is_old(&fresh()));
        assert!(is_old("testbed_5f000000_17_0_abcdef01"));
        for foreign in ["waiting_room", "testbed_template_0a1b", "testbed_"] {
            assert!(!is_old(foreign), "{foreign}");
        }
    }
}
