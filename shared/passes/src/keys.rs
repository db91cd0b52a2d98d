//! The keys that sign passes, and their published halves.

use crate::{JwkSet, provider};
use contract::PassClaims;
use hkdf::Hkdf;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse,
    },
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;
use sha2::Sha256;

/// Why a pass could not be signed or a key not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key at all.
    #[error("the key ring is empty")]
    NoKey,
    /// The library refused.
    #[error("sign a pass")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// Not a key.
    #[error("derive the pass key {0}")]
    Derive(String),
}

/// One key pair, named by its `kid`.
pub struct PassKey {
    kid: String,
    signing: EncodingKey,
    public: Vec<u8>,
}

impl std::fmt::Debug for PassKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl PassKey {
    /// The pair that belongs to a master secret: derived by HKDF-SHA256, so that every edge with the same key
    /// ring signs with the same key and nothing needs to be stored.
    pub fn derive(kid: &str, master: &[u8]) -> Result<Self, KeyError> {
        Self::derive_for(b"waiting-room/pass/ed25519", kid, master)
    }

    /// The same for another purpose: keys of different purposes have nothing in common.
    pub(crate) fn derive_for(purpose: &[u8], kid: &str, master: &[u8]) -> Result<Self, KeyError> {
        let mut seed = [0u8; 32];
        let derived = Hkdf::<Sha256>::new(None, master).expand(purpose, &mut seed);
        derived.map_err(|_| KeyError::Derive(kid.to_owned()))?;
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Derive(kid.to_owned()))?;
        Ok(Self {
            kid: kid.to_owned(),
            signing: EncodingKey::from_ed_der(&seed),
            public: pair.public_key().as_ref().to_vec(),
        })
    }

    fn jwk(&self) -> Jwk {
        use base64::Engine;
        Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                key_id: Some(self.kid.clone()),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&self.public),
            }),
        }
    }
}

/// A key ring: the first key signs, all of them are published, so that a key can be changed without logging
/// anybody out.
#[derive(Debug)]
pub struct PassKeys {
    keys: Vec<PassKey>,
}

impl PassKeys {
    /// The ring of these keys, the signing one first.
    pub fn new(keys: Vec<PassKey>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        provider::install();
        Ok(Self { keys })
    }

    /// Signs a pass.
    pub fn sign(&self, claims: &PassClaims) -> Result<String, KeyError> {
        self.sign_as("JWT", claims)
    }

    /// Signs claims of any kind, which `typ` names.
    pub(crate) fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let key = self.keys.first().ok_or(KeyError::NoKey)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &key.signing)?)
    }

    /// The public halves, as published at `/.well-known/jwks.json`.
    pub fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.keys.iter().map(PassKey::jwk).collect(),
        }
    }
}
