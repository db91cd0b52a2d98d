//! Which requests a rule is about: a host, a path and everything below, some methods.

use super::{entrance::read_method, validate::Notes};
use http::Method;
use waiting_room_domain::{covers, fits_host};

/// The requests that a rule covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coverage {
    /// The host, without port; any if there is none.
    pub host: Option<String>,
    /// This path and everything below.
    pub path: String,
    /// One of these methods; any if empty. Who may `GET` may ask for the head.
    pub methods: Vec<Method>,
}

impl Coverage {
    /// Whether it is about a request to this host (without port) and plain path.
    pub fn covers(&self, host: &str, path: &str, method: &Method) -> bool {
        fits_host(self.host.as_deref(), host)
            && covers(&self.path, path.as_bytes())
            && self.has_method(method)
    }

    /// The more of a request it names, the more it counts: a host before a path, a longer path before a shorter one,
    /// methods before none.
    pub fn weight(&self) -> (bool, usize, bool) {
        let depth = self.path.trim_end_matches('/').len();
        (self.host.is_some(), depth, !self.methods.is_empty())
    }

    /// Whether some request is covered by both, and neither names more of it than the other.
    pub(super) fn rivals(&self, other: &Self) -> bool {
        let root = |path: &str| path.trim_end_matches('/').to_owned();
        let overlap = self.methods.iter().any(|method| other.methods.contains(method));
        self.host == other.host
            && root(&self.path) == root(&other.path)
            && self.methods.is_empty() == other.methods.is_empty()
            && (overlap || self.methods.is_empty())
    }

    fn has_method(&self, method: &Method) -> bool {
        let asked = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.methods.is_empty() || self.methods.contains(asked) || self.methods.contains(method)
    }
}

/// Reads what a rule covers; `place` is the rule, for mistakes. Nothing if some of it cannot be read: a condition less would
/// cover more.
pub(super) fn read(
    notes: &mut Notes,
    place: &str,
    host: Option<String>,
    path: Option<String>,
    methods: &[String],
) -> Option<Coverage> {
    let path = path.unwrap_or_else(|| "/".to_owned());
    notes.check(place, path.starts_with('/'), "path must begin with /");
    let plain = !path.contains(['%', '?', '#', '\\']) && !path.contains("//");
    notes.check(place, plain, "path must be written plainly, without % and //");
    let host_said = host
        .as_ref()
        .is_none_or(|host| !host.is_empty() && !host.contains([':', '/']));
    notes.check(place, host_said, "host must be a name without port");
    let read = methods
        .iter()
        .filter_map(|method| notes.take(place, read_method(method)));
    let read: Vec<_> = read.collect();
    (read.len() == methods.len()).then_some(Coverage {
        host: host
            .filter(|host| host != "*")
            .map(|host| host.to_ascii_lowercase()),
        path,
        methods: read,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, path: &str, methods: &[&str]) -> Coverage {
        let methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
        let mut notes = Notes::default();
        let read = read(
            &mut notes,
            "rule",
            Some(host.to_owned()),
            Some(path.to_owned()),
            &methods,
        );
        assert_eq!(notes.0, Vec::<String>::new());
        read.unwrap()
    }

    #[test]
    fn a_rule_covers_what_it_names() {
        for (coverage, host, path, method, expected) in [
            (of("*", "/", &[]), "any", "/any/thing", Method::PUT, true),
            (
                of("shop.example", "/", &[]),
                "SHOP.example",
                "/",
                Method::GET,
                true,
            ),
            (
                of("shop.example", "/", &[]),
                "other.example",
                "/",
                Method::GET,
                false,
            ),
            (of("*", "/account", &[]), "a", "/account", Method::GET, true),
            (of("*", "/account/", &[]), "a", "/account/x", Method::GET, true),
            (of("*", "/account", &[]), "a", "/accounts", Method::GET, false),
            (of("*", "/", &["POST"]), "a", "/", Method::GET, false),
            (of("*", "/", &["GET"]), "a", "/", Method::HEAD, true),
            (of("*", "/", &["HEAD"]), "a", "/", Method::GET, false),
        ] {
            assert_eq!(
                coverage.covers(host, path, &method),
                expected,
                "{coverage:?} {method} {path}"
            );
        }
    }

    #[test]
    fn rules_that_cover_the_same_are_told() {
        for (one, other, expected) in [
            (of("*", "/a", &[]), of("*", "/a/", &[]), true),
            (of("*", "/a", &["GET", "PUT"]), of("*", "/a", &["PUT"]), true),
            (of("*", "/a", &["GET"]), of("*", "/a", &["PUT"]), false),
            (of("*", "/a", &["GET"]), of("*", "/a", &[]), false),
            (of("*", "/a", &[]), of("*", "/b", &[]), false),
            (of("a", "/a", &[]), of("*", "/a", &[]), false),
        ] {
            assert_eq!(one.rivals(&other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_names_more_counts_more() {
        let rules = [
            of("*", "/", &[]),
            of("*", "/", &["GET"]),
            of("*", "/account", &[]),
            of("*", "/account", &["GET"]),
            of("shop", "/", &[]),
        ];
        for pair in rules.windows(2) {
            assert!(pair[0].weight() < pair[1].weight(), "{pair:?}");
        }
        assert_eq!(of("*", "/a/", &[]).weight(), of("*", "/a", &[]).weight());
    }
}
