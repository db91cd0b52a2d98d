//! Access tokens of somebody else's: any issuer of identities that publishes a JWK set.

use crate::{JwkSet, provider};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use std::sync::{PoisonError, RwLock};

/// Longer is not an access token that a browser could send along.
const TOKEN_MAX_BYTES: usize = 8 * 1024;
/// Clocks of two companies differ by no more.
const CLOCK_SKEW_SECONDS: u64 = 30;

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
}

impl AccessClaims {
    /// Whether the token is valid at this time, but for a little difference of clocks.
    pub fn is_valid_at(&self, now_unix_seconds: u64) -> bool {
        self.exp > now_unix_seconds && self.nbf <= now_unix_seconds + CLOCK_SKEW_SECONDS
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
    use serde_json::{Value, json};

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

    #[test]
    fn a_key_that_is_gone_verifies_nothing() {
        let issuer = issuer(None);
        assert_eq!(issuer.replace_keys(&JwkSet { keys: Vec::new() }), 0);
        assert_eq!(issuer.verify(&token("RS256"), NOW), Err(AccessError::UnknownKey));
    }
}
