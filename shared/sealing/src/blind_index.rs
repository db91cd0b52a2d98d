//! Finding what is sealed.

use crate::keys::{KEY_BYTES, KeyTextError, parse_key};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// A keyed hash (HMAC-SHA256) under a key of its own. Whoever reads the table learns that two rows have the same value at
/// most, and cannot try values out.
#[derive(Clone)]
pub struct BlindIndex {
    key: [u8; KEY_BYTES],
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex")
    }
}

impl BlindIndex {
    /// Reads the key: 32 bytes in base64.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        parse_key(text).map(|key| Self { key })
    }

    /// What stands in the index for `value`, which must be in its one normal spelling. The same value in another `field`
    /// stands there as something else.
    pub fn of(&self, field: &str, value: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            unreachable!("a key of 32 bytes")
        };
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field.as_bytes());
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// Whether `expected` is what stands there, in time that does not depend on the guess.
    pub fn matches(&self, field: &str, value: &[u8], expected: &[u8]) -> bool {
        self.of(field, value).ct_eq(expected).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// By `hmac.new(bytes(range(32)), b"\0\0\0\0\0\0\0\5email" + b"ann@shop.example", "sha256")` in Python.
    #[test]
    fn another_implementation_agrees() {
        let index = BlindIndex::parse(KEY).unwrap().of("email", b"ann@shop.example");
        let hexadecimal: String = index.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hexadecimal,
            include_str!("../test-vectors/blind-index.txt").trim()
        );
    }

    proptest! {
        #[test]
        fn only_the_same_value_of_the_same_field_matches(a: Vec<u8>, b: Vec<u8>, field in "[a-z]{1,8}") {
            let index = BlindIndex::parse(KEY).unwrap();
            let of_a = index.of(&field, &a);
            prop_assert!(index.matches(&field, &a, &of_a));
            prop_assert_eq!(index.matches(&field, &b, &of_a), a == b);
            prop_assert!(!index.matches("another-field", &a, &of_a));
        }
    }
}
