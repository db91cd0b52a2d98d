//! What the answer of an origin says about being kept, and what is said to visitors about where theirs came from.

use super::stored::{Windows, moment};
use crate::config::CacheRule;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, DATE, EXPIRES, SET_COOKIE, VARY},
};
use pingora_cache::{CacheMeta, CachePhase, NoCacheReason, RespCacheable};
use pingora_http::ResponseHeader;
use std::time::{Duration, SystemTime};
use waiting_room_domain::{Directives, Lifetime, NotKept, Said};

/// RFC 9211.
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What an origin tells the edge about a session concerns one visitor.
const OURS: &str = "waiting-room-";

/// Whether the answer may be kept under the rule, and for how long.
pub(super) fn keep(
    rule: &CacheRule,
    answer: ResponseHeader,
    object_max: usize,
    now_ms: u64,
) -> RespCacheable {
    let length = number(&answer.headers, &CONTENT_LENGTH).unwrap_or(0);
    if usize::try_from(length).is_ok_and(|length| length > object_max) {
        return RespCacheable::Uncacheable(NoCacheReason::ResponseTooLarge);
    }
    let said = said(rule, &answer, now_ms);
    match rule.times.lifetime(&said) {
        Ok(lifetime) => RespCacheable::Cacheable(meta(&lifetime, said.age, answer, now_ms)),
        // Whoever waits for this one tries again, one after the other.
        Err(NotKept::Failure) => RespCacheable::Uncacheable(NoCacheReason::UpstreamError),
        Err(_) => RespCacheable::Uncacheable(NoCacheReason::OriginNotCache),
    }
}

fn said(rule: &CacheRule, answer: &ResponseHeader, now_ms: u64) -> Said {
    let headers = &answer.headers;
    let lines = headers.get_all(CACHE_CONTROL).iter();
    Said {
        status: answer.status.as_u16(),
        directives: Directives::read(lines.map(HeaderValue::as_bytes)),
        expires: expires(headers, now_ms),
        age: Duration::from_secs(number(headers, &AGE).unwrap_or(0)),
        sets_cookie: headers.contains_key(SET_COOKIE)
            || headers.keys().any(|name| name.as_str().starts_with(OURS)),
        varies_beyond_key: varies_beyond(headers, &rule.vary),
    }
}

fn expires(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let mut values = headers.get_all(EXPIRES).iter();
    let value = values.next()?;
    let sent = headers.get(DATE).and_then(date).unwrap_or_else(|| moment(now_ms));
    let expires = date(value).filter(|_| values.next().is_none());
    Some(
        expires
            .and_then(|at| at.duration_since(sent).ok())
            .unwrap_or_default(),
    )
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn varies_beyond(headers: &HeaderMap, keyed: &[HeaderName]) -> bool {
    let lines = headers.get_all(VARY).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|name| {
            let name = name.trim_ascii();
            !name.is_empty()
                && !keyed
                    .iter()
                    .any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name))
        })
}

fn meta(lifetime: &Lifetime, age: Duration, answer: ResponseHeader, now_ms: u64) -> CacheMeta {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // Fresh for no time is stale at once.
    let fresh_until = (now_ms + ms(lifetime.fresh)).saturating_sub(u64::from(lifetime.fresh.is_zero()));
    let windows = Windows {
        while_revalidate_ms: ms(lifetime.stale_while_revalidate),
        if_error_ms: ms(lifetime.stale_if_error),
        for_authorized: lifetime.for_authorized,
    };
    windows.meta(fresh_until, now_ms.saturating_sub(ms(age)), answer)
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Hit,
    Stale,
    StaleError,
    Revalidated,
    Miss,
    NotKept,
    Bypass,
}

impl Source {
    /// By the phase in which pingora-cache answers; `failed` is the status with which the origin failed, if it did.
    pub(super) fn of(phase: CachePhase, failed: Option<u16>) -> Self {
        match phase {
            CachePhase::Hit => Self::Hit,
            CachePhase::StaleUpdating => Self::Stale,
            CachePhase::Stale if failed.is_some() => Self::StaleError,
            CachePhase::Revalidated | CachePhase::RevalidatedNoCache(_) => Self::Revalidated,
            CachePhase::Miss | CachePhase::Expired => Self::Miss,
            _ => Self::NotKept,
        }
    }

