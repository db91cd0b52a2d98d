//! Who may get a place at all: accounts, proofs, invitations, bypasses and limits of a room.

use super::{IssuerConfig, access, validate::Notes};
use http::Method;
use ipnet::IpNet;
use serde::Deserialize;
use std::{net::IpAddr, path::PathBuf, time::Duration};
use url::Url;
use waiting_room_domain::{Pace, ProofRule};

/// Whom a room gives a place, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntranceConfig {
    /// Only who is signed in gets a place, and only one.
    pub identity: Option<IssuerConfig>,
    /// Only who did some work gets a place.
    pub proof: Option<ProofConfig>,
    /// Who walks past the line.
    pub bypasses: Vec<BypassRule>,
    /// How many places one address may ask for in a minute; any number if 0.
    pub joins_per_minute: u32,
    /// The same as a pace.
    pub joins: Option<Pace>,
    /// How many polls one ticket may make in the pause that it was told; any number if 0.
    pub polls_per_pause: u32,
    /// How many clients may use one pass; any number if 0.
    pub clients_max: usize,
}

/// Where the keys of an issuer are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksPlace {
    /// At an address.
    Url(String),
    /// In a file.
    File(PathBuf),
}

/// Where visitors carry an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer`.
    Bearer,
    /// A cookie of this name.
    Cookie(String),
    /// `Authorization: Bearer`, or, where there is none, a cookie of this name.
    BearerOrCookie(String),
}

/// Proof of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofConfig {
    /// How hard it is.
    pub rule: ProofRule,
    /// How long a challenge may be solved.
    pub lifetime: Duration,
}

/// Requests that go to the origin without a line: those that meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BypassRule {
    /// Its name, in metrics and tokens.
    pub name: String,
    /// This path and everything below.
    pub path: Option<String>,
    /// One of these methods; any if empty.
    pub methods: Vec<Method>,
    /// From one of these networks; any if empty.
    pub addresses: Vec<IpNet>,
    /// With a token made for this rule.
    pub signed: bool,
}

// --- as it is written

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) issuer: String,
    pub(super) audience: Option<String>,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    #[serde(default = "bearer")]
    pub(super) token: String,
    pub(super) sign_in_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProof {
    enabled: bool,
    min_number: u32,
    max_number: u32,
    joins_per_second: u32,
    lifetime_seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBypass {
    name: String,
    path: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    signed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    joins_per_minute_per_address: u32,
    polls_per_pause: u32,
}

/// What stands in a room about who may get a place.
#[derive(Debug, Default)]
pub(super) struct RawEntrance {
    pub(super) identity: Option<RawIdentity>,
    pub(super) proof: Option<RawProof>,
    pub(super) bypasses: Vec<RawBypass>,
    pub(super) limits: RawLimits,
    pub(super) clients_max: usize,
}

pub(super) fn bearer() -> String {
    "bearer".to_owned()
}

impl Default for RawProof {
    fn default() -> Self {
        Self {
            enabled: true,
            min_number: 20_000,
            max_number: 1_000_000,
            joins_per_second: 50,
            lifetime_seconds: 600,
        }
    }
}

// --- as it is meant

/// Reads what a room says about who may get a place; `place` is the room, for mistakes.
/// `issuers` are those that an identity may name.
pub(super) fn read(
    notes: &mut Notes,
    place: &str,
    raw: RawEntrance,
    issuers: &[IssuerConfig],
) -> EntranceConfig {
    let names: Vec<String> = raw.bypasses.iter().map(|rule| rule.name.clone()).collect();
    for (index, name) in names.iter().enumerate() {
        let twice = names[..index].contains(name);
        notes.check(
            &format!("{place}, bypass {name:?}"),
            !twice,
            "the name is used twice",
        );
    }
    let limits = &raw.limits;
    let joins = limits.joins_per_minute_per_address;
    let polls_place = format!("{place}, limits.polls_per_pause");
    notes.check(&polls_place, limits.polls_per_pause <= 100, "must be at most 100");
    let clients_place = format!("{place}, session.clients_max");
    notes.check(&clients_place, raw.clients_max <= 64, "must be at most 64");
    EntranceConfig {
        identity: raw
            .identity
            .and_then(|raw| access::issuer_of_room(notes, &format!("{place}, identity"), raw, issuers)),
        proof: raw
            .proof
            .and_then(|raw| read_proof(notes, &format!("{place}, proof"), &raw)),
        bypasses: raw
            .bypasses
            .into_iter()
            .filter_map(|raw| read_bypass(notes, place, raw))
            .collect(),
        joins_per_minute: joins,
        joins: Pace::new(joins, Duration::from_secs(60)),
        polls_per_pause: limits.polls_per_pause,
        clients_max: raw.clients_max,
    }
}

impl RawIdentity {
    /// An issuer of the room's own.
    pub(super) fn read(self, notes: &mut Notes, place: &str) -> Option<IssuerConfig> {
        notes.check(place, !self.issuer.is_empty(), "issuer must be said");
        let audience_said = self.audience.as_ref().is_none_or(|audience| !audience.is_empty());
        notes.check(place, audience_said, "audience must not be empty");
        let keys = read_jwks(notes, place, self.jwks_url, self.jwks_file);
        let token = read_token_place(notes, place, self.token);
        let sign_in_url = read_sign_in_url(notes, place, self.sign_in_url);
        Some(IssuerConfig {
            name: self.issuer.clone(),
            issuer: self.issuer,
            audience: self.audience,
            keys: keys?,
            token,
            roles_claim: access::roles_claim(),
            sign_in_url,
            revocations: None,
        })
    }
}

/// Where the keys are: at one address or in one file.
pub(super) fn read_jwks(
    notes: &mut Notes,
    place: &str,
    url: Option<String>,
    file: Option<PathBuf>,
) -> Option<JwksPlace> {
    match (url, file) {
        (Some(url), None) => notes
            .take(&format!("{place}.jwks_url"), read_url(&url))
            .map(JwksPlace::Url),
        (None, Some(file)) => Some(JwksPlace::File(file)),
        _ => {
            notes.check(place, false, "either jwks_url or jwks_file is needed");
            None
        }
    }
}

pub(super) fn read_token_place(notes: &mut Notes, place: &str, token: String) -> TokenPlace {
    if token == bearer() {
        return TokenPlace::Bearer;
    }
    let (either, name) = match token.strip_prefix("bearer or ") {
        Some(name) => (true, name),
        None => (false, token.as_str()),
    };
    let is_name = !name.is_empty() && name.bytes().all(is_token_byte);
    notes.check(
        &format!("{place}.token"),
        is_name,
        "must be \"bearer\" or the name of a cookie",
    );
    if either {
        TokenPlace::BearerOrCookie(name.to_owned())
    } else {
        TokenPlace::Cookie(name.to_owned())
    }
}

/// An address of another site, or a path of this one.
pub(super) fn read_sign_in_url(notes: &mut Notes, place: &str, url: Option<String>) -> Option<String> {
    match url {
        Some(url) if url.starts_with('/') && !url.starts_with("//") => Some(url),
        Some(url) => notes.take(&format!("{place}.sign_in_url"), read_url(&url)),
        None => None,
    }
}

/// What the name of a cookie is made of (RFC 6265, by RFC 9110).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn read_url(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not an address such as https://id.example/path");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    fits.then(|| url.into()).ok_or_else(wrong)
}

