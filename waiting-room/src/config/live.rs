//! What may change while people wait, what needs a restart, and what would lose places or open the gate.

use super::{Config, Mistakes, RoomConfig};
use fairness::hex::Hex;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::Path};
use toml::{Table, Value};
use waiting_room_domain::{Epoch, Moment, Phase, covers, fits_host};

/// A value in a list of changes is cut off after so many characters.
const SHOWN_CHARS: usize = 80;

/// How the keys begin that can change without a restart: those of [`Config::with_live_parts_of`].
const LIVE_KEYS: [&str; 10] = [
    "room",
    "origin",
    "issuer",
    "access",
    "rate",
    "cache",
    "edge.poll_budget_per_second:",
    "edge.secure_cookies:",
    "edge.languages:",
    "edge.cache",
];

/// Where a line stands when its room is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineNow {
    /// Which line.
    pub epoch: Epoch,
    /// Numbers dealt so far.
    pub joined: u64,
    /// The store's time.
    pub now: Moment,
}

impl RoomConfig {
    /// Whether it guards a path of a host.
    pub fn guards(&self, host: &str, path: &str) -> bool {
        fits_host(self.host.as_deref(), host) && covers(&self.path, path.as_bytes())
    }

    /// Why people would lose their places if this room became `next` now; nothing if they would not. Nobody knows
    /// where the line stands if there is no `line`.
    pub fn loses_places(&self, next: &Self, line: Option<LineNow>) -> Vec<String> {
        let place = format!("room {:?}", self.id.as_str());
        if line.is_some_and(|line| line.joined == 0 || self.is_closed(line.now)) {
            return Vec::new();
        }
        let kept = next.lanes.names.get(..self.lanes.names.len());
        let mut changes = vec![
            ("method", self.method == next.method),
            ("the lanes that it has", kept == Some(self.lanes.names.as_slice())),
            ("public_log", self.keeps_log == next.keeps_log),
        ];
        match line {
            Some(line) => changes.push(("drop.doors_open", next.schedule.at(line.now).0 == line.epoch)),
            None => changes.push(("drop", self.schedule == next.schedule)),
        }
        let lost = changes.into_iter().filter(|(_, same)| !same);
        let why = match line {
            Some(line) => format!("{} people have joined", line.joined),
            None => "it is not known how many have joined".to_owned(),
        };
        lost.map(|(key, _)| format!("{place}: {key} cannot change, {why}"))
            .collect()
    }

    fn is_closed(&self, now: Moment) -> bool {
        matches!(self.schedule.at(now).1, Phase::Closed)
    }
}

impl Config {
    /// Reads the text of a config whose files are named as seen from `folder`.
    ///
    /// # Errors
    /// [`Mistakes`]: every one that is in it.
    pub fn from_toml_in(text: &str, folder: &Path) -> Result<Self, Mistakes> {
        let mut config = Self::from_toml(text)?;
        config.look_beside(folder);
        Ok(config)
    }

    /// This config with what `other` says of everything that can change without a restart. Whatever is not named here
    /// needs one.
    #[must_use]
    pub fn with_live_parts_of(&self, other: &Self) -> Self {
        Self {
            poll_budget_per_second: other.poll_budget_per_second,
            secure_cookies: other.secure_cookies,
            languages: other.languages.clone(),
            rooms: other.rooms.clone(),
            origins: other.origins.clone(),
            access: other.access.clone(),
            rates: other.rates.clone(),
            cache: other.cache.clone(),
            ..self.clone()
        }
    }

    /// Whether becoming `other` needs a restart.
    pub fn needs_restart_for(&self, other: &Self) -> bool {
        self.with_live_parts_of(other) != *other
    }

    /// The rooms that are not in `next`, and what nothing would guard any more that this config guards.
    pub fn opens(&self, next: &Self) -> Vec<String> {
        let opened = self.rooms.iter().filter_map(|room| {
            let id = room.id.as_str();
            if !next.rooms.iter().any(|other| other.id == room.id) {
                return Some(format!("room {id:?} would be removed"));
            }
            let guards_all = |other: &RoomConfig| {
                let host_fits = other.host.is_none() || other.host == room.host;
                host_fits && covers(&other.path, room.path.as_bytes())
            };
            let host = room.host.as_deref().unwrap_or("any host");
            (!next.rooms.iter().any(guards_all))
                .then(|| format!("{host}, {} would be open to all", room.path))
        });
        opened.collect()
    }
}

/// The name of a document: its SHA-256, in hexadecimal digits.
pub fn hash(text: &str) -> String {
    Hex(&Sha256::digest(text.as_bytes())).to_string()
}

/// What is different between two documents, a line for each key: `room.demo.users_per_minute: 12 → 60`. A document that
/// cannot be read has no keys.
pub fn changed_keys(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (keys_of(before), keys_of(after));
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| format!("{name}: {} → {}", shown(before.get(name)), shown(after.get(name))))
        .collect()
}

/// Of these changes, those of keys that need a restart.
pub fn restart_keys(changes: &[String]) -> Vec<String> {
    let is_live = |change: &&String| LIVE_KEYS.iter().any(|key| change.starts_with(key));
    changes
        .iter()
        .filter(|change| !is_live(change))
        .cloned()
        .collect()
}

/// A document as JSON; moments are text.
///
/// # Errors
/// What is wrong with it.
pub fn to_json(text: &str) -> Result<serde_json::Value, toml::de::Error> {
    let table: Table = toml::from_str(text)?;
    Ok(json(&Value::Table(table)))
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(yes) => (*yes).into(),
        Value::Datetime(at) => at.to_string().into(),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Table(table) => {
            let members = table.iter().map(|(name, value)| (name.clone(), json(value)));
            serde_json::Value::Object(members.collect())
        }
    }
}

