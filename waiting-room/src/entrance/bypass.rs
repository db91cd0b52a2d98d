//! Who walks past the line.

use super::Head;
use crate::config::BypassRule;
use http::Method;
use metrics::Counter;
use std::net::IpAddr;
use waiting_room_domain::{BypassToken, Moment, RoomTag, RuleTag, SealKeys, covers};

/// Where a visitor shows a bypass token.
pub const BYPASS_HEADER: &str = "waiting-room-bypass";

/// The bypass rules of a room.
pub struct Bypasses {
    room: RoomTag,
    keys: SealKeys,
    rules: Vec<Rule>,
}

struct Rule {
    rule: BypassRule,
    tag: RuleTag,
    counter: Counter,
}

impl Bypasses {
    /// These rules of a room, whose tokens these keys sign.
    pub fn new(room: &contract::RoomId, rules: &[BypassRule], keys: SealKeys) -> Self {
        let rules = rules.iter().map(|rule| {
            let labels = [("room", room.to_string()), ("rule", rule.name.clone())];
            Rule {
                rule: rule.clone(),
                tag: RuleTag::of(&rule.name),
                counter: metrics::counter!("waiting_room_bypassed_total", &labels),
            }
        });
        Self {
            room: RoomTag::from(room),
            keys,
            rules: rules.collect(),
        }
    }

    /// The name of the first rule that lets this request past the line; it is counted. `path` is the plain one.
    pub fn find(
        &self,
        method: &Method,
        path: &str,
        address: Option<IpAddr>,
        head: &impl Head,
        now: Moment,
    ) -> Option<&str> {
        let fits = |rule: &&Rule| {
            rule.rule.fits(method, path, address) && (!rule.rule.signed || self.is_signed(rule, head, now))
        };
        let rule = self.rules.iter().find(fits)?;
        rule.counter.increment(1);
        Some(&rule.rule.name)
    }

    fn is_signed(&self, rule: &Rule, head: &impl Head, now: Moment) -> bool {
        let token = head
            .value(BYPASS_HEADER)
            .and_then(|text| BypassToken::open(&self.keys, text).ok());
        token.is_some_and(|token| token.room == self.room && token.rule == rule.tag && now < token.expires)
    }
}

impl BypassRule {
    /// Whether every condition holds that needs no token.
    fn fits(&self, method: &Method, path: &str, address: Option<IpAddr>) -> bool {
        let path_fits = self
            .path
            .as_deref()
            .is_none_or(|root| covers(root, path.as_bytes()));
        let method_fits = self.methods.is_empty() || self.methods.contains(method);
        let from_there = |address: IpAddr| self.addresses.iter().any(|network| network.contains(&address));
        let address_fits = self.addresses.is_empty() || address.is_some_and(from_there);
        path_fits && method_fits && address_fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use waiting_room_domain::SealKey;

    const NOW: Moment = Moment::from_unix_ms(1_000);

    fn keys(secret: u8) -> SealKeys {
        SealKeys::new(SealKey::new(1, &[secret; 32]), Vec::new())
    }

    fn rule(name: &str) -> BypassRule {
        BypassRule {
            name: name.to_owned(),
            path: None,
            methods: Vec::new(),
            addresses: Vec::new(),
            signed: false,
        }
    }

    fn token(room: &str, name: &str, expires: u64, secret: u8) -> HeaderMap {
        let token = BypassToken {
            room: RoomTag::from(&room.parse().unwrap()),
            rule: RuleTag::of(name),
            expires: Moment::from_unix_ms(expires),
        };
        let value = HeaderValue::from_str(&token.seal(&keys(secret))).unwrap();
        HeaderMap::from_iter([(http::HeaderName::from_static(BYPASS_HEADER), value)])
    }

    #[test]
    fn every_condition_must_hold() {
        let rules = [BypassRule {
            path: Some("/health/".to_owned()),
            methods: vec![Method::GET, Method::HEAD],
            addresses: vec!["10.0.0.0/8".parse().unwrap()],
            ..rule("monitor")
        }];
        let bypasses = Bypasses::new(&"demo".parse().unwrap(), &rules, keys(1));
        for (method, path, address, expected) in [
            (Method::GET, "/health", Some("10.1.2.3"), Some("monitor")),
            (Method::HEAD, "/health/deep", Some("10.1.2.3"), Some("monitor")),
            (Method::POST, "/health", Some("10.1.2.3"), None),
            (Method::GET, "/healthy", Some("10.1.2.3"), None),
            (Method::GET, "/", Some("10.1.2.3"), None),
            (Method::GET, "/health", Some("11.1.2.3"), None),
            (Method::GET, "/health", None, None),
        ] {
            let address = address.map(|text| text.parse().unwrap());
            let found = bypasses.find(&method, path, address, &HeaderMap::new(), NOW);
            assert_eq!(found, expected, "{method} {path} {address:?}");
        }
    }

    #[test]
    fn a_signed_rule_wants_its_own_token() {
        let rules = [BypassRule {
            signed: true,
            ..rule("partner")
        }];
        let bypasses = Bypasses::new(&"demo".parse().unwrap(), &rules, keys(1));
        let find = |head: &HeaderMap| bypasses.find(&Method::GET, "/", None, head, NOW);
        assert_eq!(find(&token("demo", "partner", 1_001, 1)), Some("partner"));
        for (case, head) in [
            ("none", HeaderMap::new()),
            ("expired", token("demo", "partner", 1_000, 1)),
            ("another rule's", token("demo", "monitor", 1_001, 1)),
            ("another room's", token("other", "partner", 1_001, 1)),
            ("forged", token("demo", "partner", 1_001, 2)),
        ] {
            assert_eq!(find(&head), None, "{case}");
        }
    }
}