fn read_proof(notes: &mut Notes, place: &str, raw: &RawProof) -> Option<ProofConfig> {
    notes.check(
        place,
        (1..=raw.max_number).contains(&raw.min_number),
        "min_number must be from 1 to max_number",
    );
    notes.check(
        place,
        raw.max_number <= 100_000_000,
        "max_number must be at most 100000000",
    );
    notes.check(
        place,
        raw.joins_per_second > 0,
        "joins_per_second must be at least 1",
    );
    notes.check(
        place,
        (10..=86_400).contains(&raw.lifetime_seconds),
        "lifetime_seconds must be from 10 to 86400",
    );
    raw.enabled.then_some(ProofConfig {
        rule: ProofRule {
            min_number: raw.min_number,
            max_number: raw.max_number,
            joins_per_second: raw.joins_per_second,
        },
        lifetime: Duration::from_secs(raw.lifetime_seconds),
    })
}

fn read_bypass(notes: &mut Notes, room: &str, raw: RawBypass) -> Option<BypassRule> {
    let place = format!("{room}, bypass {:?}", raw.name);
    notes.check(&place, !raw.name.is_empty(), "needs a name");
    let path_fits = raw.path.as_ref().is_none_or(|path| path.starts_with('/'));
    notes.check(&place, path_fits, "path must begin with /");
    let count = (raw.methods.len(), raw.addresses.len());
    let open = raw.path.is_none() && count == (0, 0) && !raw.signed;
    notes.check(
        &place,
        !open,
        "a rule without any condition would let everybody in",
    );
    let methods: Vec<_> = raw
        .methods
        .iter()
        .filter_map(|method| notes.take(&place, read_method(method)))
        .collect();
    let addresses = read_networks(notes, &place, &raw.addresses);
    // A condition that cannot be read must not be one less.
    ((methods.len(), addresses.len()) == count).then_some(BypassRule {
        name: raw.name,
        path: raw.path,
        methods,
        addresses,
        signed: raw.signed,
    })
}

pub(super) fn read_method(text: &str) -> Result<Method, String> {
    let upper = text.bytes().all(|byte| byte.is_ascii_uppercase());
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| upper);
    method.ok_or_else(|| format!("{text:?} is not a method such as \"GET\""))
}

