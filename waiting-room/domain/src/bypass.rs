//! The bypass token: a signed right to walk past a line, for monitors, partners and one's own people.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | key id |
//! | 2..6 | room: the first four bytes of SHA-256 of its id |
//! | 6..14 | rule: the first eight bytes of SHA-256 of its name |
//! | 14..22 | expires, Unix milliseconds, big endian |
//! | 22..54 | HMAC-SHA256 of bytes 0..22 |

use crate::{Moment, RoomTag, SealKeys, TicketError, seal::array};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const BODY: usize = 22;

/// Eight bytes that stand for a rule's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleTag([u8; 8]);

impl RuleTag {
    /// The tag of the rule with this name.
    pub fn of(name: &str) -> Self {
        Self(array(&Sha256::digest(name.as_bytes())[..8]))
    }
}

/// A right to be let past by one rule of one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BypassToken {
    /// Which room.
    pub room: RoomTag,
    /// Which of its rules.
    pub rule: RuleTag,
    /// From then on it is worth nothing.
    pub expires: Moment,
}

impl BypassToken {
    /// The token as it is sent in a header.
    pub fn seal(&self, keys: &SealKeys) -> String {
        let mut bytes = [0u8; BODY];
        bytes[0] = VERSION;
        bytes[2..6].copy_from_slice(self.room.as_bytes());
        bytes[6..14].copy_from_slice(&self.rule.0);
        bytes[14..22].copy_from_slice(&self.expires.unix_ms().to_be_bytes());
        keys.seal(bytes)
    }

    /// The token that `text` is, if one of our keys signed it.
    ///
    /// # Errors
    /// [`TicketError`], for anything else.
    pub fn open(keys: &SealKeys, text: &[u8]) -> Result<Self, TicketError> {
        let bytes: [u8; BODY] = keys.open(VERSION, text)?;
        Ok(Self {
            room: RoomTag::from_bytes(array(&bytes[2..6])),
            rule: RuleTag(array(&bytes[6..14])),
            expires: Moment::from_unix_ms(u64::from_be_bytes(array(&bytes[14..22]))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SealKey;

    #[test]
    fn a_token_opens_as_what_it_was_made_for() {
        let keys = |secret| SealKeys::new(SealKey::new(3, &[secret; 32]), Vec::new());
        let token = BypassToken {
            room: RoomTag::from(&"demo".parse().unwrap()),
            rule: RuleTag::of("monitor"),
            expires: Moment::from_unix_ms(5),
        };
        let text = token.seal(&keys(1));
        assert_eq!(BypassToken::open(&keys(1), text.as_bytes()), Ok(token));
        assert_eq!(
            BypassToken::open(&keys(2), text.as_bytes()),
            Err(TicketError::Forged)
        );
        assert_eq!(
            BypassToken::open(&keys(1), &text.as_bytes()[1..]),
            Err(TicketError::Malformed)
        );
        assert_ne!(RuleTag::of("monitor"), RuleTag::of("partner"));
    }
}
