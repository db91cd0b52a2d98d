//! Access tokens of somebody else's: any issuer of identities that publishes a JWK set.

use crate::{JwkSet, provider};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::{PoisonError, RwLock};

/// Longer is not an access token that a browser could send along.
const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// Clocks of two companies differ by no more.
const CLOCK_SKEW_SECONDS: u64 = 30;
/// What an issuer calls its access tokens (RFC 9068, and those older than it). A token that says it is something else, such
/// as a `logout+jwt`, was signed for something else.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Why a token does not say who somebody is. Not shown to the visitor in this detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Not a JWT, forged, of another algorithm or issuer, or not meant for us.
    #[error("the access token is not genuine")]
    NotGenuine,
    /// Signed by a key that the issuer does not publish (any more, or yet).
    #[error("the access token is signed by an unknown key")]
    UnknownKey,
    /// It is over, or not valid yet.
    #[error("the access token is not valid now")]
    NotNow,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccessClaims {
    /// Whose it is, in the issuer's words.
    pub sub: String,
    /// From then on it is worth nothing (Unix seconds).
    #[serde(deserialize_with = "whole_seconds")]
    pub exp: u64,
    /// Until then it is not worth anything yet (Unix seconds).
    #[serde(default, deserialize_with = "whole_seconds")]
    nbf: u64,
    /// Everything else.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl AccessClaims {
    /// Whether the token is valid at this time, but for a little difference of clocks.
    pub fn is_valid_at(&self, now_unix_seconds: u64) -> bool {
        self.exp > now_unix_seconds && self.nbf <= now_unix_seconds + CLOCK_SKEW_SECONDS
    }

    /// The name of the token itself.
    pub fn id(&self) -> Option<&str> {
        self.more.get("jti")?.as_str()
    }

    /// The session of the issuer that it belongs to.
    pub fn session(&self) -> Option<&str> {
        self.more.get("sid")?.as_str()
    }

    /// When it was given (Unix seconds).
    pub fn issued_at(&self) -> Option<u64> {
        whole_seconds(self.more.get("iat")?).ok()
    }

    /// The words of a claim: a list of texts, or one text with spaces between them, as `scope` is. `claim` is its name,
    /// or the names that lead to it with dots between them, such as `realm_access.roles`.
    pub fn words(&self, claim: &str) -> Vec<&str> {
        match self.claim(claim) {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        if let Some(found) = self.more.get(name) {
            return Some(found);
        }
        let mut steps = name.split('.');
        let first = self.more.get(steps.next()?)?;
        steps.try_fold(first, |inside, step| inside.get(step))
    }
}

/// Some issuers write parts of a second.
fn whole_seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and parts of a second do not matter"
    )]
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

/// An issuer of identities: who signs, and for whom.
pub struct Issuer {
    name: String,
    audience: Option<String>,
    keys: RwLock<Vec<IssuerKey>>,
}

struct IssuerKey {
    kid: Option<String>,
    key: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// The issuer whose tokens say `iss: name`, and name `audience` if there is one. Without one a token that was made
    /// for any other service of the issuer counts too. No key is known yet.
    pub fn new(name: String, audience: Option<String>) -> Self {
        provider::install();
        Self {
            name,
            audience,
            keys: RwLock::default(),
        }
    }

    /// The issuer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on only these keys count. Answers how many of them can be used: RSA for RS256, P-256 for ES256, Ed25519
    /// for `EdDSA`; a key of another kind is left out.
    pub fn replace_keys(&self, keys: &JwkSet) -> usize {
        let usable: Vec<_> = keys.keys.iter().filter_map(|jwk| self.usable(jwk)).collect();
        let count = usable.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = usable;
        count
    }

    fn usable(&self, jwk: &Jwk) -> Option<IssuerKey> {
        let algorithm = algorithm_of(jwk)?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.name]);
        // The library would ask the machine's clock; the times are compared with the time we are given.
        validation.validate_exp = false;
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
            }
            None => {
                validation.validate_aud = false;
                validation.set_required_spec_claims(&["exp", "iss", "sub"]);
            }
        }
        Some(IssuerKey {
            kid: jwk.common.key_id.clone(),
            key: DecodingKey::from_jwk(jwk).ok()?,
            validation,
        })
    }

    /// What `token` says, if the issuer signed it for us and it is valid at `now_unix_seconds`.
    ///
    /// # Errors
    /// [`AccessError`], for anything that is not.
    pub fn verify(&self, token: &str, now_unix_seconds: u64) -> Result<AccessClaims, AccessError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(AccessError::NotGenuine);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AccessError::NotGenuine)?;
        // Whoever signed it wants it read by rules that we do not know, or meant it for something else.
        if header.crit.is_some() || !is_access_type(header.typ.as_deref()) {
            return Err(AccessError::NotGenuine);
        }
        let claims = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let key = find(&keys, header.kid.as_deref()).ok_or(AccessError::UnknownKey)?;
            jsonwebtoken::decode::<AccessClaims>(token, &key.key, &key.validation)
                .map_err(|_| AccessError::NotGenuine)?
        };
        let valid = claims.claims.is_valid_at(now_unix_seconds) && !claims.claims.sub.is_empty();
        valid.then_some(claims.claims).ok_or(AccessError::NotNow)
    }
}

