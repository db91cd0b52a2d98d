//! Who somebody is, and what only they may ask for: issuers of access tokens, and rules about paths.

use super::{
    Coverage, JwksPlace, TokenPlace, coverage,
    entrance::{RawIdentity, bearer, read_jwks, read_sign_in_url, read_token_place, read_url},
    validate::Notes,
};
use serde::Deserialize;
use std::path::PathBuf;

/// Rules are looked at one after the other for each request.
const RULES_MAX: usize = 256;
/// An issuer is one or two tasks.
const ISSUERS_MAX: usize = 16;

/// An issuer of access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its name in the config file, and what origins read.
    pub name: String,
    /// What its tokens say under `iss`.
    pub issuer: String,
    /// What they must say under `aud`.
    pub audience: Option<String>,
    /// Where its keys are.
    pub keys: JwksPlace,
    /// Where visitors carry the token.
    pub token: TokenPlace,
    /// The claim that has the roles, with dots between the names that lead to it.
    pub roles_claim: String,
    /// Where a browser is sent that has none.
    pub sign_in_url: Option<String>,
    /// Where it says which tokens count no more.
    pub revocations: Option<RevocationsConfig>,
}

/// Where an issuer says which tokens count no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationsConfig {
    /// Its address.
    pub url: String,
    /// Who is let through while it does not answer.
    pub silent: WhileSilent,
}

/// Whose tokens count while nobody can tell what is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileSilent {
    /// Those that this edge has seen before.
    Known,
    /// All.
    All,
    /// Nobody's.
    Nobody,
}

/// A rule about who may ask for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// What it is about.
    pub coverage: Coverage,
    /// Whose tokens count: the name of an issuer.
    pub issuer: String,
    /// Whether it is for those only who are signed in.
    pub required: bool,
    /// One of these roles is needed, if there are any.
    pub roles: Vec<String>,
}

/// Who may ask for what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessConfig {
    /// Those who say who somebody is.
    pub issuers: Vec<IssuerConfig>,
    /// The one that names most of a request decides about it.
    pub rules: Vec<AccessRule>,
}

// --- as it is written

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    name: String,
    issuer: String,
    audience: Option<String>,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    #[serde(default = "bearer")]
    token: String,
    #[serde(default = "roles_claim")]
    roles_claim: String,
    sign_in_url: Option<String>,
    revocations_url: Option<String>,
    #[serde(default = "known")]
    revocations_silent: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccess {
    host: Option<String>,
    path: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default = "token")]
    require: String,
    issuer: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

pub(super) fn roles_claim() -> String {
    "roles".to_owned()
}

fn known() -> String {
    "known".to_owned()
}

fn token() -> String {
    "token".to_owned()
}

// --- as it is meant

/// Reads issuers and rules.
pub(super) fn read(notes: &mut Notes, issuers: Vec<RawIssuer>, rules: Vec<RawAccess>) -> AccessConfig {
    notes.check(
        "issuer",
        issuers.len() <= ISSUERS_MAX,
        &format!("there are at most {ISSUERS_MAX}"),
    );
    notes.check(
        "access",
        rules.len() <= RULES_MAX,
        &format!("there are at most {RULES_MAX} rules"),
    );
    let names: Vec<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
    for (index, name) in names.iter().enumerate() {
        let twice = names[..index].contains(name);
        notes.check(&format!("issuer {name:?}"), !twice, "is there twice");
    }
    let issuers = issuers
        .into_iter()
        .filter_map(|raw| read_issuer(notes, raw))
        .collect();
    let mut read: Vec<AccessRule> = Vec::with_capacity(rules.len());
    for (index, raw) in rules.into_iter().enumerate() {
        let place = format!("access {}", index + 1);
        let Some(rule) = read_rule(notes, &place, raw, &names) else {
            continue;
        };
        let twice = read.iter().any(|other| rule.coverage.rivals(&other.coverage));
        let message = "another rule is about the same host, path and methods";
        notes.check(&place, !twice, message);
        read.push(rule);
    }
    let rules = read;
    AccessConfig { issuers, rules }
}

