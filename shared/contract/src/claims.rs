//! What a pass says. The edge signs it, catalog-api (or any origin, in any language) verifies it by JWKS.

use serde::{Deserialize, Serialize};

/// `iss` of every pass.
pub const PASS_ISSUER: &str = "waiting-room";
/// `aud` of every pass: the origins behind the gate.
pub const PASS_AUDIENCE: &str = "origin";

/// The claims of a pass: an EdDSA JWT that says *this session was let into this room until `exp`*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassClaims {
    /// Always [`PASS_ISSUER`].
    pub iss: String,
    /// Always [`PASS_AUDIENCE`].
    pub aud: String,
    /// The room whose gate was passed.
    pub room: String,
    /// Which line of that room (each scheduled drop has its own).
    pub epoch: u32,
    /// The session that occupies one of the room's places, 24 hexadecimal characters.
    pub sid: String,
    /// When the session began, Unix milliseconds; a renewed pass keeps it.
    pub sst: u64,
    /// When this pass was signed, Unix seconds.
    pub iat: u64,
    /// When it ends, Unix seconds.
    pub exp: u64,
}
