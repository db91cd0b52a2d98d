//! Which answers of the origins the edge keeps, and for how long.

use super::validate::Notes;
use http::HeaderName;
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};
use waiting_room_domain::{CacheTimes, QueryRule};

const MIB: u64 = 1 << 20;
const MAX_BYTES: std::ops::RangeInclusive<u64> = MIB..=64 << 30;
const OBJECT_MAX_BYTES: std::ops::RangeInclusive<u64> = 1_024..=256 * MIB;
const TTL_MS: std::ops::RangeInclusive<u64> = 1..=86_400_000;
const WINDOW_MAX_MS: u64 = 7 * 86_400_000;
const RULES_MAX: usize = 100;
const VARY_MAX: usize = 8;
const PARAMETERS_MAX: usize = 32;
/// They say who asks, or which part of an answer, or where: a key with them would be one visitor's.
const NEVER_IN_KEY: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "range",
    "transfer-encoding",
    "upgrade",
];

/// What is kept of the origins' answers. Without a rule that is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// Bytes of all answers together.
    pub max_bytes: u64,
    /// Bytes of the longest body.
    pub object_max_bytes: usize,
    /// What is kept.
    pub rules: Vec<CacheRule>,
}

/// Answers that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRule {
    /// The host, without port; any host if there is none.
    pub host: Option<String>,
    /// This path and everything below.
    pub path: String,
    /// For how long.
    pub times: CacheTimes,
    /// The headers of a request that make the answer.
    pub vary: Vec<HeaderName>,
    /// The parameters that do.
    pub query: QueryRule,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCache {
    max_bytes: u64,
    object_max_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCacheRule {
    host: Option<String>,
    path: String,
    ttl_ms: u64,
    #[serde(default)]
    stale_while_revalidate_ms: u64,
    #[serde(default)]
    stale_if_error_ms: u64,
    #[serde(default = "obey_origin")]
    obey_origin: bool,
    #[serde(default = "vary")]
    vary: Vec<String>,
    #[serde(default)]
    ignore_query: bool,
    query: Option<Vec<String>>,
}

impl Default for RawCache {
    fn default() -> Self {
        Self {
            max_bytes: 64 * MIB,
            object_max_bytes: MIB,
        }
    }
}

/// What is meant.
pub(super) fn read_cache(notes: &mut Notes, raw: &RawCache, rules: Vec<RawCacheRule>) -> CacheConfig {
    notes.check(
        "edge.cache.max_bytes",
        MAX_BYTES.contains(&raw.max_bytes),
        "must be from 1048576 (1 MiB) to 68719476736 (64 GiB)",
    );
    notes.check(
        "edge.cache.object_max_bytes",
        OBJECT_MAX_BYTES.contains(&raw.object_max_bytes) && raw.object_max_bytes <= raw.max_bytes,
        "must be from 1024 to 268435456 (256 MiB), and at most max_bytes",
    );
    notes.check("cache", rules.len() <= RULES_MAX, "at most 100 rules");
    let mut seen = HashSet::new();
    let rules = rules.into_iter().map(|raw| {
        let place = format!("cache {:?}", raw.path);
        let new = seen.insert((raw.host.clone(), raw.path.clone()));
        notes.check(&place, new, "there is another rule for this host and path");
        read_rule(notes, &place, raw)
    });
    CacheConfig {
        rules: rules.collect(),
        max_bytes: raw.max_bytes,
        object_max_bytes: usize::try_from(raw.object_max_bytes).unwrap_or(usize::MAX),
    }
}

fn read_rule(notes: &mut Notes, place: &str, raw: RawCacheRule) -> CacheRule {
    notes.check(place, raw.path.starts_with('/'), "path must begin with /");
    notes.check(
        place,
        raw.host.as_ref().is_none_or(|host| !host.contains(':')),
        "host must be without a port",
    );
    notes.check(
        place,
        TTL_MS.contains(&raw.ttl_ms),
        "ttl_ms must be from 1 to 86400000 (a day)",
    );
    let windows = [raw.stale_while_revalidate_ms, raw.stale_if_error_ms];
    notes.check(
        place,
        windows.iter().all(|window| *window <= WINDOW_MAX_MS),
        "the stale windows must be at most 604800000 (a week)",
    );
    notes.check(
        place,
        !(raw.ignore_query && raw.query.is_some()),
        "either ignore_query or query",
    );
    let names = raw.query.as_ref().map_or(0, Vec::len);
    notes.check(
        place,
        names <= PARAMETERS_MAX,
        "query names at most 32 parameters",
    );
    notes.check(place, raw.vary.len() <= VARY_MAX, "vary names at most 8 headers");
    let vary = raw.vary.iter();
    let vary = vary.filter_map(|name| notes.take(&format!("{place}, vary"), read_vary(name)));
    CacheRule {
        vary: vary.collect(),
        host: raw
            .host
            .filter(|host| host != "*")
            .map(|host| host.to_ascii_lowercase()),
        path: raw.path,
        times: CacheTimes {
            ttl: Duration::from_millis(raw.ttl_ms),
            stale_while_revalidate: Duration::from_millis(raw.stale_while_revalidate_ms),
            stale_if_error: Duration::from_millis(raw.stale_if_error_ms),
            obey_origin: raw.obey_origin,
        },
        query: match raw.query {
            Some(names) => QueryRule::Only(names),
            None if raw.ignore_query => QueryRule::Only(Vec::new()),
            None => QueryRule::Whole,
        },
    }
}

fn read_vary(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| format!("{text:?} is not the name of a header"))?;
    let known = name.as_str();
    if NEVER_IN_KEY.contains(&known) || known.starts_with("if-") || known.starts_with("waiting-room-") {
        return Err(format!("{text:?} cannot be a part of the key"));
    }
    Ok(name)
}

