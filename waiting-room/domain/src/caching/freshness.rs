//! Whether an answer may be kept, and for how long.

use super::Directives;
use std::time::Duration;

/// Kept for the time that a rule gives, if the origin gives none.
const KEPT_BY_RULE: [u16; 2] = [200, 203];
/// Kept only for a time that the origin gives.
const KEPT_BY_ORIGIN: [u16; 6] = [200, 203, 301, 308, 404, 410];

/// The times of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTimes {
    /// How long an answer is fresh.
    pub ttl: Duration,
    /// How long after that it may be used while a fresh one is asked for.
    pub stale_while_revalidate: Duration,
    /// How long after that it may be used when the origin fails.
    pub stale_if_error: Duration,
    /// Whether the times that the origin gives count before these.
    pub obey_origin: bool,
}

/// What an answer says about being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Its status.
    pub status: u16,
    /// Its `Cache-Control`.
    pub directives: Directives,
    /// How long after its `Date` it expires; nothing at all for a moment that cannot be read.
    pub expires: Option<Duration>,
    /// How old it was already.
    pub age: Duration,
    /// Whether it sets a cookie.
    pub sets_cookie: bool,
    /// Whether it depends on a header that is no part of the key.
    pub varies_beyond_key: bool,
}

/// For how long an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// How long it is still fresh.
    pub fresh: Duration,
    /// How long after that it may be used while a fresh one is asked for.
    pub stale_while_revalidate: Duration,
    /// How long after that it may be used when the origin fails.
    pub stale_if_error: Duration,
    /// Whether a request with `Authorization` may be answered by it: RFC 9111, 3.5.
    pub for_authorized: bool,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// The origin failed.
    Failure,
    /// Its status is none that is kept.
    Status,
    /// It is for one visitor, or for nobody to keep.
    Personal,
    /// It depends on a header that is no part of the key.
    Varies,
    /// It is fresh for no time at all.
    NoTime,
}

impl CacheTimes {
    /// For how long the answer is kept.
    ///
    /// # Errors
    /// [`NotKept`].
    pub fn lifetime(&self, said: &Said) -> Result<Lifetime, NotKept> {
        let directives = said.directives;
        if said.status >= 500 {
            return Err(NotKept::Failure);
        }
        if directives.no_store || directives.private || said.sets_cookie {
            return Err(NotKept::Personal);
        }
        if said.varies_beyond_key {
            return Err(NotKept::Varies);
        }
        let given = self.given(said);
        let kept = match given {
            Some(_) => KEPT_BY_ORIGIN.contains(&said.status),
            None => KEPT_BY_RULE.contains(&said.status),
        };
        if !kept {
            return Err(NotKept::Status);
        }
        let lifetime = Lifetime {
            // What the origin says counts from when it said it; a rule's time from when it arrived.
            fresh: given.map_or(self.ttl, |given| given.saturating_sub(said.age)),
            stale_while_revalidate: self.window(
                &directives,
                directives.stale_while_revalidate,
                self.stale_while_revalidate,
            ),
            stale_if_error: self.window(&directives, directives.stale_if_error, self.stale_if_error),
            for_authorized: directives.public || directives.s_maxage.is_some() || directives.must_revalidate,
        };
        if lifetime.fresh.is_zero() && lifetime.stale_while_revalidate.is_zero() {
            return Err(NotKept::NoTime);
        }
        Ok(lifetime)
    }

    /// How long the origin calls it fresh, if it is asked and says so.
    fn given(&self, said: &Said) -> Option<Duration> {
        if !self.obey_origin {
            return None;
        }
        if said.directives.no_cache {
            return Some(Duration::ZERO);
        }
        said.directives
            .s_maxage
            .or(said.directives.max_age)
            .or(said.expires)
    }

