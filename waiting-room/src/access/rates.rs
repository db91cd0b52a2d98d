//! How much is asked for, at this edge.
//!
//! Each rule has a quota for each visitor, kept by the generic cell rate algorithm: one number a visitor, in a table that
//! forgets the rarest when it is full. Whoever invents addresses to fill it gains nothing by that.

use crate::{
    config::{Per, RateRule},
    entrance::{household, limits::settle},
    reply::Reply,
};
use contract::Problem;
use http::{HeaderName, HeaderValue, Method};
use metrics::Counter;
use moka::sync::Cache;
use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use waiting_room_domain::{Moment, Quota, RATE_WINDOW_MAX, SessionId, limit_item, policy_item};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// A quota was exceeded (draft-ietf-httpapi-ratelimit-headers-10, section 5).
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// Visitors remembered at most, of all rules together, some 40 MB.
const REMEMBERED_MAX: u64 = 250_000;

/// The rules, and what was counted by them.
pub struct Rates {
    rules: Vec<Rule>,
    debts: Cache<u64, Arc<AtomicU64>>,
    hasher: RandomState,
}

struct Rule {
    config: RateRule,
    refused: Counter,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who<'a> {
    /// Where it comes from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The session, if a room was passed.
    pub session: Option<SessionId>,
    /// The account, if an access rule asked for it.
    pub account: Option<&'a str>,
}

/// What the client is told about its quotas.
pub type LimitFields = Vec<(HeaderName, HeaderValue)>;

/// Whether a request was within every rate that covers it.
#[derive(Debug)]
pub enum Counted {
    /// It was; the client is told what is left.
    Within(LimitFields),
    /// It was not; the answer to it.
    Refused(Reply),
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(&[], None)
    }
}

impl Rates {
    /// These rules. A rule that is the same as before goes on counting.
    pub(super) fn new(rules: &[RateRule], before: Option<&Self>) -> Self {
        let rules = rules.iter().map(|rule| Rule {
            refused: metrics::counter!("waiting_room_rate_refused_total", "rule" => rule.name.clone()),
            config: rule.clone(),
        });
        Self {
            rules: rules.collect(),
            debts: before.map_or_else(|| remember(REMEMBERED_MAX), |before| before.debts.clone()),
            hasher: before.map_or_else(RandomState::new, |before| before.hasher.clone()),
        }
    }

    /// Counts a request to this host and plain path, unless one of its quotas is used up; then it is counted by none.
    pub fn count(&self, host: &str, path: &str, method: &Method, who: Who<'_>, now: Moment) -> Counted {
        let covering = self
            .rules
            .iter()
            .filter(|rule| rule.config.coverage.covers(host, path, method));
        let covering: Vec<(&Rule, Arc<AtomicU64>)> = covering
            .map(|rule| (rule, self.debt(&rule.config, who)))
            .collect();
        if covering.is_empty() {
            return Counted::Within(Vec::new());
        }
        let looked: Vec<_> = covering
            .iter()
            .filter_map(|(rule, debt)| {
                let debt = debt.load(Ordering::Relaxed);
                let wait = rule.config.rate.admit(debt, now).err()?;
                Some((*rule, wait))
            })
            .collect();
        if !looked.is_empty() {
            return self.refuse(&covering, &looked, now);
        }
        for (rule, debt) in &covering {
            if let Err(wait) = settle(debt, |debt| rule.config.rate.admit(debt, now)) {
                return self.refuse(&covering, &[(*rule, wait)], now);
            }
        }
        Counted::Within(fields(&covering, now))
    }

    fn refuse(
        &self,
        covering: &[(&Rule, Arc<AtomicU64>)],
        violated: &[(&Rule, Duration)],
        now: Moment,
    ) -> Counted {
        for (rule, _) in violated {
            rule.refused.increment(1);
        }
        let names: Vec<&str> = violated
            .iter()
            .map(|(rule, _)| rule.config.name.as_str())
            .collect();
        let wait = violated.iter().map(|(_, wait)| *wait).max().unwrap_or_default();
        let reply = Reply::problem(&problem(&names)).retry_after(wait);
        let reply = fields(covering, now)
            .into_iter()
            .fold(reply, |reply, (name, value)| reply.with(name, value));
        Counted::Refused(reply)
    }

    /// What somebody owes by a rule. A rule that was changed has another key, and begins anew.
    fn debt(&self, rule: &RateRule, who: Who<'_>) -> Arc<AtomicU64> {
        let key = self.hasher.hash_one((rule, Key::of(rule.per, who)));
        self.debts.get_with(key, Arc::default)
    }
}

