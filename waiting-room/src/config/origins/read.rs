//! The origins of a config file, from what was written to what is meant.

use super::{
    Address, HealthConfig, Origin, Timeouts,
    raw::{RawAddress, RawBreaker, RawEjection, RawHealth, RawOrigin, RawTimeouts, RawWeighted},
};
use crate::config::validate::Notes;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use url::{Host, Url};
use waiting_room_domain::{Balance, BreakerRule, CheckRule, EjectionRule};

/// Addresses of an origin.
const ADDRESSES_MAX: usize = 64;
/// Of one server, so that a round stays short.
const WEIGHT_MAX: u32 = 100;

/// What is meant.
pub(in crate::config) fn read_origin(notes: &mut Notes, raw: RawOrigin) -> Option<Origin> {
    let place = format!("origin {:?}", raw.name);
    notes.check(&place, !raw.name.is_empty(), "needs a name");
    check_requests(notes, &place, &raw);
    let addresses = read_addresses(notes, &place, raw.addresses);
    let balance = raw.balance.as_deref().map_or(Ok(Balance::default()), str::parse);
    let resolver = raw.resolver.as_deref().map(read_resolver).transpose();
    let path = raw.health.path.clone().or(raw.health_path);
    let (balance, resolver) = (notes.take(&place, balance), notes.take(&place, resolver));
    let health = read_health(notes, &place, &raw.health, path);
    let ejection = read_ejection(notes, &place, &raw.ejection);
    let breaker = read_breaker(notes, &place, &raw.breaker);
    let timeouts = read_timeouts(notes, &place, &raw.timeouts);
    let (addresses, tls, own_host) = addresses?;
    Some(Origin {
        balance: balance?,
        resolver: resolver?,
        health,
        ejection,
        breaker,
        timeouts,
        name: raw.name.into(),
        addresses,
        tls,
        host: raw.host.or(own_host),
        requests_max: raw.requests_max,
        retries: raw.retries,
        retry_percent: raw.retry_percent,
        failure_statuses: raw.failure_statuses,
        resolve_every: Duration::from_secs(raw.resolve_seconds),
    })
}

// --- addresses

type Addresses = (Vec<Address>, bool, Option<String>);

fn read_addresses(notes: &mut Notes, place: &str, raw: Vec<RawAddress>) -> Option<Addresses> {
    let count = raw.len();
    notes.check(place, count > 0, "needs at least one address");
    notes.check(
        place,
        count <= ADDRESSES_MAX,
        &format!("has at most {ADDRESSES_MAX} addresses"),
    );
    let read = raw.into_iter().filter_map(|address| {
        let (url, weight) = match address {
            RawAddress::Plain(url) => (url, 1),
            RawAddress::Weighted(RawWeighted { url, weight }) => (url, weight),
        };
        notes.check(
            place,
            (1..=WEIGHT_MAX).contains(&weight),
            "a weight must be from 1 to 100",
        );
        notes.take(place, read_address(&url, weight))
    });
    let read: Vec<ReadAddress> = read.collect();
    let first = read.first()?;
    let (tls, own_host) = (first.tls, first.own_host.clone());
    let alike = read.iter().all(|address| address.tls == tls);
    notes.check(place, alike, "its addresses must be all http or all https");
    let addresses: Vec<Address> = read.into_iter().map(|address| address.address).collect();
    for (index, address) in addresses.iter().enumerate() {
        let twice = addresses[..index]
            .iter()
            .any(|other| (&other.host, other.port) == (&address.host, address.port));
        notes.check(
            place,
            !twice,
            &format!("{:?} is there twice", address.authority()),
        );
    }
    Some((addresses, tls, own_host))
}

struct ReadAddress {
    address: Address,
    tls: bool,
    /// A site that is known by a name wants to be asked by that name; one known by an address does not care.
    own_host: Option<String>,
}