    /// A stale window: by the origin, or else by the rule unless the origin rules it out (`s-maxage` does, too).
    fn window(&self, directives: &Directives, said: Option<Duration>, rule: Duration) -> Duration {
        if !self.obey_origin {
            return rule;
        }
        if directives.must_revalidate || directives.no_cache {
            return Duration::ZERO;
        }
        let silent = if directives.s_maxage.is_some() {
            Duration::ZERO
        } else {
            rule
        };
        said.unwrap_or(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMES: CacheTimes = CacheTimes {
        ttl: Duration::from_millis(1_500),
        stale_while_revalidate: Duration::from_secs(10),
        stale_if_error: Duration::from_secs(60),
        obey_origin: true,
    };

    fn said(status: u16, cache_control: &str) -> Said {
        Said {
            status,
            directives: Directives::read([cache_control.as_bytes()]),
            expires: None,
            age: Duration::ZERO,
            sets_cookie: false,
            varies_beyond_key: false,
        }
    }

    /// Fresh, while revalidating, if error: milliseconds.
    fn ms(lifetime: Result<Lifetime, NotKept>) -> Result<(u128, u128, u128), NotKept> {
        lifetime.map(|kept| {
            (
                kept.fresh.as_millis(),
                kept.stale_while_revalidate.as_millis(),
                kept.stale_if_error.as_millis(),
            )
        })
    }

    #[test]
    fn the_origin_counts_before_the_rule() {
        for (status, cache_control, expected) in [
            (200, "", Ok((1_500, 10_000, 60_000))),
            (200, "max-age=7", Ok((7_000, 10_000, 60_000))),
            (200, "max-age=7, s-maxage=2", Ok((2_000, 0, 0))),
            (200, "s-maxage=2, stale-while-revalidate=3", Ok((2_000, 3_000, 0))),
            (200, "max-age=7, must-revalidate", Ok((7_000, 0, 0))),
            (200, "max-age=0, stale-while-revalidate=5", Ok((0, 5_000, 60_000))),
            (200, "max-age=0, stale-while-revalidate=0", Err(NotKept::NoTime)),
            (200, "no-cache", Err(NotKept::NoTime)),
            (200, "no-store", Err(NotKept::Personal)),
            (200, "private, max-age=7", Err(NotKept::Personal)),
            (404, "", Err(NotKept::Status)),
            (404, "max-age=3", Ok((3_000, 10_000, 60_000))),
            (206, "max-age=3", Err(NotKept::Status)),
            (302, "max-age=3", Err(NotKept::Status)),
            (503, "max-age=3", Err(NotKept::Failure)),
        ] {
            let lifetime = TIMES.lifetime(&said(status, cache_control));
            assert_eq!(ms(lifetime), expected, "{status} {cache_control}");
        }
    }

    #[test]
    fn a_rule_can_count_before_the_origin_but_not_before_privacy() {
        let times = CacheTimes {
            obey_origin: false,
            ..TIMES
        };
        for (cache_control, expected) in [
            ("no-cache", Ok((1_500, 10_000, 60_000))),
            ("max-age=99, must-revalidate", Ok((1_500, 10_000, 60_000))),
            ("no-store", Err(NotKept::Personal)),
            ("private=\"x\"", Err(NotKept::Personal)),
        ] {
            assert_eq!(
                ms(times.lifetime(&said(200, cache_control))),
                expected,
                "{cache_control}"
            );
        }
    }

    #[test]
    fn expires_counts_where_there_is_no_age() {
        let expires = Said {
            expires: Some(Duration::from_secs(4)),
            ..said(200, "")
        };
        assert_eq!(ms(TIMES.lifetime(&expires)), Ok((4_000, 10_000, 60_000)));
        let both = Said {
            directives: Directives::read([&b"max-age=9"[..]]),
            ..expires
        };
        assert_eq!(ms(TIMES.lifetime(&both)), Ok((9_000, 10_000, 60_000)));
        let old = Said {
            age: Duration::from_secs(8),
            ..both
        };
        assert_eq!(ms(TIMES.lifetime(&old)), Ok((1_000, 10_000, 60_000)));
    }

    #[test]
    fn only_what_is_marked_shared_answers_who_is_authorized() {
        for (cache_control, expected) in [
            ("max-age=5", false),
            ("public", true),
            ("s-maxage=5", true),
            ("must-revalidate", true),
        ] {
            let lifetime = TIMES.lifetime(&said(200, cache_control)).unwrap();
            assert_eq!(lifetime.for_authorized, expected, "{cache_control}");
        }
    }

    prop_compose! {
        fn any_said()(
            status in prop_oneof![Just(200u16), 100u16..600],
            text in "(public|private|no-store|no-cache|max-age=[0-9]{1,3}|s-maxage=[0-9]|must-revalidate|stale-if-error=[0-9])?(, (private|no-store|max-age=[0-9]))?",
            expires in proptest::option::of(0u64..100),
            age in 0u64..100,
            sets_cookie: bool,
            varies_beyond_key: bool,
        ) -> Said {
            Said {
                expires: expires.map(Duration::from_secs),
                age: Duration::from_secs(age),
                sets_cookie,
                varies_beyond_key,
                ..said(status, &text)
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_personal_is_ever_kept(said in any_said(), obey_origin: bool) {
            let kept = CacheTimes { obey_origin, ..TIMES }.lifetime(&said);
            let personal = said.sets_cookie || said.directives.private || said.directives.no_store;
            prop_assert!(!(personal || said.varies_beyond_key || said.status >= 500) || kept.is_err());
        }

        #[test]
        fn nothing_is_fresh_for_longer_than_it_was_given(said in any_said()) {
            if let Ok(kept) = TIMES.lifetime(&said) {
                let given = said.directives.s_maxage.or(said.directives.max_age).or(said.expires);
                prop_assert!(kept.fresh <= given.unwrap_or(TIMES.ttl));
            }
        }
    }
}
