//! How much may be asked for.

use super::{Coverage, access::is_name_byte, coverage, validate::Notes};
use serde::Deserialize;
use waiting_room_domain::Rate;

/// Rules are looked at one after the other for each request.
const RULES_MAX: usize = 64;
/// What the edge's own limits are called.
const TAKEN: [&str; 2] = ["joins", "polls"];

/// A rule about how much may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RateRule {
    /// What clients and operators call it.
    pub name: String,
    /// What it is about.
    pub coverage: Coverage,
    /// Whose requests are counted together.
    pub per: Per,
    /// How many.
    pub rate: Rate,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    /// Those of one address; of IPv6: of one /64.
    Address,
    /// Those of one session in a room; of who has none: of the address.
    Session,
    /// Those of one account, where an access rule asks for it; of who has none: of the address.
    Account,
    /// All.
    Everybody,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRate {
    name: String,
    host: Option<String>,
    path: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default = "address")]
    per: String,
    requests: u32,
    window_seconds: u64,
    burst: Option<u32>,
}

fn address() -> String {
    "address".to_owned()
}

/// Reads the rules.
pub(super) fn read(notes: &mut Notes, rules: Vec<RawRate>) -> Vec<RateRule> {
    notes.check(
        "rate",
        rules.len() <= RULES_MAX,
        &format!("there are at most {RULES_MAX} rules"),
    );
    let names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    for (index, name) in names.iter().enumerate() {
        let twice = names[..index].contains(name);
        notes.check(&format!("rate {name:?}"), !twice, "is there twice");
    }
    rules
        .into_iter()
        .filter_map(|raw| read_rule(notes, raw))
        .collect()
}

fn read_rule(notes: &mut Notes, raw: RawRate) -> Option<RateRule> {
    let place = format!("rate {:?}", raw.name);
    let named = !raw.name.is_empty() && raw.name.len() <= 64 && raw.name.bytes().all(is_name_byte);
    notes.check(
        &place,
        named,
        "its name must be 1 to 64 of a-z, A-Z, 0-9, _ and -",
    );
    let free = !TAKEN.contains(&raw.name.as_str());
    notes.check(&place, free, "the name is taken by a limit of the edge itself");
    let per = match raw.per.as_str() {
        "address" => Some(Per::Address),
        "session" => Some(Per::Session),
        "account" => Some(Per::Account),
        "everybody" => Some(Per::Everybody),
        _ => None,
    };
    let is_one = "per must be \"address\", \"session\", \"account\" or \"everybody\"";
    notes.check(&place, per.is_some(), is_one);
    let rate = notes.take(&place, Rate::new(raw.requests, raw.window_seconds, raw.burst));
    let coverage = coverage::read(notes, &place, raw.host, raw.path, &raw.methods);
    Some(RateRule {
        name: raw.name,
        coverage: coverage?,
        per: per?,
        rate: rate?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        rate: Vec<RawRate>,
    }

    fn read_text(text: &str) -> (Vec<RateRule>, Vec<String>) {
        let file: File = toml::from_str(text).unwrap();
        let mut notes = Notes::default();
        let rules = read(&mut notes, file.rate);
        (rules, notes.0)
    }

    #[test]
    fn a_rule_is_read() {
        let (rules, mistakes) = read_text(
            "[[rate]]\nname = \"api\"\npath = \"/api\"\nrequests = 100\nwindow_seconds = 60\nburst = 10\n",
        );
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(rules[0].rate, Rate::new(100, 60, Some(10)).unwrap());
        assert_eq!(
            (rules[0].per, rules[0].coverage.path.as_str()),
            (Per::Address, "/api")
        );
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let (_, mistakes) = read_text(
            "[[rate]]\nname = \"a\\\"b\"\nper = \"planet\"\nrequests = 0\nwindow_seconds = 1\n\
             [[rate]]\nname = \"x\"\nrequests = 1\nwindow_seconds = 0\npath = \"x\"\n\
             [[rate]]\nname = \"x\"\nrequests = 1\nwindow_seconds = 1\nburst = 2\n\
             [[rate]]\nname = \"joins\"\nrequests = 1\nwindow_seconds = 1\n",
        );
        for expected in [
            "rate \"a\\\"b\": its name must be",
            "rate \"a\\\"b\": per must be",
            "rate \"a\\\"b\": requests must be",
            "rate \"x\": window_seconds must be",
            "rate \"x\": path must begin",
            "rate \"x\": is there twice",
            "rate \"x\": burst must be",
            "rate \"joins\": the name is taken",
        ] {
            let told = mistakes.iter().any(|line| line.starts_with(expected));
            assert!(told, "{expected} in {mistakes:#?}");
        }
    }
}