fn read_address(text: &str, weight: u32) -> Result<ReadAddress, String> {
    let wrong = || format!("{text:?} is not an address such as http://127.0.0.1:3000");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        _ => return Err(wrong()),
    };
    if url.path() != "/" || url.query().is_some() || !url.username().is_empty() {
        return Err(format!("{text:?} must be without path, query and user"));
    }
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let (host, own_host) = match url.host().ok_or_else(wrong)? {
        Host::Domain("localhost") => ("localhost".to_owned(), None),
        Host::Domain(name) => (name.to_owned(), Some(name.to_owned())),
        Host::Ipv4(address) => (address.to_string(), None),
        Host::Ipv6(address) => (address.to_string(), None),
    };
    Ok(ReadAddress {
        address: Address { host, port, weight },
        tls,
        own_host,
    })
}

fn read_resolver(text: &str) -> Result<SocketAddr, String> {
    let address = text
        .parse()
        .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
    address.map_err(|_| format!("resolver: {text:?} is not an address such as 127.0.0.1:53"))
}

// --- rules

fn check_requests(notes: &mut Notes, place: &str, raw: &RawOrigin) {
    check_numbers(
        notes,
        place,
        &[
            ("requests_max", u64::from(raw.requests_max), 1, 1_000_000),
            ("retries", u64::from(raw.retries), 0, 5),
            ("retry_percent", u64::from(raw.retry_percent), 0, 100),
            ("resolve_seconds", raw.resolve_seconds, 1, 3_600),
        ],
    );
    let statuses = raw
        .failure_statuses
        .iter()
        .all(|status| (400..=599).contains(status));
    notes.check(place, statuses, "failure_statuses must be from 400 to 599");
}

fn read_health(notes: &mut Notes, place: &str, raw: &RawHealth, path: Option<String>) -> HealthConfig {
    let path = path.unwrap_or_else(|| "/".to_owned());
    let plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    notes.check(
        place,
        plain,
        "health_path (or health.path) must begin with / and have no spaces",
    );
    check_numbers(
        notes,
        place,
        &[
            ("health.every_ms", raw.every_ms, 50, 3_600_000),
            ("health.timeout_ms", raw.timeout_ms, 10, 60_000),
            ("health.healthy_after", u64::from(raw.healthy_after), 1, 100),
            ("health.unhealthy_after", u64::from(raw.unhealthy_after), 1, 100),
        ],
    );
    HealthConfig {
        path,
        every: Duration::from_millis(raw.every_ms),
        timeout: Duration::from_millis(raw.timeout_ms),
        rule: CheckRule {
            healthy_after: raw.healthy_after,
            unhealthy_after: raw.unhealthy_after,
        },
    }
}

fn read_ejection(notes: &mut Notes, place: &str, raw: &RawEjection) -> EjectionRule {
    check_numbers(
        notes,
        place,
        &[
            ("ejection.failures", u64::from(raw.failures), 0, 1_000),
            ("ejection.seconds", raw.seconds, 1, 3_600),
            ("ejection.seconds_max", raw.seconds_max, raw.seconds, 86_400),
            ("ejection.percent_max", u64::from(raw.percent_max), 0, 100),
        ],
    );
    EjectionRule {
        failures: raw.failures,
        first: Duration::from_secs(raw.seconds),
        longest: Duration::from_secs(raw.seconds_max),
        percent_max: raw.percent_max,
    }
}

fn read_breaker(notes: &mut Notes, place: &str, raw: &RawBreaker) -> Option<BreakerRule> {
    check_numbers(
        notes,
        place,
        &[
            ("breaker.window_seconds", raw.window_seconds, 1, 3_600),
            ("breaker.requests_min", u64::from(raw.requests_min), 1, 1_000_000),
            ("breaker.failure_percent", u64::from(raw.failure_percent), 1, 100),
            ("breaker.open_seconds", raw.open_seconds, 1, 3_600),
            ("breaker.trials", u64::from(raw.trials), 1, 1_000),
        ],
    );
    raw.enabled.then(|| BreakerRule {
        window: Duration::from_secs(raw.window_seconds),
        requests_min: raw.requests_min,
        failure_percent: raw.failure_percent,
        open_for: Duration::from_secs(raw.open_seconds),
        trials: raw.trials,
    })
}