fn read_issuer(notes: &mut Notes, raw: RawIssuer) -> Option<IssuerConfig> {
    let place = format!("issuer {:?}", raw.name);
    let named = !raw.name.is_empty() && raw.name.len() <= 64 && raw.name.bytes().all(is_name_byte);
    notes.check(
        &place,
        named,
        "its name must be 1 to 64 of a-z, A-Z, 0-9, _ and -",
    );
    notes.check(&place, !raw.issuer.is_empty(), "issuer must be said");
    let audience_said = raw.audience.as_ref().is_none_or(|audience| !audience.is_empty());
    notes.check(&place, audience_said, "audience must not be empty");
    notes.check(
        &place,
        !raw.roles_claim.is_empty(),
        "roles_claim must not be empty",
    );
    let keys = read_jwks(notes, &place, raw.jwks_url, raw.jwks_file);
    let token = read_token_place(notes, &place, raw.token);
    let sign_in_url = read_sign_in_url(notes, &place, raw.sign_in_url);
    let silent = match raw.revocations_silent.as_str() {
        "known" => Some(WhileSilent::Known),
        "all" => Some(WhileSilent::All),
        "nobody" => Some(WhileSilent::Nobody),
        _ => None,
    };
    let place_silent = format!("{place}.revocations_silent");
    notes.check(
        &place_silent,
        silent.is_some(),
        "must be \"known\", \"all\" or \"nobody\"",
    );
    let revocations = match raw.revocations_url {
        Some(url) => Some(RevocationsConfig {
            url: notes.take(&format!("{place}.revocations_url"), read_url(&url))?,
            silent: silent?,
        }),
        None => None,
    };
    Some(IssuerConfig {
        name: raw.name,
        issuer: raw.issuer,
        audience: raw.audience,
        keys: keys?,
        token,
        roles_claim: raw.roles_claim,
        sign_in_url,
        revocations,
    })
}

/// What a name is made of that stands in headers, metrics and structured fields.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

fn read_rule(notes: &mut Notes, place: &str, raw: RawAccess, issuers: &[String]) -> Option<AccessRule> {
    let required = match raw.require.as_str() {
        "token" => Some(true),
        "optional" => Some(false),
        _ => None,
    };
    notes.check(
        place,
        required.is_some(),
        "require must be \"token\" or \"optional\"",
    );
    let agrees = required != Some(false) || raw.roles.is_empty();
    notes.check(place, agrees, "roles need require = \"token\"");
    let roles_said = raw.roles.iter().all(|role| !role.is_empty()) && raw.roles.len() <= 64;
    notes.check(
        place,
        roles_said,
        "roles must be 1 to 64 words, none of them empty",
    );
    let issuer = raw
        .issuer
        .or_else(|| issuers.first().filter(|_| issuers.len() == 1).cloned());
    let known = issuer.as_ref().is_some_and(|issuer| issuers.contains(issuer));
    notes.check(
        place,
        known,
        "issuer must be the name of an [[issuer]]; with only one it need not be said",
    );
    let coverage = coverage::read(notes, place, raw.host, raw.path, &raw.methods);
    Some(AccessRule {
        coverage: coverage?,
        issuer: issuer?,
        required: required?,
        roles: raw.roles,
    })
}

