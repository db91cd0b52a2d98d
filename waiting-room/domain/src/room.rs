//! A room's rules: how fast people come in, how many at once, and for how long.

use std::time::Duration;

/// How often the edge that holds the lease decides whom to call.
pub const TICK: Duration = Duration::from_millis(100);

/// More than this is not a shop but a stadium full of shops, and arithmetic stays far from its edges.
const USERS_PER_MINUTE_MAX: u32 = 10_000_000;
const MAX_ACTIVE_MAX: u32 = 10_000_000;

/// How many come in: both bounds hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Admissions in a minute, spread evenly over it. 0 lets nobody in.
    pub users_per_minute: u32,
    /// Sessions at the same time, counting those called who may still claim.
    pub max_active: u32,
}

/// Why limits cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// The rate is out of range.
    #[error("users_per_minute must be at most {USERS_PER_MINUTE_MAX}")]
    UsersPerMinute,
    /// The number of sessions is out of range.
    #[error("max_active must be from 1 to {MAX_ACTIVE_MAX}")]
    MaxActive,
}

impl Limits {
    /// Limits within the range that the arithmetic is made for.
    ///
    /// # Errors
    /// [`LimitsError`], naming the first that is out of range.
    pub fn new(users_per_minute: u32, max_active: u32) -> Result<Self, LimitsError> {
        if users_per_minute > USERS_PER_MINUTE_MAX {
            return Err(LimitsError::UsersPerMinute);
        }
        if max_active == 0 || max_active > MAX_ACTIVE_MAX {
            return Err(LimitsError::MaxActive);
        }
        Ok(Self {
            users_per_minute,
            max_active,
        })
    }

    /// How many may come in at one instant: a second's worth, and at least one.
    pub fn burst(&self) -> u64 {
        u64::from(self.users_per_minute / 60).max(1)
    }
}

/// How long an admitted shopper stays in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRule {
    /// From the claim, or from the last request when `sliding`.
    pub length: Duration,
    /// Whether requests prolong the session.
    pub sliding: bool,
    /// No session lasts longer than this, whatever is requested.
    pub hard_cap: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_named() {
        assert_eq!(Limits::new(u32::MAX, 1), Err(LimitsError::UsersPerMinute));
        assert_eq!(Limits::new(1, 0), Err(LimitsError::MaxActive));
        assert!(Limits::new(0, 1).is_ok(), "a rate of nobody is a rate");
    }
}