fn read_timeouts(notes: &mut Notes, place: &str, raw: &RawTimeouts) -> Timeouts {
    check_numbers(
        notes,
        place,
        &[
            ("timeouts.connect_ms", raw.connect_ms, 10, 60_000),
            ("timeouts.silence_seconds", raw.silence_seconds, 1, 3_600),
            (
                "timeouts.upgraded_silence_seconds",
                raw.upgraded_silence_seconds,
                1,
                86_400,
            ),
            ("timeouts.whole_seconds", raw.whole_seconds, 1, 86_400),
        ],
    );
    Timeouts {
        connect: Duration::from_millis(raw.connect_ms),
        silence: Duration::from_secs(raw.silence_seconds),
        upgraded_silence: Duration::from_secs(raw.upgraded_silence_seconds),
        whole: Duration::from_secs(raw.whole_seconds),
    }
}

/// Notes each number that is not from its least to its most.
fn check_numbers(notes: &mut Notes, place: &str, numbers: &[(&str, u64, u64, u64)]) {
    for (name, number, least, most) in numbers {
        notes.check(
            place,
            (least..=most).contains(&number),
            &format!("{name} must be from {least} to {most}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Address, Config};
    use waiting_room_domain::Balance;

    fn origin(more: &str) -> String {
        format!("[[origin]]\nname = \"shop\"\n{more}\n")
    }

    #[test]
    fn an_origin_says_what_it_wants_otherwise() {
        let text = origin(
            "addresses = [\"https://a.example\", { url = \"https://[2001:db8::1]:8443\", weight = 3 }]\n\
             balance = \"client_hash\"\nresolver = \"127.0.0.1\"\nretries = 0\nhealth_path = \"/old\"\n\
             health = { path = \"/new\", every_ms = 200 }\nbreaker = { enabled = false }\n\
             timeouts = { whole_seconds = 5 }",
        );
        let config = Config::from_toml(&text).unwrap();
        let shop = &config.origins[0];
        let names: Vec<_> = shop.addresses.iter().map(Address::authority).collect();
        assert_eq!(names, ["a.example:443", "[2001:db8::1]:8443"]);
        assert_eq!((shop.addresses[0].weight, shop.addresses[1].weight), (1, 3));
        assert_eq!(shop.balance, Balance::ClientHash);
        assert_eq!(shop.resolver.unwrap().to_string(), "127.0.0.1:53");
        assert_eq!((shop.health.path.as_str(), shop.breaker), ("/new", None));
        assert!(shop.tls);
    }

    #[test]
    fn what_makes_no_sense_is_said_all_at_once() {
        let text = origin(
            "addresses = [\"http://a:1\", \"http://a:1\", \"https://b\", { url = \"http://c\", weight = 0 }]\n\
             balance = \"fair\"\nresolver = \"dns\"\nretries = 9\nrequests_max = 0\nretry_percent = 101\n\
             failure_statuses = [200]\nresolve_seconds = 0\nhealth_path = \"x\"\n\
             health = { every_ms = 1, timeout_ms = 0, healthy_after = 0, unhealthy_after = 0 }\n\
             ejection = { seconds = 9, seconds_max = 1, percent_max = 200 }\n\
             breaker = { trials = 0, open_seconds = 0, failure_percent = 0, requests_min = 0, window_seconds = 0 }\n\
             timeouts = { connect_ms = 0, silence_seconds = 0, whole_seconds = 0, upgraded_silence_seconds = 0 }",
        );
        let mistakes = Config::from_toml(&text).unwrap_err().lines();
        for expected in [
            "twice",
            "all http or all https",
            "weight",
            "balance",
            "resolver",
            "retries",
            "requests_max",
            "retry_percent",
            "failure_statuses",
            "resolve_seconds",
            "health_path",
            "health.every_ms",
            "health.timeout_ms",
            "healthy_after",
            "unhealthy_after",
            "ejection.seconds_max",
            "ejection.percent_max",
            "breaker.trials",
            "breaker.open_seconds",
            "breaker.failure_percent",
            "breaker.requests_min",
            "breaker.window_seconds",
            "connect_ms",
            "silence_seconds",
            "upgraded_silence_seconds",
            "whole_seconds",
        ] {
            assert!(
                mistakes.iter().any(|line| line.contains(expected)),
                "{expected} in {mistakes:#?}"
            );
        }
    }
}