/// Whether the `typ` of a token may be an access token's: it need not say anything.
fn is_access_type(typ: Option<&str>) -> bool {
    let Some(typ) = typ.map(str::to_ascii_lowercase) else {
        return true;
    };
    TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
}

/// The key that a token names; a token that names none is signed by the only key there is.
fn find<'a>(keys: &'a [IssuerKey], kid: Option<&str>) -> Option<&'a IssuerKey> {
    match (kid, keys) {
        (Some(kid), _) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// The one algorithm that a key is for: what it is decides, and what is written beside it must not say otherwise.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let named = jwk.common.key_algorithm;
    let agrees = named.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    (agrees && signs).then_some(algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    /// Made with Python's `PyJWT` and `cryptography`, so that two implementations agree.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../test-vectors/access-tokens.json")).unwrap()
    }

    fn token(name: &str) -> String {
        vectors()["tokens"][name].as_str().unwrap().to_owned()
    }

    fn issuer(audience: Option<&str>) -> Issuer {
        let issuer = Issuer::new("https://id.example/".to_owned(), audience.map(str::to_owned));
        let keys = serde_json::from_value(vectors()["jwks"].clone()).unwrap();
        assert_eq!(
            issuer.replace_keys(&keys),
            3,
            "of six keys three are for signatures that we know"
        );
        issuer
    }

    #[test]
    fn each_algorithm_is_verified() {
        for name in ["RS256", "ES256", "EdDSA"] {
            let claims = issuer(Some("shop")).verify(&token(name), NOW).unwrap();
            assert_eq!(claims.sub, format!("account of {name}"));
            assert_eq!(
                issuer(Some("shop")).verify(&token(name), claims.exp),
                Err(AccessError::NotNow)
            );
        }
    }

    #[test]
    fn what_is_not_meant_for_us_is_refused() {
        for (name, audience, expected) in [
            ("other issuer", Some("shop"), AccessError::NotGenuine),
            ("RS256", Some("bank"), AccessError::NotGenuine),
            ("no audience", Some("shop"), AccessError::NotGenuine),
            ("no subject", Some("shop"), AccessError::NotGenuine),
            ("no expiry", Some("shop"), AccessError::NotGenuine),
            ("not yet", Some("shop"), AccessError::NotNow),
            ("unknown key", Some("shop"), AccessError::UnknownKey),
            ("no key named", Some("shop"), AccessError::UnknownKey),
            ("HS256 with the public key", Some("shop"), AccessError::NotGenuine),
            ("RS512", Some("shop"), AccessError::NotGenuine),
            (
                "ES256 by another key's name",
                Some("shop"),
                AccessError::NotGenuine,
            ),
        ] {
            let refused = issuer(audience).verify(&token(name), NOW);
            assert_eq!(refused, Err(expected), "{name}");
        }
        assert!(issuer(None).verify(&token("no audience"), NOW).is_ok());
    }

    #[test]
    fn a_token_without_signature_is_refused() {
        let signed = token("RS256");
        let (claims, _) = signed.rsplit_once('.').unwrap();
        let (_, claims) = claims.split_once('.').unwrap();
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": "rsa"}).to_string());
        for forged in [
            format!("{header}.{claims}."),
            signed[..signed.len() - 8].to_owned(),
            "x".repeat(9_000),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(
                issuer(None).verify(&forged, NOW),
                Err(AccessError::NotGenuine),
                "{forged:.40}"
            );
        }
    }

    /// An issuer with a key of our own, so that a test can sign what it likes.
    fn own() -> (Issuer, impl Fn(&Value, &Value) -> String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode(pair.public_key()),
        });
        let issuer = Issuer::new("https://id.example/".to_owned(), None);
        issuer.replace_keys(&serde_json::from_value(json!({ "keys": [key] })).unwrap());
        let sign = move |header: &Value, claims: &Value| {
            let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
            let signature = pair.sign(format!("{header}.{claims}").as_bytes());
            format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
        };
        (issuer, sign)
    }

    fn claims(more: &Value) -> Value {
        let mut claims = json!({"iss": "https://id.example/", "sub": "ann", "exp": NOW + 60});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_head_that_wants_something_else_is_refused() {
        let (issuer, sign) = own();
        for (head, genuine) in [
            (json!({"alg": "EdDSA", "kid": "k"}), true),
            (json!({"alg": "EdDSA", "kid": "k", "typ": "JWT"}), true),
            (json!({"alg": "EdDSA", "kid": "k", "typ": "at+jwt"}), true),
            (
                json!({"alg": "EdDSA", "kid": "k", "typ": "application/at+JWT"}),
                true,
            ),
            (json!({"alg": "EdDSA", "kid": "k", "typ": "logout+jwt"}), false),
            (json!({"alg": "EdDSA", "kid": "k", "typ": "dpop+jwt"}), false),
            (json!({"alg": "EdDSA", "kid": "k", "typ": ""}), false),
            (
                json!({"alg": "EdDSA", "kid": "k", "crit": ["b64"], "b64": false}),
                false,
            ),
            (json!({"alg": "EdDSA", "kid": "k", "crit": []}), false),
            (json!({"alg": "none", "kid": "k"}), false),
            (json!({"alg": "HS256", "kid": "k"}), false),
            (json!({"alg": "ES256", "kid": "k"}), false),
            (json!({"kid": "k"}), false),
        ] {
            let verified = issuer.verify(&sign(&head, &claims(&json!({}))), NOW);
            assert_eq!(verified.is_ok(), genuine, "{head}: {verified:?}");
        }
    }

    /// The key that is published must not become the secret of a symmetric algorithm.
    #[test]
    fn a_public_key_is_no_secret() {
        let (issuer, _) = own();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, pair.public_key().as_ref());
        let head = json!({"alg": "HS256", "kid": "k", "typ": "JWT"});
        let [head, claims] =
            [&head, &claims(&json!({}))].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let tag = ring::hmac::sign(&secret, format!("{head}.{claims}").as_bytes());
        let forged = format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert_eq!(issuer.verify(&forged, NOW), Err(AccessError::NotGenuine));
    }

    #[test]
    fn clocks_may_differ_a_little_for_the_beginning_and_not_for_the_end() {
        let (issuer, sign) = own();
        let head = json!({"alg": "EdDSA", "kid": "k"});
        for (more, valid) in [
            (json!({"nbf": NOW}), true),
            (json!({"nbf": NOW + 30}), true),
            (json!({"nbf": NOW + 31}), false),
            (json!({"exp": NOW + 1}), true),
            (json!({"exp": NOW}), false),
            (json!({"exp": NOW as f64 + 1.5}), true),
        ] {
            let verified = issuer.verify(&sign(&head, &claims(&more)), NOW);
            assert_eq!(verified.is_ok(), valid, "{more}");
            assert!(valid || verified == Err(AccessError::NotNow), "{more}");
        }
        for nonsense in [json!({"exp": "soon"}), json!({"exp": null}), json!({"sub": 7})] {
            let verified = issuer.verify(&sign(&head, &claims(&nonsense)), NOW);
            assert_eq!(verified, Err(AccessError::NotGenuine), "{nonsense}");
        }
    }

    #[test]
    fn a_token_longer_than_any_is_not_read() {
        let (issuer, sign) = own();
        let head = json!({"alg": "EdDSA", "kid": "k"});
        let long = sign(&head, &claims(&json!({"more": "x".repeat(7_000)})));
        assert_eq!(
            issuer.verify(&long, NOW),
            Err(AccessError::NotGenuine),
            "{}",
            long.len()
        );
        assert!(
            issuer
                .verify(&sign(&head, &claims(&json!({"more": "x".repeat(5_000)}))), NOW)
                .is_ok()
        );
    }

    #[test]
    fn what_a_token_says_besides_can_be_read() {
        let (issuer, sign) = own();
        let more = json!({
            "jti": "t1", "sid": "s1", "iat": NOW as f64 - 0.5, "roles": ["editor", 7, "admin"], "scope": "read write",
            "realm_access": {"roles": ["nested"]}, "https://shop/roles.v1": ["dotted"],
        });
        let claims = issuer
            .verify(&sign(&json!({"alg": "EdDSA"}), &claims(&more)), NOW)
            .unwrap();
        let said = (claims.id(), claims.session(), claims.issued_at());
        assert_eq!(said, (Some("t1"), Some("s1"), Some(NOW - 1)));
        for (claim, expected) in [
            ("roles", &["editor", "admin"][..]),
            ("scope", &["read", "write"]),
            ("realm_access.roles", &["nested"]),
            ("https://shop/roles.v1", &["dotted"]),
            ("realm_access", &[]),
            ("realm_access.none", &[]),
            ("groups", &[]),
        ] {
            assert_eq!(claims.words(claim), expected, "{claim}");
        }
    }

    #[test]
    fn a_key_that_is_gone_verifies_nothing() {
        let issuer = issuer(None);
        assert_eq!(issuer.replace_keys(&JwkSet { keys: Vec::new() }), 0);
        assert_eq!(issuer.verify(&token("RS256"), NOW), Err(AccessError::UnknownKey));
    }
}
