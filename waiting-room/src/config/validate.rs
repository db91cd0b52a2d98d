//! From what was written to what is meant, with every mistake on the way.

use super::{
    BeaconConfig, Config, Lanes, Origin, PageConfig, RoomConfig, entrance, raw,
    steering::{RawSteering, read_steering},
};
use contract::RoomId;
use std::{fmt, net::SocketAddr, time::Duration};
use time::OffsetDateTime;
use toml::value::Datetime;
use url::{Host, Url};
use waiting_room_domain::{LANES_MAX, Limits, Method, Moment, RoomTag, Schedule, ScheduledDrop, SessionRule};

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
    let rooms: Vec<_> = raw
        .rooms
        .into_iter()
        .filter_map(|room| read_room(&mut notes, room, &names))
        .collect();
    different(&mut notes, &rooms);

    match listen {
        Some(listen) if notes.0.is_empty() => Ok(Config {
            listen,
            poll_budget_per_second: poll_budget,
            secure_cookies: raw.edge.secure_cookies,
            grace: Duration::from_secs(raw.edge.grace_seconds),
            languages: raw.edge.languages,
            trusted_proxies,
            origins,
            rooms,
        }),
        _ => Err(Mistakes(notes.0)),
    }
}

// --- origins

fn read_origin(notes: &mut Notes, raw: raw::Origin) -> Option<Origin> {
    let place = format!("origin {:?}", raw.name);
    notes.check(&place, !raw.name.is_empty(), "needs a name");
    notes.check(&place, !raw.addresses.is_empty(), "needs at least one address");
    notes.check(
        &place,
        raw.health_path.starts_with('/'),
        "health_path must begin with /",
    );
    let read = raw
        .addresses
        .iter()
        .filter_map(|address| notes.take(&place, read_address(address)));
    let read: Vec<Address> = read.collect();
    let first = read.first()?;
    let (tls_name, host) = (
        first.tls_name.clone(),
        raw.host.or_else(|| first.own_host.clone()),
    );
    let alike = read
        .iter()
        .all(|address| address.tls_name.is_some() == tls_name.is_some());
    notes.check(&place, alike, "its addresses must be all http or all https");
    Some(Origin {
        name: raw.name,
        addresses: read.into_iter().map(|address| address.authority).collect(),
        tls_name,
        host,
        health_path: raw.health_path,
    })
}

struct Address {
    authority: String,
    tls_name: Option<String>,
    /// A site that is known by a name wants to be asked by that name; one known by an address does not care.
    own_host: Option<String>,
}

fn read_address(text: &str) -> Result<Address, String> {
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
    let host = url.host().ok_or_else(wrong)?;
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let name = match &host {
        Host::Domain(name) if *name != "localhost" => Some((*name).to_owned()),
        _ => None,
    };
    Ok(Address {
        authority: format!("{host}:{port}"),
        tls_name: tls.then(|| host.to_string()),
        own_host: name,
    })
}

// --- rooms

fn read_room(notes: &mut Notes, raw: raw::Room, origins: &[String]) -> Option<RoomConfig> {
    let place = format!("room {:?}", raw.id);
    let id = notes.take(&place, raw.id.parse::<RoomId>());
    let limits = notes.take(&place, Limits::new(raw.users_per_minute, raw.max_active));
    let schedule = read_schedule(notes, &place, &raw.drops);
    let session = read_session(notes, &place, &raw.session);
    let method = notes.take(
        &place,
        raw.method.as_deref().map_or(Ok(Method::default()), str::parse),
    );
    let lanes = read_lanes(notes, &place, raw.lanes);
    let beacon = raw.beacon.map(|beacon| read_beacon(notes, &place, beacon));
    let origin = match &raw.origin {
        Some(name) => origins.iter().position(|origin| origin == name),
        None => Some(0),
    };
    notes.check(
        &place,
        origin.is_some(),
        "origin is not the name of any [[origin]]",
    );
    notes.check(&place, raw.path.starts_with('/'), "path must begin with /");
    let claim_window = read_claim_window(notes, &place, raw.claim_window_seconds);
    let steering = RawSteering {
        ramp: raw.ramp,
        autopilot: raw.autopilot,
        signals: raw.signals,
        stock: raw.stock,
    };
    let has_drops = !raw.drops.is_empty();
    let steering = read_steering(notes, &place, &steering, raw.users_per_minute, has_drops);
    let said = entrance::RawEntrance {
        identity: raw.identity,
        proof: raw.proof,
        bypasses: raw.bypasses,
        limits: raw.limits,
        clients_max: raw.session.clients_max,
    };
    let entrance = entrance::read(notes, &place, said);
    let (id, schedule, method) = (id?, schedule?, method?);
    // A room that is always open has no pre-queue to draw.
    let method = match method {
        Method::Shuffle if schedule.is_empty() => Method::Fifo,
        method => method,
    };
    Some(RoomConfig {
        steering,
        entrance,
        method,
        lanes,
        beacon,
        // A draw without a log could not be checked.
        keeps_log: method.draws() || (method.lines_up() && raw.public_log.unwrap_or(!schedule.is_empty())),
        tag: RoomTag::from(&id),
        title: raw.title.unwrap_or_else(|| id.to_string()),
        host: (raw.host != "*").then(|| raw.host.to_ascii_lowercase()),
        path: raw.path,
        origin: origin?,
        limits: limits?,
        claim_window,
        session,
        schedule,
        pages: PageConfig {
            language: raw.language,
            template: raw.template,
            assets: raw.assets,
        },
        id,
    })
}

