//! The rooms of a config file, from what was written to what is meant.

use super::{
    BeaconConfig, IssuerConfig, Lanes, PageConfig, RoomConfig, entrance, raw,
    steering::{RawSteering, read_steering},
    validate::{Notes, unique},
};
use contract::RoomId;
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use toml::value::Datetime;
use url::Url;
use waiting_room_domain::{LANES_MAX, Limits, Method, Moment, RoomTag, Schedule, ScheduledDrop, SessionRule};

/// Every room that can be read; `origins` and `issuers` are those that a room may name.
pub(super) fn read(
    notes: &mut Notes,
    raw: Vec<raw::Room>,
    origins: &[String],
    issuers: &[IssuerConfig],
) -> Vec<RoomConfig> {
    let rooms: Vec<_> = raw
        .into_iter()
        .filter_map(|room| read_room(notes, room, origins, issuers))
        .collect();
    different(notes, &rooms);
    rooms
}

fn read_room(
    notes: &mut Notes,
    raw: raw::Room,
    origins: &[String],
    issuers: &[IssuerConfig],
) -> Option<RoomConfig> {
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
        Some(name) => origins.iter().find(|origin| *origin == name),
        None => origins.first(),
    };
    notes.check(
        &place,
        origin.is_some() || raw.origin.is_none(),
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
    let entrance = entrance::read(notes, &place, said, issuers);
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
        origin: Arc::from(origin?.as_str()),
        limits: limits?,
        body_bytes: raw.body_bytes,
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
