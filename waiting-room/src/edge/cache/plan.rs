//! What a request has to do with the cache: the rule that covers it, and its key.

use crate::config::CacheRule;
use http::{
    HeaderName, Method, Version, header::ACCEPT, header::AUTHORIZATION, header::HOST, header::UPGRADE,
    request::Parts,
};
use pingora_http::RequestHeader;
use std::sync::Arc;
use waiting_room_domain::{covers, fits_host, host_name, keyed_target};

/// Longer ones are nobody's usual address, and not kept.
const TARGET_MAX: usize = 4_096;
const VARIANT_MAX: usize = 1_024;
const HOST_MAX: usize = 255;

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Origin (two bytes), host in lower case, a zero, path and query.
    pub(super) base: Arc<[u8]>,
    /// The headers of the rule.
    pub(super) variant: Box<[u8]>,
}

/// A request under a rule.
#[derive(Debug)]
pub(in crate::edge) struct Plan {
    pub(super) rule: Arc<CacheRule>,
    pub(super) key: Arc<Key>,
    /// Whether it reads; else it changes what is kept.
    pub(super) reads: bool,
    pub(super) authorized: bool,
}

impl Plan {
    /// What is planned for a request to this origin; nothing if no rule covers it, or if it is odd in the least.
    pub(super) fn of(
        rules: &[Arc<CacheRule>],
        origin: Option<&str>,
        request: &RequestHeader,
        has_body: bool,
    ) -> Option<Self> {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        // An origin may look at the body of a GET, and the key does not; another protocol is nothing to keep, and events
        // have no end.
        if reads && (has_body || request.headers.contains_key(UPGRADE) || asks_for_events(request)) {
            return None;
        }
        let target = request.raw_path();
        let path = target.split(|byte| *byte == b'?').next()?;
        if !target.starts_with(b"/") || target.len() > TARGET_MAX {
            return None;
        }
        let host = only_host(request)?;
        let rule = covering(rules, &host, path)?;
        let values = |name: &HeaderName| {
            request
                .headers
                .get_all(name)
                .iter()
                .map(http::HeaderValue::as_bytes)
        };
        let variant = variant(&rule.vary, values);
        if variant.len() > VARIANT_MAX {
            return None;
        }
        let base = [
            origin.unwrap_or_default().as_bytes(),
            &[0],
            host.as_bytes(),
            &[0],
            &keyed_target(target, &rule.query),
        ]
        .concat();
        let key = Key {
            base: base.into(),
            variant: variant.into(),
        };
        Some(Self {
            rule: Arc::clone(rule),
            key: Arc::new(key),
            reads,
            authorized: request.headers.contains_key(AUTHORIZATION),
        })
    }

    /// The host that the origin is asked for.
    pub(super) fn host(&self) -> &[u8] {
        parts(&self.key.base).0
    }

    /// The path that the origin is asked for.
    pub(super) fn target(&self) -> &[u8] {
        parts(&self.key.base).1
    }
}

impl Key {
    /// Both parts in one, for a lock.
    pub(super) fn joined(&self) -> Vec<u8> {
        let length = u64::try_from(self.base.len()).unwrap_or(u64::MAX).to_be_bytes();
        [&length[..], &self.base, &self.variant].concat()
    }
}

fn asks_for_events(request: &Parts) -> bool {
    let accept = request.headers.get(ACCEPT);
    accept.is_some_and(|accept| accept.as_bytes().eq_ignore_ascii_case(b"text/event-stream"))
}

/// Whether a key is of this path or below it.
pub(super) fn lies_below(base: &[u8], path: &str) -> bool {
    let target = parts(base).1;
    covers(
        path,
        target.split(|byte| *byte == b'?').next().unwrap_or_default(),
    )
}

/// Host and target, which stand behind the origin.
fn parts(base: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = base.splitn(3, |byte| *byte == 0).skip(1);
    let mut next = || parts.next().unwrap_or_default();
    (next(), next())
}

/// The host, with its port, if the request names exactly one.
fn only_host(request: &Parts) -> Option<String> {
    let mut named = request.headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    // HTTP/1 names its host in a header; an address with a host in it is a proxy's business, and odd here.
    if second.is_some() || (request.version < Version::HTTP_2 && authority.is_some()) {
        return None;
    }
    let first = first.map(|host| host.to_str()).transpose().ok()?;
    if let (Some(first), Some(authority)) = (first, authority)
        && !first.eq_ignore_ascii_case(authority)
    {
        return None;
    }
    let host = first.or(authority)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !host.is_empty() && host.len() <= HOST_MAX && host.bytes().all(plain);
    is_host.then(|| host.to_ascii_lowercase())
}

/// The rule with the longest path, named hosts before any host.
fn covering<'a>(rules: &'a [Arc<CacheRule>], host: &str, path: &[u8]) -> Option<&'a Arc<CacheRule>> {
    let name = host_name(host);
    let fits = |rule: &&Arc<CacheRule>| fits_host(rule.host.as_deref(), name) && covers(&rule.path, path);
    rules
        .iter()
        .filter(fits)
        .max_by_key(|rule| (rule.host.is_some(), rule.path.len()))
}