/// Networks, such as `10.0.0.0/8`; a single address is a network of one.
pub(super) fn read_networks(notes: &mut Notes, place: &str, raw: &[String]) -> Vec<IpNet> {
    let read = raw.iter().filter_map(|text| {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let read = network.map_err(|_| format!("{text:?} is not a network such as 10.0.0.0/8"));
        notes.take(place, read)
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Room {
        identity: Option<RawIdentity>,
        proof: Option<RawProof>,
        #[serde(default, rename = "bypass")]
        bypasses: Vec<RawBypass>,
        #[serde(default)]
        limits: RawLimits,
        #[serde(default)]
        clients_max: usize,
    }

    fn read_text(text: &str) -> (EntranceConfig, Vec<String>) {
        let room: Room = toml::from_str(text).unwrap();
        let raw = RawEntrance {
            identity: room.identity,
            proof: room.proof,
            bypasses: room.bypasses,
            limits: room.limits,
            clients_max: room.clients_max,
        };
        let mut notes = Notes::default();
        let config = read(&mut notes, "room \"demo\"", raw, &[]);
        (config, notes.0)
    }

    #[test]
    fn nothing_said_is_an_open_entrance() {
        let (config, mistakes) = read_text("");
        assert_eq!(mistakes, Vec::<String>::new());
        assert!(config.identity.is_none() && config.proof.is_none() && config.bypasses.is_empty());
        assert_eq!((config.joins, config.polls_per_pause), (None, 0));
    }

    #[test]
    fn a_whole_entrance_is_read() {
        let (config, mistakes) = read_text(
            "clients_max = 5\n\
             [identity]\nissuer = \"https://id.example/\"\njwks_url = \"https://id.example/keys\"\n\
             token = \"session\"\nsign_in_url = \"/sign-in\"\n\
             [proof]\nmin_number = 10\n\
             [limits]\njoins_per_minute_per_address = 3\npolls_per_pause = 4\n\
             [[bypass]]\nname = \"monitor\"\npath = \"/health\"\nmethods = [\"GET\"]\naddresses = [\"10.0.0.0/8\", \"::1\"]\n\
             [[bypass]]\nname = \"partner\"\nsigned = true\n",
        );
        assert_eq!(mistakes, Vec::<String>::new());
        let identity = config.identity.unwrap();
        assert_eq!(identity.token, TokenPlace::Cookie("session".to_owned()));
        assert_eq!(
            identity.keys,
            JwksPlace::Url("https://id.example/keys".to_owned())
        );
        let proof = config.proof.unwrap();
        assert_eq!(
            (proof.rule.min_number, proof.lifetime),
            (10, Duration::from_secs(600))
        );
        assert_eq!(config.joins, Pace::new(3, Duration::from_secs(60)));
        assert_eq!((config.polls_per_pause, config.clients_max), (4, 5));
        assert_eq!(config.bypasses.len(), 2);
        assert_eq!(config.bypasses[0].addresses[1].to_string(), "::1/128");
    }

    #[test]
    fn a_proof_can_be_switched_off() {
        let (config, mistakes) = read_text("[proof]\nenabled = false\n");
        assert_eq!((config.proof, mistakes), (None, Vec::new()));
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let (_, mistakes) = read_text(
            "clients_max = 65\n\
             [identity]\nissuer = \"\"\naudience = \"\"\ntoken = \"a b\"\nsign_in_url = \"//evil\"\n\
             [proof]\nmin_number = 10\nmax_number = 9\njoins_per_second = 0\nlifetime_seconds = 1\n\
             [limits]\npolls_per_pause = 101\n\
             [[bypass]]\nname = \"all\"\n\
             [[bypass]]\nname = \"all\"\npath = \"x\"\nmethods = [\"get\"]\naddresses = [\"10.0.0.0/33\"]\n\
             [[bypass]]\nname = \"\"\nsigned = true\n",
        );
        for expected in [
            "room \"demo\", session.clients_max: must be at most 64",
            "room \"demo\", identity: issuer must be said",
            "room \"demo\", identity: audience must not be empty",
            "room \"demo\", identity: either jwks_url or jwks_file is needed",
            "room \"demo\", identity.token: must be \"bearer\" or the name of a cookie",
            "room \"demo\", identity.sign_in_url: \"//evil\" is not an address",
            "room \"demo\", proof: min_number must be from 1 to max_number",
            "room \"demo\", proof: joins_per_second",
            "room \"demo\", proof: lifetime_seconds",
            "room \"demo\", limits.polls_per_pause",
            "room \"demo\", bypass \"all\": the name is used twice",
            "room \"demo\", bypass \"all\": a rule without any condition",
            "room \"demo\", bypass \"all\": path must begin with /",
            "room \"demo\", bypass \"all\": \"get\" is not a method",
            "room \"demo\", bypass \"all\": \"10.0.0.0/33\" is not a network",
            "room \"demo\", bypass \"\": needs a name",
        ] {
            let told = mistakes.iter().any(|line| line.starts_with(expected));
            assert!(told, "{expected} in {mistakes:#?}");
        }
    }
}