fn obey_origin() -> bool {
    true
}

fn vary() -> Vec<String> {
    vec!["accept".to_owned(), "accept-encoding".to_owned()]
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::time::Duration;
    use waiting_room_domain::QueryRule;

    const SHOP: &str = "[[origin]]\nname = \"shop\"\naddresses = [\"http://127.0.0.1:3000\"]\n";

    #[test]
    fn nothing_is_kept_unless_a_rule_says_so() {
        let config = Config::from_toml(SHOP).unwrap().cache;
        assert_eq!(config.rules, []);
        assert_eq!((config.max_bytes, config.object_max_bytes), (64 << 20, 1 << 20));
    }

    #[test]
    fn a_rule_is_read() {
        let text = format!(
            "{SHOP}[edge.cache]\nmax_bytes = 2000000\nobject_max_bytes = 3000\n\
             [[cache]]\nhost = \"Shop.example\"\npath = \"/products\"\nttl_ms = 1500\n\
             [[cache]]\npath = \"/\"\nttl_ms = 1\nstale_while_revalidate_ms = 2\nstale_if_error_ms = 3\n\
             obey_origin = false\nvary = [\"Accept-Language\"]\nquery = [\"page\"]\n"
        );
        let config = Config::from_toml(&text).unwrap().cache;
        assert_eq!((config.max_bytes, config.object_max_bytes), (2_000_000, 3_000));
        let [products, all] = config.rules.as_slice() else {
            panic!("two rules")
        };
        assert_eq!(products.host.as_deref(), Some("shop.example"));
        assert_eq!(products.times.ttl, Duration::from_millis(1_500));
        assert!(products.times.obey_origin && products.times.stale_if_error.is_zero());
        assert_eq!(products.vary, ["accept", "accept-encoding"]);
        assert_eq!(products.query, QueryRule::Whole);
        assert_eq!(all.vary, ["accept-language"]);
        assert_eq!(all.times.stale_while_revalidate, Duration::from_millis(2));
        assert_eq!(all.query, QueryRule::Only(vec!["page".to_owned()]));
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let text = format!(
            "{SHOP}[edge.cache]\nmax_bytes = 1\nobject_max_bytes = 2\n\
             [[cache]]\npath = \"p\"\nhost = \"a:80\"\nttl_ms = 0\nstale_if_error_ms = 604800001\n\
             ignore_query = true\nquery = []\nvary = [\"cookie\", \"a b\", \"If-Match\"]\n\
             [[cache]]\npath = \"/x\"\nttl_ms = 1\n[[cache]]\npath = \"/x\"\nttl_ms = 1\n"
        );
        let mistakes = Config::from_toml(&text).unwrap_err().lines();
        for expected in [
            "edge.cache.max_bytes: must be",
            "edge.cache.object_max_bytes: must be",
            "cache \"p\": path must begin",
            "cache \"p\": host must be",
            "cache \"p\": ttl_ms",
            "cache \"p\": the stale windows",
            "cache \"p\": either",
            "cache \"p\", vary: \"cookie\" cannot",
            "cache \"p\", vary: \"a b\" is not",
            "cache \"p\", vary: \"If-Match\" cannot",
            "cache \"/x\": there is another rule",
        ] {
            let told = mistakes.iter().any(|line| line.starts_with(expected));
            assert!(told, "{expected} in {mistakes:#?}");
        }
    }
}