/// The issuer that a room's identity means: one of its own, or the `[[issuer]]` with that name.
pub(super) fn issuer_of_room(
    notes: &mut Notes,
    place: &str,
    raw: RawIdentity,
    issuers: &[IssuerConfig],
) -> Option<IssuerConfig> {
    let by_name = raw.jwks_url.is_none() && raw.jwks_file.is_none();
    let Some(named) = issuers.iter().find(|issuer| by_name && issuer.name == raw.issuer) else {
        return raw.read(notes, place);
    };
    let own = raw.audience.is_none() && raw.token == bearer();
    notes.check(place, own, "audience and token are said by the [[issuer]]");
    let sign_in_url = read_sign_in_url(notes, place, raw.sign_in_url);
    Some(IssuerConfig {
        sign_in_url: sign_in_url.or_else(|| named.sign_in_url.clone()),
        ..named.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default, rename = "issuer")]
        issuers: Vec<RawIssuer>,
        #[serde(default)]
        access: Vec<RawAccess>,
    }

    const MEMBERS: &str = "[[issuer]]\nname = \"members\"\nissuer = \"https://id.example/\"\n\
                           jwks_url = \"https://id.example/keys\"\n";

    fn read_text(text: &str) -> (AccessConfig, Vec<String>) {
        let file: File = toml::from_str(text).unwrap();
        let mut notes = Notes::default();
        let config = read(&mut notes, file.issuers, file.access);
        (config, notes.0)
    }

    #[test]
    fn nothing_said_is_no_rule() {
        assert_eq!(read_text(""), (AccessConfig::default(), Vec::new()));
    }

    #[test]
    fn little_is_needed() {
        let (config, mistakes) = read_text(&format!("{MEMBERS}[[access]]\npath = \"/account\"\n"));
        assert_eq!(mistakes, Vec::<String>::new());
        let issuer = &config.issuers[0];
        assert_eq!(
            (issuer.roles_claim.as_str(), &issuer.token),
            ("roles", &TokenPlace::Bearer)
        );
        assert_eq!(issuer.revocations, None);
        let rule = &config.rules[0];
        assert_eq!((rule.issuer.as_str(), rule.required), ("members", true));
        assert_eq!(rule.coverage.path, "/account");
    }

    #[test]
    fn a_whole_issuer_is_read() {
        let (config, mistakes) = read_text(&format!(
            "{MEMBERS}audience = \"shop\"\ntoken = \"session\"\nroles_claim = \"realm_access.roles\"\n\
             sign_in_url = \"/sign-in\"\nrevocations_url = \"http://10.0.0.1/revocations\"\nrevocations_silent = \"nobody\"\n"
        ));
        assert_eq!(mistakes, Vec::<String>::new());
        let revocations = config.issuers[0].revocations.as_ref().unwrap();
        assert_eq!(revocations.silent, WhileSilent::Nobody);
        assert_eq!(config.issuers[0].token, TokenPlace::Cookie("session".to_owned()));
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let (_, mistakes) = read_text(
            "[[issuer]]\nname = \"a b\"\nissuer = \"\"\naudience = \"\"\nroles_claim = \"\"\n\
             [[issuer]]\nname = \"x\"\nissuer = \"x\"\njwks_url = \"ftp://x\"\nrevocations_url = \"x\"\n\
             [[issuer]]\nname = \"x\"\nissuer = \"x\"\njwks_file = \"x\"\nrevocations_silent = \"open\"\n\
             [[access]]\npath = \"x\"\n\
             [[access]]\nrequire = \"password\"\nissuer = \"y\"\nmethods = [\"get\"]\n\
             [[access]]\nrequire = \"optional\"\nissuer = \"x\"\nroles = [\"\"]\nhost = \"a:80\"\n\
             [[access]]\npath = \"/a%20b\"\nissuer = \"x\"\n\
             [[access]]\npath = \"/a\"\nissuer = \"x\"\n\
             [[access]]\npath = \"/a\"\nissuer = \"x\"\n",
        );
        for expected in [
            "issuer \"a b\": its name must be",
            "issuer \"a b\": issuer must be said",
            "issuer \"a b\": audience must not be empty",
            "issuer \"a b\": roles_claim must not be empty",
            "issuer \"a b\": either jwks_url or jwks_file is needed",
            "issuer \"x\".jwks_url: \"ftp://x\" is not an address",
            "issuer \"x\".revocations_url: \"x\" is not an address",
            "issuer \"x\".revocations_silent: must be",
            "issuer \"x\": is there twice",
            "access 1: path must begin with /",
            "access 1: issuer must be the name",
            "access 2: require must be",
            "access 2: issuer must be the name",
            "access 2: \"get\" is not a method",
            "access 3: roles need require",
            "access 3: roles must be",
            "access 3: host must be a name without port",
            "access 4: path must be written plainly",
            "access 6: another rule is about the same",
        ] {
            let told = mistakes.iter().any(|line| line.starts_with(expected));
            assert!(told, "{expected} in {mistakes:#?}");
        }
    }
}