/// For each header whether it is there, and its lines.
fn variant<'a, I: Iterator<Item = &'a [u8]>>(
    vary: &[HeaderName],
    values: impl Fn(&HeaderName) -> I,
) -> Vec<u8> {
    let mut variant = Vec::with_capacity(64);
    for name in vary {
        for line in values(name) {
            variant.push(1);
            variant.extend_from_slice(line);
        }
        variant.push(0);
    }
    variant
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use waiting_room_domain::{CacheTimes, QueryRule};

    fn rule(host: Option<&str>, path: &str, vary: &[&'static str]) -> Arc<CacheRule> {
        Arc::new(CacheRule {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            times: CacheTimes {
                ttl: Duration::from_secs(1),
                stale_while_revalidate: Duration::ZERO,
                stale_if_error: Duration::ZERO,
                obey_origin: true,
            },
            vary: vary.iter().map(|name| HeaderName::from_static(name)).collect(),
            query: QueryRule::Whole,
        })
    }

    fn request(target: &str, headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn key(target: &str, headers: &[(&'static str, &str)]) -> Option<Arc<Key>> {
        let rules = [rule(None, "/p", &["accept", "accept-language"])];
        Plan::of(&rules, None, &request(target, headers), false).map(|plan| plan.key)
    }

    #[test]
    fn a_key_is_the_host_in_any_case_and_the_target_as_it_stands() {
        let plain = key("/p?b=1&a=2", &[("host", "shop:80")]).unwrap();
        assert_eq!(
            key("/p?b=1&a=2", &[("host", "SHOP:80"), ("x-forwarded-host", "evil")]),
            Some(Arc::clone(&plain))
        );
        for other in [
            key("/p?a=2&b=1", &[("host", "shop:80")]),
            key("/p?b=1&a=2", &[("host", "shop")]),
            key("/p?b=1&a=2", &[("host", "shop:80"), ("accept", "x")]),
        ] {
            assert!(other.is_some_and(|other| other != plain));
        }
    }

    #[test]
    fn headers_of_the_key_do_not_run_into_each_other() {
        let of = |headers| key("/p", headers).unwrap().variant.clone();
        let all = [
            of(&[("host", "s")]),
            of(&[("host", "s"), ("accept", "")]),
            of(&[("host", "s"), ("accept", "a")]),
            of(&[("host", "s"), ("accept-language", "a")]),
            of(&[("host", "s"), ("accept", "a"), ("accept", "b")]),
            of(&[("host", "s"), ("accept", "ab")]),
            of(&[("host", "s"), ("accept", "a"), ("accept-language", "b")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{at}");
        }
    }

    #[test]
    fn what_is_odd_is_not_planned_for() {
        for (target, headers) in [
            ("/p", &[][..]),
            ("/p", &[("host", "a"), ("host", "b")]),
            ("/p", &[("host", "a/b")]),
            ("/p", &[("host", "")]),
            ("/p", &[("host", "a"), ("upgrade", "websocket")]),
            ("/p", &[("host", "a"), ("accept", "text/event-stream")]),
            ("/products", &[("host", "a")]),
            ("http://a/p", &[("host", "a")]),
        ] {
            assert_eq!(key(target, headers), None, "{target} {headers:?}");
        }
        let rules = [rule(None, "/", &[])];
        assert!(Plan::of(&rules, None, &request("/p", &[("host", "a")]), true).is_none());
        let long = format!("/{}", "p".repeat(TARGET_MAX));
        assert!(Plan::of(&rules, None, &request(&long, &[("host", "a")]), false).is_none());
    }

    #[test]
    fn a_named_host_and_a_longer_path_come_first() {
        let rules = [
            rule(None, "/a/b", &[]),
            rule(None, "/", &[]),
            rule(Some("shop"), "/", &[]),
        ];
        for (host, path, expected) in [("x", "/a/b/c", 0), ("x", "/a", 1), ("shop:80", "/a/b", 2)] {
            let found = covering(&rules, host, path.as_bytes()).unwrap();
            assert!(Arc::ptr_eq(found, &rules[expected]), "{host} {path}");
        }
    }

    #[test]
    fn a_key_knows_its_host_and_path() {
        let rules = [rule(None, "/", &[])];
        let plan = Plan::of(
            &rules,
            Some("shop"),
            &request("/a/b?c=/x", &[("host", "Shop:1")]),
            false,
        )
        .unwrap();
        assert_eq!((plan.host(), plan.target()), (&b"shop:1"[..], &b"/a/b?c=/x"[..]));
        assert!(lies_below(&plan.key.base, "/a") && lies_below(&plan.key.base, "/a/b"));
        assert!(!lies_below(&plan.key.base, "/x") && !lies_below(&plan.key.base, "/a/b/c"));
    }
}
