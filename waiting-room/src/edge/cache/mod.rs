//! The response cache: answers of the origins that are the same for everybody, kept in this edge's memory.
//!
//! The gate comes first: whoever may not see a page is not shown a kept one either. What the key does not name, the
//! origin is not told: a fetch for the cache carries no cookie, no pass, no address and no header but those of the
//! rule, so nothing personal can come back, and nobody can smuggle anything into what others are shown.
//!
//! [`Plan`] is what a request has to do with the cache. A fresh answer is one lookup ([`Cache::fresh`]) and never
//! sees the proxy's machinery; everything else goes by `pingora-cache` (one fetch for each key, revalidation, stale
//! windows, ranges) with a [`Store`] of our own.

mod answer;
mod plan;
mod stages;
mod storage;
mod store;
mod stored;

pub(super) use plan::Plan;
pub(super) use stages::Caching;

use crate::config::{CacheConfig, CacheRule};
use arc_swap::ArcSwap;
use clock::Clock;
use metrics::Counter;
use pingora_cache::lock::CacheLock;
use std::{sync::Arc, time::Duration};
use store::Store;
use stored::Stored;
use waiting_room_domain::covers;

/// A fetch that takes longer than this no longer keeps others from trying.
const FETCH_WITHIN: Duration = Duration::from_secs(10);
/// Nobody waits for another's fetch any longer.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);

/// The cache of an edge. One for the whole process: what it keeps outlives a change of the config.
pub struct Cache {
    rules: ArcSwap<Vec<Arc<CacheRule>>>,
    /// Pingora wants what it works with to live as long as the process, and so it does.
    store: &'static Store,
    lock: &'static CacheLock,
    clock: Arc<dyn Clock>,
    counters: Counters,
}

/// How requests under a rule were answered.
struct Counters {
    hit: Counter,
    stale: Counter,
    stale_error: Counter,
    revalidated: Counter,
    miss: Counter,
    not_kept: Counter,
    bypass: Counter,
}

impl Cache {
    /// An empty cache with these rules.
    pub fn new(config: &CacheConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            rules: ArcSwap::from_pointee(rules(config)),
            store: Box::leak(Box::new(Store::new(config))),
            lock: Box::leak(Box::new(CacheLock::new(FETCH_WITHIN))),
            clock,
            counters: Counters::new(),
        }
    }

    /// Goes on with another config. What is kept stays if the rules do: under others its keys would mean other things.
    pub fn adopt(&self, config: &CacheConfig) {
        let known = self.rules.load();
        let same = known.iter().map(AsRef::as_ref).eq(&config.rules);
        self.store.adopt(config);
        if !same {
            self.rules.store(Arc::new(rules(config)));
            self.store.purge(|_| true);
        }
    }

    /// Forgets what is kept of a path and everything below it, or everything; answers how many addresses that were.
    /// Effective on this edge alone, at once, and for what is being fetched right now, too.
    pub fn purge(&self, path: Option<&str>) -> usize {
        self.store
            .purge(|key| path.is_none_or(|path| plan::lies_below(key, path)))
    }

    /// Whether a rule may cover this path: cheap, for the many requests that none covers.
    pub(super) fn may_keep(&self, path: &[u8]) -> bool {
        self.rules.load().iter().any(|rule| covers(&rule.path, path))
    }

    /// The answer that is kept for a request, if it is fresh: one lookup.
    pub(super) fn fresh(&self, plan: &Plan) -> Option<Arc<Stored>> {
        let stored = self.store.get(&plan.key)?;
        let allowed = stored.for_authorized || !plan.authorized;
        (allowed && stored.is_fresh(self.clock.unix_ms())).then_some(stored)
    }
}

impl Counters {
    fn new() -> Self {
        let counter =
            |result: &'static str| metrics::counter!("waiting_room_cache_requests_total", "result" => result);
        Self {
            hit: counter("hit"),
            stale: counter("stale"),
            stale_error: counter("stale_error"),
            revalidated: counter("revalidated"),
            miss: counter("miss"),
            not_kept: counter("not_kept"),
            bypass: counter("bypass"),
        }
    }
}

fn rules(config: &CacheConfig) -> Vec<Arc<CacheRule>> {
    config.rules.iter().cloned().map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;
    use pingora_http::{RequestHeader, ResponseHeader};
    use stored::Windows;

    fn config(paths: &[&str]) -> CacheConfig {
        let rule = |path: &&str| format!("[[cache]]\npath = \"{path}\"\nttl_ms = 1000\n");
        let rules: String = paths.iter().map(rule).collect();
        let origin = "[[origin]]\nname = \"shop\"\naddresses = [\"http://127.0.0.1:1\"]\n";
        crate::config::Config::from_toml(&format!("{origin}{rules}"))
            .unwrap()
            .cache
    }

    fn plan(cache: &Cache, headers: &[(&'static str, &str)]) -> Plan {
        let mut request = RequestHeader::build("GET", b"/p/1", None).unwrap();
        request.append_header("host", "shop").unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        Plan::of(&cache.rules.load(), None, &request, false).unwrap()
    }

    /// A cache with one answer that is fresh until 2,000.
    fn kept(clock: &ManualClock) -> Cache {
        let cache = Cache::new(&config(&["/p"]), Arc::new(clock.clone()));
        let windows = Windows {
            while_revalidate_ms: 0,
            if_error_ms: 0,
            for_authorized: false,
        };
        let key = plan(&cache, &[]).key;
        let meta = windows.meta(2_000, 1_000, ResponseHeader::build(200, None).unwrap());
        let stored = Stored::new(key.variant.clone(), &meta, "x".into());
        cache.store.put(&key, stored);
        cache
    }

    #[test]
    fn an_answer_is_fresh_until_its_time_and_for_those_it_is_meant_for() {
        let clock = ManualClock::at(2_000);
        let cache = kept(&clock);
        assert!(cache.fresh(&plan(&cache, &[])).is_some());
        assert!(cache.fresh(&plan(&cache, &[("accept", "x")])).is_none());
        assert!(cache.fresh(&plan(&cache, &[("authorization", "x")])).is_none());
        clock.advance(Duration::from_millis(1));
        assert!(cache.fresh(&plan(&cache, &[])).is_none());
    }

    #[test]
    fn another_config_keeps_what_its_rules_still_mean() {
        let cache = kept(&ManualClock::at(1_000));
        cache.adopt(&config(&["/p"]));
        assert!(cache.fresh(&plan(&cache, &[])).is_some());
        cache.adopt(&config(&["/p", "/q"]));
        assert!(cache.fresh(&plan(&cache, &[])).is_none());
    }

    #[test]
    fn a_purge_forgets_a_path_and_what_is_below() {
        let cache = kept(&ManualClock::at(1_000));
        assert_eq!((cache.purge(Some("/q")), cache.purge(Some("/p/1/x"))), (0, 0));
        assert_eq!((cache.purge(Some("/p")), cache.purge(None)), (1, 0));
        assert!(cache.fresh(&plan(&cache, &[])).is_none());
    }
}
