//! Verification, once a token.

use crate::provider;
use contract::{PASS_AUDIENCE, PASS_ISSUER, PassClaims};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use moka::sync::Cache;
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

/// Tokens remembered at most. At about 600 bytes each that is some 60 MB, and more sessions than two cores serve.
const REMEMBERED_MAX: u64 = 100_000;
/// A token that nobody has shown for this long is forgotten and checked again.
const REMEMBERED_IDLE: Duration = Duration::from_secs(600);
/// Longer is not a pass of ours.
const TOKEN_MAX_BYTES: usize = 1024;

/// Why a token is not a valid pass. Not shown to the visitor in this detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// Not a JWT, forged, of another algorithm, or not meant for us.
    #[error("the pass is not genuine")]
    NotGenuine,
    /// Signed by a key that is not published (any more, or yet).
    #[error("the pass is signed by an unknown key")]
    UnknownKey,
    /// It was valid until `exp`.
    #[error("the pass has expired")]
    Expired,
}

/// A pass that was found genuine. Copying it costs next to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine {
    /// What it says.
    pub claims: Arc<PassClaims>,
    /// The token itself, ready to be passed on.
    pub header: HeaderValue,
}

/// Verifies passes against a set of published keys.
///
/// Reading the cache takes no lock that a writer could hold for long; a hit costs a hash of the token.
pub struct Verifier {
    keys: RwLock<HashMap<String, DecodingKey>>,
    genuine: Cache<Box<str>, Genuine>,
    validation: Validation,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("remembered", &self.genuine.entry_count())
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier of passes signed by any key of `keys`.
    pub fn new(keys: &JwkSet) -> Self {
        provider::install();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[PASS_ISSUER]);
        validation.set_audience(&[PASS_AUDIENCE]);
        // The library would ask the machine's clock; we compare `exp` ourselves with the time we are given.
        validation.validate_exp = false;
        let genuine = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_idle(REMEMBERED_IDLE)
            .build();
        let verifier = Self {
            keys: RwLock::default(),
            genuine,
            validation,
        };
        verifier.replace_keys(keys);
        verifier
    }

    /// From now on only these keys count. What was verified under a key that is gone is forgotten.
    pub fn replace_keys(&self, keys: &JwkSet) {
        let usable = keys.keys.iter().filter_map(|jwk| {
            let kid = jwk.common.key_id.clone()?;
            DecodingKey::from_jwk(jwk).ok().map(|key| (kid, key))
        });
        let usable = usable.collect();
        *self
            .keys
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = usable;
        self.genuine.invalidate_all();
    }

    /// The claims of `token`, if it is a pass of ours that has not expired at `now_unix_seconds`.
    ///
    /// # Errors
    /// [`PassError`], for anything that is not.
    pub fn verify(&self, token: &str, now_unix_seconds: u64) -> Result<Arc<PassClaims>, PassError> {
        Ok(self.recognise(token, now_unix_seconds)?.claims)
    }

    /// The same with the token, for whoever passes it on.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn recognise(&self, token: &str, now_unix_seconds: u64) -> Result<Genuine, PassError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(PassError::NotGenuine);
        }
        let genuine = match self.genuine.get(token) {
            Some(genuine) => genuine,
            None => self.check(token)?,
        };
        if genuine.claims.exp <= now_unix_seconds {
            return Err(PassError::Expired);
        }
        Ok(genuine)
    }

    fn check(&self, token: &str) -> Result<Genuine, PassError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| PassError::NotGenuine)?;
        let kid = header.kid.ok_or(PassError::NotGenuine)?;
        let claims = {
            let keys = self
                .keys
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let key = keys.get(&kid).ok_or(PassError::UnknownKey)?;
            jsonwebtoken::decode::<PassClaims>(token, key, &self.validation)
                .map_err(|_| PassError::NotGenuine)?
        };
        let genuine = Genuine {
            claims: Arc::new(claims.claims),
            header: HeaderValue::from_str(token).map_err(|_| PassError::NotGenuine)?,
        };
        self.genuine.insert(token.into(), genuine.clone());
        Ok(genuine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PassKey, PassKeys};
    use base64::Engine;
    use proptest::prelude::*;

    fn ring(kids: &[&str]) -> PassKeys {
        let keys = kids
            .iter()
            .map(|kid| PassKey::derive(kid, kid.as_bytes()).unwrap());
        PassKeys::new(keys.collect()).unwrap()
    }

    fn claims(exp: u64) -> PassClaims {
        PassClaims {
            iss: PASS_ISSUER.to_owned(),
            aud: PASS_AUDIENCE.to_owned(),
            room: "demo".to_owned(),
            epoch: 1,
            sid: "0123456789abcdef01234567".to_owned(),
            sst: 1_000,
            iat: 1,
            exp,
        }
    }

    #[test]
    fn a_pass_is_valid_until_it_expires() {
        let keys = ring(&["1"]);
        let verifier = Verifier::new(&keys.jwks());
        let token = keys.sign(&claims(100)).unwrap();
        for _first_checked_then_remembered in 0..2 {
            assert_eq!(*verifier.verify(&token, 99).unwrap(), claims(100));
            assert_eq!(verifier.recognise(&token, 99).unwrap().header, token);
            assert_eq!(verifier.verify(&token, 100), Err(PassError::Expired));
        }
    }

    #[test]
    fn a_pass_outlives_the_change_of_the_signing_key_but_not_its_removal() {
        let old = ring(&["1"]);
        let token = old.sign(&claims(100)).unwrap();
        let verifier = Verifier::new(&old.jwks());
        assert!(verifier.verify(&token, 1).is_ok());
        verifier.replace_keys(&ring(&["2", "1"]).jwks());
        assert!(verifier.verify(&token, 1).is_ok());
        verifier.replace_keys(&ring(&["2"]).jwks());
        assert_eq!(verifier.verify(&token, 1), Err(PassError::UnknownKey));
    }

    #[test]
    fn another_key_under_the_same_name_is_noticed() {
        let forged = PassKeys::new(vec![PassKey::derive("1", b"somebody else's secret").unwrap()]).unwrap();
        let token = forged.sign(&claims(100)).unwrap();
        assert_eq!(
            Verifier::new(&ring(&["1"]).jwks()).verify(&token, 1),
            Err(PassError::NotGenuine)
        );
    }

    #[test]
    fn a_token_of_another_algorithm_issuer_or_audience_is_refused() {
        let keys = ring(&["1"]);
        let verifier = Verifier::new(&keys.jwks());
        let mut others = [claims(100), claims(100)];
        others[0].iss = "somebody".to_owned();
        others[1].aud = "nobody".to_owned();
        for other in others {
            assert_eq!(
                verifier.verify(&keys.sign(&other).unwrap(), 1),
                Err(PassError::NotGenuine)
            );
        }
        let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let body = serde_json_of(&claims(100));
        for algorithm in ["none", "HS256", "RS256"] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"1","typ":"JWT"}}"#);
            let token = format!("{}.{}.{}", b64(&header), b64(&body), b64("signature"));
            assert_eq!(
                verifier.verify(&token, 1),
                Err(PassError::NotGenuine),
                "{algorithm}"
            );
        }
    }

    fn serde_json_of(claims: &PassClaims) -> String {
        serde_json::to_string(claims).unwrap()
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_panics(token in ".{0,200}") {
            let verifier = Verifier::new(&ring(&["1"]).jwks());
            prop_assert!(verifier.verify(&token, 1).is_err());
        }

        #[test]
        fn a_changed_character_is_noticed(at in 0usize..400, with in "[A-Za-z0-9_-]") {
            let keys = ring(&["1"]);
            let token = keys.sign(&claims(100)).unwrap();
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &with);
            // The last character of a part carries padding bits that decoders may ignore or refuse.
            let is_last = changed[at + 1..].starts_with('.') || at + 1 == token.len();
            prop_assume!(changed != token && !is_last);
            prop_assert!(Verifier::new(&keys.jwks()).verify(&changed, 1).is_err());
        }
    }
}
