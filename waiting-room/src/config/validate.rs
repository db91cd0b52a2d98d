//! From what was written to what is meant, with every mistake on the way.

use super::{
    Config, access, cache::read_cache, entrance, listeners, origins::read_origin, rates, raw, rooms,
};
use std::{fmt, net::SocketAddr, time::Duration};

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl Mistakes {
    /// A single mistake.
    pub fn one(mistake: String) -> Self {
        Self(vec![mistake])
    }

    /// Several mistakes.
    pub fn many(mistakes: Vec<String>) -> Self {
        Self(mistakes)
    }

    /// The lines.
    pub fn lines(self) -> Vec<String> {
        self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// Collects mistakes while reading goes on.
#[derive(Default)]
pub(super) struct Notes(pub(super) Vec<String>);

impl Notes {
    /// The value, or a note of what is wrong at `place`.
    pub(super) fn take<T, E: fmt::Display>(&mut self, place: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.0.push(format!("{place}: {error}")))
            .ok()
    }

    pub(super) fn check(&mut self, place: &str, holds: bool, otherwise: &str) {
        if !holds {
            self.0.push(format!("{place}: {otherwise}"));
        }
    }
}

pub(super) fn validate(raw: raw::Config) -> Result<Config, Mistakes> {
    let mut notes = Notes::default();
    let listen = notes.take("edge.listen", raw.edge.listen.parse::<SocketAddr>());
    let poll_budget = raw.edge.poll_budget_per_second;
    notes.check(
        "edge.poll_budget_per_second",
        poll_budget > 0,
        "must be at least 1",
    );
    notes.check(
        "edge.grace_seconds",
        raw.edge.grace_seconds <= 300,
        "must be at most 300",
    );
    notes.check(
        "edge.drain_seconds",
        raw.edge.drain_seconds <= 300,
        "must be at most 300",
    );
    let tls = raw
        .edge
        .tls
        .map(|tls| listeners::read_tls(&mut notes, tls, listen));
    let clients = listeners::read_clients(&mut notes, &raw.edge.clients);
    let trusted_proxies =
        entrance::read_networks(&mut notes, "edge.trusted_proxies", &raw.edge.trusted_proxies);
    notes.check(
        "origin",
        !raw.origins.is_empty(),
        "at least one [[origin]] is needed",
    );

    let names: Vec<String> = raw.origins.iter().map(|origin| origin.name.clone()).collect();
    unique(&mut notes, "origin.name", &names);
    let origins: Vec<_> = raw
        .origins
        .into_iter()
        .filter_map(|origin| read_origin(&mut notes, origin))
        .collect();
    let access = access::read(&mut notes, raw.issuers, raw.access);
    let rates = rates::read(&mut notes, raw.rates);
    let rooms = rooms::read(&mut notes, raw.rooms, &names, &access.issuers);
    let cache = read_cache(&mut notes, &raw.edge.cache, raw.caches);

    match listen {
        Some(listen) if notes.0.is_empty() => Ok(Config {
            listen,
            poll_budget_per_second: poll_budget,
            secure_cookies: raw.edge.secure_cookies.unwrap_or(tls.is_some()),
            drain: Duration::from_secs(raw.edge.drain_seconds),
            grace: Duration::from_secs(raw.edge.grace_seconds),
            languages: raw.edge.languages,
            trusted_proxies,
            tls,
            clients,
            origins,
            rooms,
            access,
            rates,
            cache,
        }),
        _ => Err(Mistakes(notes.0)),
    }
}

/// Notes each name that is there twice.
pub(super) fn unique(notes: &mut Notes, place: &str, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        notes.check(
            place,
            !names[..index].contains(name),
            &format!("{name:?} is there twice"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiting_room_domain::Limits;

    const GOOD: &str = r#"
        [[origin]]
        name = "shop"
        addresses = ["http://127.0.0.1:3000"]
        [[room]]
        id = "demo"
        users_per_minute = 60
        max_active = 10
    "#;

    #[test]
    fn little_is_needed() {
        let config = Config::from_toml(GOOD).unwrap();
        assert_eq!(config.rooms[0].path, "/");
        assert_eq!(config.origins[0].addresses[0].authority(), "127.0.0.1:3000");
        assert_eq!(config.origins[0].host, None);
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = r#"
            [edge]
            listen = "nowhere"
            poll_budget_per_second = 0
            [[origin]]
            name = "shop"
            addresses = ["ftp://x", "127.0.0.1:1", "http://a/b"]
            health_path = "health"
            [[room]]
            id = "No Room"
            origin = "elsewhere"
            path = "x"
            users_per_minute = 4000000000
            max_active = 0
            claim_window_seconds = 1
            session = { length_seconds = 0, hard_cap_seconds = 700000 }
            [[room.drop]]
            doors_open = 2027-03-01T10:00:00Z
            doors_close = 2027-03-01T09:00:00Z
            [[room]]
            id = "two"
            users_per_minute = 1
            max_active = 0
            [[room.drop]]
            doors_open = 2027-03-01T10:00:00
            doors_close = 2027-03-01
        "#;
        let mistakes = Config::from_toml(text).unwrap_err().lines();
        for expected in [
            "edge.listen",
            "poll_budget_per_second",
            "ftp://x",
            "\"127.0.0.1:1\"",
            "http://a/b",
            "health_path",
            "room \"No Room\": a room id",
            "origin is not",
            "path must",
            "users_per_minute",
            "claim_window_seconds",
            "session.length_seconds",
            "session.hard_cap_seconds",
            "drop 1: prequeue_opens",
            "max_active",
            "drop 1, doors_open",
            "drop 1, doors_close",
        ] {
            assert!(
                mistakes.iter().any(|line| line.contains(expected)),
                "{expected} in {mistakes:#?}"
            );
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        let mistakes = Config::from_toml(&GOOD.replace("max_active", "max_activ")).unwrap_err();
        assert!(mistakes.to_string().contains("max_activ"), "{mistakes}");
    }

    #[test]
    fn rooms_are_told_apart() {
        let twice = format!("{GOOD}[[room]]\nid = \"demo\"\nusers_per_minute = 1\nmax_active = 1\n");
        let mistakes = Config::from_toml(&twice).unwrap_err().lines();
        assert!(mistakes.iter().any(|line| line.contains("twice")), "{mistakes:?}");
        assert!(
            mistakes.iter().any(|line| line.contains("same host and path")),
            "{mistakes:?}"
        );
    }

    #[test]
    fn one_address_is_a_whole_config() {
        let limits = Limits::new(60, 10).unwrap();
        let config = Config::in_front_of("https://shop.example", limits).unwrap();
        assert_eq!(config.origins[0].addresses[0].authority(), "shop.example:443");
        assert!(config.origins[0].tls);
        assert_eq!(config.origins[0].host.as_deref(), Some("shop.example"));
        let mistakes = Config::in_front_of("shop", limits).unwrap_err();
        assert!(
            mistakes.to_string().contains("http://127.0.0.1:3000"),
            "{mistakes}"
        );
    }

    /// The config of `make run` is one of these; a mistake in it must not wait for a user.
    #[test]
    fn the_sample_configs_are_valid() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../deploy/local/config/waiting-room.toml"
        );
        Config::from_file(std::path::Path::new(folder)).unwrap();
    }
}
