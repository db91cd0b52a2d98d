//! What one service seals and another keeps without being able to read it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an order goes, sealed for that order: bytes, in JSON as base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealedAddress(Vec<u8>);

impl SealedAddress {
    /// These bytes, which were sealed.
    pub fn new(sealed: Vec<u8>) -> Self {
        Self(sealed)
    }

    /// As stored in rows.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for SealedAddress {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        STANDARD.decode(text).map(Self)
    }
}

impl From<SealedAddress> for String {
    fn from(sealed: SealedAddress) -> Self {
        STANDARD.encode(sealed.0)
    }
}

/// Not the bytes: they would fill a log and say nothing.
impl fmt::Debug for SealedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedAddress of {} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_as_base64() {
        let sealed = SealedAddress::new(vec![0, 255, 7]);
        let json = serde_json::to_string(&sealed).unwrap();
        assert_eq!(json, "\"AP8H\"");
        assert_eq!(serde_json::from_str::<SealedAddress>(&json).unwrap(), sealed);
        assert!(serde_json::from_str::<SealedAddress>("\"?\"").is_err());
    }
}