fn read_beacon(notes: &mut Notes, place: &str, raw: raw::Beacon) -> BeaconConfig {
    notes.check(
        place,
        !raw.urls.is_empty(),
        "beacon.urls needs at least one address",
    );
    for url in &raw.urls {
        let scheme = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        notes.check(
            place,
            scheme,
            &format!("beacon.urls: {url:?} is not an address such as https://api.drand.sh"),
        );
    }
    let wait = raw.wait_seconds;
    notes.check(
        place,
        (5..=3_600).contains(&wait),
        "beacon.wait_seconds must be from 5 to 3600",
    );
    BeaconConfig {
        urls: raw.urls,
        patience: (!raw.required).then_some(Duration::from_secs(wait)),
    }
}

fn read_lanes(notes: &mut Notes, place: &str, raw: Vec<raw::Lane>) -> Lanes {
    if raw.is_empty() {
        return Lanes {
            names: vec!["general".to_owned()],
            weights: vec![1],
            invited_only: vec![false],
        };
    }
    let names: Vec<String> = raw.iter().map(|lane| lane.name.clone()).collect();
    unique(notes, &format!("{place}, lane.name"), &names);
    let named = names
        .iter()
        .all(|name| !name.is_empty() && name.len() <= 32 && name.is_ascii());
    notes.check(place, named, "a lane's name is 1 to 32 ASCII characters");
    notes.check(
        place,
        raw.len() <= LANES_MAX,
        &format!("has at most {LANES_MAX} lanes"),
    );
    let weighted = raw.iter().all(|lane| (1..=1_000).contains(&lane.weight));
    notes.check(place, weighted, "a lane's weight must be from 1 to 1000");
    Lanes {
        weights: raw.iter().map(|lane| lane.weight).collect(),
        invited_only: raw.iter().map(|lane| lane.invited_only).collect(),
        names,
    }
}

fn read_claim_window(notes: &mut Notes, place: &str, seconds: u64) -> Duration {
    notes.check(
        place,
        (5..=600).contains(&seconds),
        "claim_window_seconds must be from 5 to 600",
    );
    Duration::from_secs(seconds)
}

fn read_session(notes: &mut Notes, place: &str, raw: &raw::Session) -> SessionRule {
    let (length, cap) = (raw.length_seconds, raw.hard_cap_seconds);
    notes.check(
        place,
        (1..=86_400).contains(&length),
        "session.length_seconds must be from 1 to 86400",
    );
    notes.check(
        place,
        (length..=604_800).contains(&cap),
        "session.hard_cap_seconds must be from length_seconds to 604800",
    );
    SessionRule {
        length: Duration::from_secs(length),
        sliding: raw.sliding,
        hard_cap: Duration::from_secs(cap),
    }
}

fn read_schedule(notes: &mut Notes, place: &str, raw: &[raw::ScheduledDrop]) -> Option<Schedule> {
    let drops: Vec<_> = raw
        .iter()
        .enumerate()
        .filter_map(|(index, drop)| {
            let place = format!("{place}, drop {}", index + 1);
            let doors_open = notes.take(&format!("{place}, doors_open"), moment(&drop.doors_open));
            let doors_close = notes.take(&format!("{place}, doors_close"), moment(&drop.doors_close));
            let prequeue_opens = match &drop.prequeue_opens {
                Some(at) => notes.take(&format!("{place}, prequeue_opens"), moment(at)),
                None => doors_open,
            };
            Some(ScheduledDrop {
                prequeue_opens: prequeue_opens?,
                doors_open: doors_open?,
                doors_close: doors_close?,
            })
        })
        .collect();
    if drops.len() < raw.len() {
        return None;
    }
    notes.take(place, Schedule::new(drops))
}

/// A date and time with its offset, such as `2027-03-01T10:00:00Z`: a time of day without one means something
/// else on every machine.
fn moment(at: &Datetime) -> Result<Moment, String> {
    let text = at.to_string();
    let wrong = |_| format!("{text} is not a moment such as 2027-03-01T10:00:00Z (the offset is needed)");
    let at = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).map_err(wrong)?;
    let ms =
        u64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| format!("{text} is before 1970"))?;
    Ok(Moment::from_unix_ms(ms))
}

// --- the whole

fn unique(notes: &mut Notes, place: &str, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        notes.check(
            place,
            !names[..index].contains(name),
            &format!("{name:?} is there twice"),
        );
    }
}

fn different(notes: &mut Notes, rooms: &[RoomConfig]) {
    for (index, room) in rooms.iter().enumerate() {
        for other in &rooms[..index] {
            let place = format!("room {:?}", room.id.as_str());
            notes.check(&place, room.id != other.id, "is there twice");
            let same_tag = room.id != other.id && room.tag == other.tag;
            notes.check(
                &place,
                !same_tag,
                &format!("cannot be told from {:?}; choose another id", other.id.as_str()),
            );
            let same_place = room.host == other.host && room.path == other.path;
            notes.check(
                &place,
                !same_place,
                &format!("guards the same host and path as {:?}", other.id.as_str()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(config.origins[0].addresses, ["127.0.0.1:3000"]);
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
        assert_eq!(config.origins[0].addresses, ["shop.example:443"]);
        assert_eq!(config.origins[0].tls_name.as_deref(), Some("shop.example"));
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