fn shown(value: Option<&String>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn keys_of(text: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    if let Ok(table) = toml::from_str::<Table>(text) {
        flatten("", &Value::Table(table), &mut keys);
    }
    keys
}

fn flatten(place: &str, value: &Value, keys: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        if place.is_empty() {
            name.to_owned()
        } else {
            format!("{place}.{name}")
        }
    };
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                flatten(&below(name), value, keys);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_table) => {
            let names: Vec<String> = values
                .iter()
                .zip(1..)
                .map(|(value, at)| name_of(value, at))
                .collect();
            keys.insert(place.to_owned(), format!("[{}]", names.join(", ")));
            for (name, value) in names.iter().zip(values) {
                flatten(&below(name), value, keys);
            }
        }
        value => {
            keys.insert(place.to_owned(), json(value).to_string());
        }
    }
}

/// What an entry of a list is called: by its id or name, else by its place.
fn name_of(value: &Value, at: usize) -> String {
    let named = ["id", "name"].iter().find_map(|key| value.get(key)?.as_str());
    named.map_or_else(|| at.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
        [[origin]]
        name = "shop"
        addresses = ["http://127.0.0.1:3000"]
        [[room]]
        id = "demo"
        users_per_minute = 12
        max_active = 10
        method = "fifo"
        [[room.drop]]
        doors_open = 2027-03-01T10:00:00Z
        doors_close = 2027-03-01T12:00:00Z
    "#;

    fn config(text: &str) -> Config {
        Config::from_toml(text).unwrap()
    }

    #[test]
    fn changes_are_told_by_their_keys() {
        let after = BASE
            .replace("= 12", "= 60")
            .replace("12:00:00Z", "13:00:00Z")
            .replace("method = \"fifo\"", "")
            + "[[room]]\nid = \"two\"\npath = \"/two\"\nusers_per_minute = 1\nmax_active = 1\n";
        assert_eq!(
            changed_keys(BASE, &after),
            [
                "room: [demo] → [demo, two]",
                "room.demo.drop.1.doors_close: \"2027-03-01T12:00:00Z\" → \"2027-03-01T13:00:00Z\"",
                "room.demo.method: \"fifo\" → nothing",
                "room.demo.users_per_minute: 12 → 60",
                "room.two.id: nothing → \"two\"",
                "room.two.max_active: nothing → 1",
                "room.two.path: nothing → \"/two\"",
                "room.two.users_per_minute: nothing → 1",
            ]
        );
        assert!(changed_keys(BASE, &format!("# a remark\n{BASE}")).is_empty());
        let long = BASE.replace("\"fifo\"", &format!("\"{}\"", "x".repeat(200)));
        assert!(changed_keys(BASE, &long)[0].ends_with('…'));
    }

    #[test]
    fn where_it_listens_needs_a_restart_and_what_it_guards_does_not() {
        let before = config(BASE);
        let head = |text: &str| config(&format!("[edge]\n{text}\n{BASE}"));
        for (live, expected) in [
            ("poll_budget_per_second = 9", false),
            ("secure_cookies = true", false),
            ("listen = \"127.0.0.1:8080\"", false),
            ("listen = \"127.0.0.1:9\"", true),
            ("grace_seconds = 9", true),
        ] {
            assert_eq!(before.needs_restart_for(&head(live)), expected, "{live}");
        }
    }

    #[test]
    fn a_room_that_goes_or_guards_less_is_named() {
        let before = config(BASE);
        let changed = |from: &str, to: &str| before.opens(&config(&BASE.replace(from, to)));
        assert!(changed("= 12", "= 60").is_empty());
        assert_eq!(
            changed("\"demo\"", "\"other\""),
            ["room \"demo\" would be removed"]
        );
        let narrow = "method = \"fifo\"\npath = \"/shop\"";
        assert_eq!(
            changed("method = \"fifo\"", narrow),
            ["any host, / would be open to all"]
        );
        let hosted = "method = \"fifo\"\nhost = \"a.example\"";
        assert_eq!(
            changed("method = \"fifo\"", hosted),
            ["any host, / would be open to all"]
        );
    }

    #[test]
    fn what_would_lose_places_is_refused_while_somebody_has_one() {
        let before = &config(BASE).rooms[0];
        let now = Moment::from_unix_ms(1_800_000_000_000);
        let line = |joined| LineNow {
            epoch: before.schedule.at(now).0,
            joined,
            now,
        };
        let table = [
            ("= 12", "= 60", 0),
            ("12:00:00Z", "13:00:00Z", 0),
            ("\"fifo\"", "\"random\"", 2),
            ("10:00:00Z", "10:30:00Z", 1),
            ("method = \"fifo\"", "method = \"fifo\"\npublic_log = false", 1),
        ];
        for (from, to, refusals) in table {
            let after = &config(&BASE.replace(from, to)).rooms[0];
            let found = before.loses_places(after, Some(line(3)));
            // A draw brings its log along.
            assert!(
                found.len() <= refusals && (refusals == 0) == found.is_empty(),
                "{to}: {found:?}"
            );
            assert!(before.loses_places(after, Some(line(0))).is_empty(), "{to}");
        }
        let lanes = |text: &str| config(&format!("{BASE}\n{text}")).rooms[0].clone();
        let more = lanes("[[room.lane]]\nname = \"general\"\n[[room.lane]]\nname = \"members\"");
        assert!(
            before.loses_places(&more, Some(line(3))).is_empty(),
            "one more at the end"
        );
        assert_eq!(more.loses_places(before, Some(line(3))).len(), 1);
        assert_eq!(more.loses_places(before, None).len(), 1);
    }
}