    /// What `Cache-Status` says; `ttl` is for how many seconds the answer is still fresh.
    pub(super) fn status(self, ttl: i64, failed: Option<u16>) -> String {
        match (self, failed.filter(|status| *status > 0)) {
            (Self::Hit, _) => format!("waiting-room; hit; ttl={ttl}"),
            (Self::Stale, _) => format!("waiting-room; hit; ttl={ttl}; detail=stale-while-revalidate"),
            (Self::StaleError, Some(status)) => {
                format!("waiting-room; fwd=stale; fwd-status={status}; ttl={ttl}; detail=stale-if-error")
            }
            (Self::StaleError, None) => format!("waiting-room; fwd=stale; ttl={ttl}; detail=stale-if-error"),
            (Self::Revalidated, _) => format!("waiting-room; fwd=stale; fwd-status=304; ttl={ttl}"),
            (Self::Miss, _) => format!("waiting-room; fwd=uri-miss; stored; ttl={ttl}"),
            (Self::NotKept, _) => "waiting-room; fwd=uri-miss".to_owned(),
            (Self::Bypass, _) => "waiting-room; fwd=bypass".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiting_room_domain::{CacheTimes, QueryRule};

    const NOW_MS: u64 = 1_795_000_000_500;

    fn rule() -> CacheRule {
        CacheRule {
            host: None,
            path: "/".to_owned(),
            times: CacheTimes {
                ttl: Duration::from_millis(1_500),
                stale_while_revalidate: Duration::from_millis(300),
                stale_if_error: Duration::ZERO,
                obey_origin: true,
            },
            vary: vec![HeaderName::from_static("accept")],
            query: QueryRule::Whole,
        }
    }

    fn kept(headers: &[(&'static str, &str)]) -> RespCacheable {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in headers {
            answer.append_header(*name, *value).unwrap();
        }
        keep(&rule(), answer, 1_000, NOW_MS)
    }

    #[test]
    fn what_is_not_for_everybody_is_not_kept() {
        for headers in [
            &[("set-cookie", "a=1")][..],
            &[("cache-control", "private")],
            &[("cache-control", "max-age=5"), ("cache-control", "no-store")],
            &[("vary", "*")],
            &[("vary", "Accept, Cookie")],
            &[("vary", "accept"), ("vary", "user-agent")],
            &[("waiting-room-session", "end")],
            &[("content-length", "1001")],
            &[("expires", "0")],
            &[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")],
        ] {
            // Nothing may be left to the stale window where the origin says that it has expired.
            let answer = kept(headers);
            let fresh = matches!(&answer, RespCacheable::Cacheable(meta) if meta.is_fresh(moment(NOW_MS)));
            assert!(!fresh, "{headers:?}");
        }
    }

    #[test]
    fn times_are_kept_to_the_millisecond() {
        let meta = kept(&[("vary", "Accept"), ("content-length", "1000")]).unwrap_meta();
        assert_eq!(meta.fresh_until(), moment(NOW_MS + 1_500));
        assert_eq!(meta.created(), moment(NOW_MS));
        let windows = meta.extensions().get::<Windows>().unwrap();
        assert_eq!((windows.while_revalidate_ms, windows.if_error_ms), (300, 0));
        assert!(!windows.for_authorized);
    }

    #[test]
    fn an_answer_that_was_old_is_fresh_for_less() {
        let meta = kept(&[("cache-control", "public, max-age=10"), ("age", "4")]).unwrap_meta();
        assert_eq!(meta.fresh_until(), moment(NOW_MS + 6_000));
        assert_eq!(meta.created(), moment(NOW_MS - 4_000));
        let meta = kept(&[
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("expires", "Sun, 06 Nov 1994 08:49:40 GMT"),
        ]);
        assert_eq!(meta.unwrap_meta().fresh_until(), moment(NOW_MS + 3_000));
    }

    #[test]
    fn a_status_says_where_an_answer_came_from() {
        for (phase, failed, expected) in [
            (CachePhase::Hit, None, "waiting-room; hit; ttl=3"),
            (
                CachePhase::StaleUpdating,
                None,
                "waiting-room; hit; ttl=3; detail=stale-while-revalidate",
            ),
            (
                CachePhase::Stale,
                Some(502),
                "waiting-room; fwd=stale; fwd-status=502; ttl=3; detail=stale-if-error",
            ),
            (
                CachePhase::Stale,
                Some(0),
                "waiting-room; fwd=stale; ttl=3; detail=stale-if-error",
            ),
            (
                CachePhase::Revalidated,
                None,
                "waiting-room; fwd=stale; fwd-status=304; ttl=3",
            ),
            (
                CachePhase::Expired,
                None,
                "waiting-room; fwd=uri-miss; stored; ttl=3",
            ),
            (
                CachePhase::Disabled(NoCacheReason::OriginNotCache),
                None,
                "waiting-room; fwd=uri-miss",
            ),
        ] {
            assert_eq!(Source::of(phase, failed).status(3, failed), expected);
        }
    }
}
