//! The pass: an EdDSA JWT that says a shopper was let into a room.
//!
//! The edge signs it with a key derived from its key ring and publishes the public halves as a JWK set; anybody
//! verifies it. A signature check costs tens of microseconds, so [`Verifier`] checks each token once and then
//! knows it by its bytes, in a cache that is bounded in number and in time.

mod access_keys;
mod issuer;
mod keys;
mod provider;
mod remote;
mod source;
mod verifier;

pub use access_keys::AccessKeys;
pub use issuer::{AccessClaims, AccessError, Issuer};
pub use jsonwebtoken::jwk::JwkSet;
pub use keys::{KeyError, PassKey, PassKeys};
pub use remote::RemoteKeys;
pub use source::{KeySource, KeySourceError};
pub use verifier::{Genuine, PassError, Verifier};