fn remember(visitors: u64) -> Cache<u64, Arc<AtomicU64>> {
    let cache = Cache::builder().max_capacity(visitors);
    cache.time_to_idle(RATE_WINDOW_MAX).build()
}

/// Whose requests are counted together.
#[derive(Hash)]
enum Key<'a> {
    Address(Option<IpAddr>),
    Session(SessionId),
    Account(&'a str),
    Everybody,
}

impl<'a> Key<'a> {
    fn of(per: Per, who: Who<'a>) -> Self {
        let address = Self::Address(who.address.map(household));
        match per {
            Per::Address => address,
            Per::Session => who.session.map_or(address, Self::Session),
            Per::Account => who.account.map_or(address, Self::Account),
            Per::Everybody => Self::Everybody,
        }
    }
}

/// The answer to somebody who asked too often by a limit of the edge's own: `name` it is called, so many are allowed in
/// `window`, and the next one after `wait`.
pub fn too_many(name: &str, allowed: u32, window: Duration, wait: Duration) -> Reply {
    let quota = Quota {
        left: 0,
        whole_in: wait,
    };
    let reply = Reply::problem(&problem(&[name])).retry_after(wait);
    let policy = policy_item(name, allowed.into(), window);
    [(POLICY, policy), (LIMIT, limit_item(name, quota))]
        .into_iter()
        .filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text).ok()?)))
        .fold(reply, |reply, (name, value)| reply.with(name, value))
}

fn problem(violated: &[&str]) -> Problem {
    let mut problem = Problem::new(429, "", "Too many requests")
        .detail("Ask again after the time that Retry-After says.")
        .with("violated-policies", violated);
    QUOTA_EXCEEDED.clone_into(&mut problem.kind);
    problem
}

/// `RateLimit-Policy` and `RateLimit`, an item for each rule.
fn fields(covering: &[(&Rule, Arc<AtomicU64>)], now: Moment) -> LimitFields {
    let items = |item: &dyn Fn(&RateRule, u64) -> String| {
        let items: Vec<String> = covering
            .iter()
            .map(|(rule, debt)| item(&rule.config, debt.load(Ordering::Relaxed)))
            .collect();
        HeaderValue::from_str(&items.join(", "))
    };
    let policies = items(&|rule, _| policy_item(&rule.name, rule.rate.requests(), rule.rate.window()));
    let limits = items(&|rule, debt| limit_item(&rule.name, rule.rate.quota(debt, now)));
    let named = [(POLICY, policies), (LIMIT, limits)].into_iter();
    named
        .filter_map(|(name, value)| Some((name, value.ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn rules(text: &str) -> Vec<RateRule> {
        let origin = "[[origin]]\nname = \"shop\"\naddresses = [\"http://127.0.0.1:1\"]\n";
        Config::from_toml(&format!("{origin}{text}")).unwrap().rates
    }

    fn rule(name: &str, per: &str, requests: u32) -> String {
        format!("[[rate]]\nname = \"{name}\"\nper = \"{per}\"\nrequests = {requests}\nwindow_seconds = 60\n")
    }

    fn from(address: &str) -> Who<'static> {
        Who {
            address: Some(address.parse().unwrap()),
            ..Who::default()
        }
    }

    fn is_within(rates: &Rates, who: Who<'_>) -> bool {
        matches!(
            rates.count("shop", "/", &Method::GET, who, NOW),
            Counted::Within(_)
        )
    }

    #[test]
    fn visitors_are_told_apart_by_what_a_rule_says() {
        let session = |byte| Some(SessionId::from([byte; 12]));
        let who = |address: &str, session, account| Who {
            session,
            account,
            ..from(address)
        };
        for (per, same, other) in [
            (
                "address",
                who("192.0.2.1", session(1), Some("ann")),
                who("192.0.2.2", None, None),
            ),
            (
                "address",
                who("192.0.2.1", session(1), None),
                who("2001:db8::1", session(1), None),
            ),
            (
                "session",
                who("192.0.2.9", session(1), None),
                who("192.0.2.1", session(2), None),
            ),
            (
                "account",
                who("192.0.2.9", session(2), Some("ann")),
                who("192.0.2.1", session(1), Some("bob")),
            ),
        ] {
            let rates = Rates::new(&rules(&rule("r", per, 1)), None);
            assert!(
                is_within(&rates, who("192.0.2.1", session(1), Some("ann"))),
                "{per}"
            );
            assert!(!is_within(&rates, same), "{per}: the same");
            assert!(is_within(&rates, other), "{per}: another");
        }
        let rates = Rates::new(&rules(&rule("r", "everybody", 1)), None);
        assert!(is_within(&rates, from("192.0.2.1")) && !is_within(&rates, from("192.0.2.2")));
    }

    #[test]
    fn who_has_no_session_is_counted_by_address() {
        for per in ["session", "account"] {
            let rates = Rates::new(&rules(&rule("r", per, 1)), None);
            assert!(is_within(&rates, from("2001:db8::1")), "{per}");
            assert!(!is_within(&rates, from("2001:db8::2")), "{per}: one /64");
            assert!(is_within(&rates, from("2001:db8:0:1::1")), "{per}");
        }
    }

    #[test]
    fn what_one_rule_refuses_is_counted_by_none() {
        let rates = Rates::new(
            &rules(&(rule("few", "address", 1) + &rule("many", "everybody", 3))),
            None,
        );
        assert!(is_within(&rates, from("192.0.2.1")));
        for _ in 0..5 {
            assert!(!is_within(&rates, from("192.0.2.1")));
        }
        assert!(is_within(&rates, from("192.0.2.2")) && is_within(&rates, from("192.0.2.3")));
        assert!(!is_within(&rates, from("192.0.2.4")), "the fourth of all");
    }

    #[test]
    fn the_client_is_told_by_structured_fields() {
        let rates = Rates::new(
            &rules(&(rule("a", "address", 2) + &rule("b", "everybody", 10))),
            None,
        );
        let count = || rates.count("shop", "/", &Method::GET, from("192.0.2.1"), NOW);
        let Counted::Within(told) = count() else { panic!() };
        assert_eq!(told[0].1, "\"a\";q=2;w=60, \"b\";q=10;w=60");
        assert_eq!(told[1].1, "\"a\";r=1;t=30, \"b\";r=9;t=6");
        count();
        let Counted::Refused(reply) = count() else {
            panic!()
        };
        let header = |name: &str| {
            reply
                .headers
                .iter()
                .find(|(known, _)| known == name)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(reply.status, 429);
        assert_eq!(header("ratelimit"), "\"a\";r=0;t=60, \"b\";r=8;t=12");
        assert_eq!(
            (header("retry-after"), header("content-type")),
            ("30".parse().unwrap(), "application/problem+json".parse().unwrap())
        );
        let problem: Problem = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((problem.kind.as_str(), problem.status), (QUOTA_EXCEEDED, 429));
        assert_eq!(problem.more["violated-policies"], serde_json::json!(["a"]));
    }

    #[test]
    fn a_rule_that_stays_goes_on_counting_and_a_changed_one_begins_anew() {
        let before = Rates::new(
            &rules(&(rule("same", "address", 1) + &rule("changed", "everybody", 5))),
            None,
        );
        assert!(is_within(&before, from("192.0.2.1")));
        let same = Rates::new(&rules(&rule("same", "address", 1)), Some(&before));
        assert!(!is_within(&same, from("192.0.2.1")));
        let changed = Rates::new(&rules(&rule("same", "address", 2)), Some(&before));
        assert!(is_within(&changed, from("192.0.2.1")));
    }

    /// Who asks too often is not forgotten for those who come once.
    #[test]
    fn invented_addresses_fill_no_memory_and_free_nobody() {
        let mut rates = Rates::new(&rules(&rule("r", "address", 2)), None);
        rates.debts = remember(100);
        for network in 0..2_000u32 {
            let address = std::net::Ipv6Addr::from_bits(u128::from(network) << 64 | 0x2001 << 112);
            let invented = Who {
                address: Some(address.into()),
                ..Who::default()
            };
            assert!(is_within(&rates, invented));
            let is_refused = !is_within(&rates, from("192.0.2.1"));
            assert!(network < 2 || is_refused, "{network}");
        }
        rates.debts.run_pending_tasks();
        assert!(rates.debts.entry_count() <= 100, "{}", rates.debts.entry_count());
    }

    #[test]
    fn a_crowd_that_asks_at_once_is_counted_exactly() {
        let rates = Rates::new(&rules(&rule("r", "everybody", 100)), None);
        let within: usize = std::thread::scope(|scope| {
            let ask = || (0..100).filter(|_| is_within(&rates, from("192.0.2.1"))).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(within, 100);
    }
}
