//! Sealing and opening.

use crate::keys::{KEY_BYTES, KeyTextError, parse_ring};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::fmt;
use uuid::Uuid;

/// Bytes of the random number that each sealing needs. A key may seal 2³² values before two of them are likely to meet
/// (NIST SP 800-38D, section 8.3): a shop with more rows changes its key.
pub const NONCE_BYTES: usize = 12;
/// The layout of what is sealed: this byte, the key's number, the nonce, the ciphertext with its tag.
const LAYOUT: u8 = 1;
const HEAD_BYTES: usize = 2 + NONCE_BYTES;

/// Where a sealed value stands. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's key.
    pub row: Uuid,
    /// The column.
    pub column: &'a str,
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or of a layout that is not known.
    #[error("the sealed value is damaged")]
    Damaged,
    /// The key that sealed it is not in the ring.
    #[error("no key of the ring has the number {0}")]
    UnknownKey(u8),
    /// It was changed, or sealed for another place, or with another key of that number.
    #[error("the sealed value does not belong here")]
    NotGenuine,
}

/// Keys with their numbers: the first seals, any opens.
pub struct KeyRing {
    keys: Vec<(u8, LessSafeKey)>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(numbers).finish()
    }
}

// === impl Place ===

impl Place<'_> {
    /// Unambiguous bytes: each part behind its length.
    fn associated_data(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        for part in [self.table.as_bytes(), self.row.as_bytes(), self.column.as_bytes()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

// === impl KeyRing ===

impl KeyRing {
    /// Reads a ring: one key a line, its number (1 to 255) and 32 bytes in base64, the one that seals first.
    ///
    /// # Errors
    /// What is wrong with the text, without showing it.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let keys = parse_ring(text)?
            .into_iter()
            .map(|(id, key)| Ok((id, key_of(&key)?)));
        Ok(Self {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }

    /// The number of the key that seals.
    pub fn first(&self) -> u8 {
        self.keys[0].0
    }

    /// Seals `plain` for its place. `nonce` must be drawn at random for each call.
    pub fn seal(&self, place: Place<'_>, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let (id, key) = &self.keys[0];
        let mut sealed = Vec::with_capacity(HEAD_BYTES + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&[LAYOUT, *id]);
        sealed.extend_from_slice(&nonce);
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(place.associated_data()), &mut text);
        sealed.append(&mut text);
        // The library refuses only what is longer than 64 GiB.
        sealed.extend(tag.iter().flat_map(|tag| tag.as_ref()));
        sealed
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let id = Self::key_of(sealed).ok_or(OpenError::Damaged)?;
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(OpenError::UnknownKey(id))?;
        let (head, body) = sealed.split_at(HEAD_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(&head[2..]).map_err(|_| OpenError::Damaged)?;
        let mut body = body.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(place.associated_data()), &mut body)
            .map_err(|_| OpenError::NotGenuine)?;
        Ok(plain.to_vec())
    }

    /// The same for text.
    ///
    /// # Errors
    /// [`OpenError`]; `Damaged` too when it is not text.
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, OpenError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| OpenError::Damaged)
    }

    /// The number of the key that sealed this, if it looks like something sealed.
    pub fn key_of(sealed: &[u8]) -> Option<u8> {
        let long_enough = sealed.len() >= HEAD_BYTES + AES_256_GCM.tag_len();
        (long_enough && sealed[0] == LAYOUT).then(|| sealed[1])
    }
}

fn key_of(bytes: &[u8; KEY_BYTES]) -> Result<LessSafeKey, KeyTextError> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| KeyTextError::Key)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    fn ring(keys: &[(u8, u8)]) -> KeyRing {
        let line = |(id, fill): &(u8, u8)| format!("{id} {}\n", STANDARD.encode([*fill; KEY_BYTES]));
        KeyRing::parse(&keys.iter().map(line).collect::<String>()).unwrap()
    }

    fn place(row: u128) -> Place<'static> {
        Place {
            table: "members",
            row: Uuid::from_u128(row),
            column: "email",
        }
    }

    /// Made with Python's `cryptography`, so that two implementations agree on the layout (test-vectors/make.py).
    #[test]
    fn another_implementation_reads_it() {
        let sealed = ring(&[(7, 0x42)]).seal(place(1), "ann@shop.example".as_bytes(), [9; NONCE_BYTES]);
        assert_eq!(
            STANDARD.encode(sealed),
            include_str!("../test-vectors/sealed.txt").trim()
        );
    }

    #[test]
    fn a_value_opens_in_its_place_and_nowhere_else() {
        let keys = ring(&[(1, 1)]);
        let sealed = keys.seal(place(1), b"ann", [0; NONCE_BYTES]);
        assert_eq!(keys.open(place(1), &sealed).unwrap(), b"ann");
        let elsewhere = [
            place(2),
            Place {
                table: "addresses",
                ..place(1)
            },
            Place {
                column: "name",
                ..place(1)
            },
            Place {
                table: "member",
                column: "semail",
                ..place(1)
            },
        ];
        for place in elsewhere {
            assert_eq!(keys.open(place, &sealed), Err(OpenError::NotGenuine), "{place:?}");
        }
    }

    #[test]
    fn the_first_key_seals_and_any_opens() {
        let (old, new) = (ring(&[(1, 1)]), ring(&[(2, 2), (1, 1)]));
        let before = old.seal(place(1), b"ann", [0; NONCE_BYTES]);
        assert_eq!(new.open(place(1), &before).unwrap(), b"ann");
        let after = new.seal(place(1), b"ann", [0; NONCE_BYTES]);
        assert_eq!((KeyRing::key_of(&after), new.first()), (Some(2), 2));
        assert_eq!(old.open(place(1), &after), Err(OpenError::UnknownKey(2)));
        let other = ring(&[(2, 3)]);
        assert_eq!(other.open(place(1), &after), Err(OpenError::NotGenuine));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain: Vec<u8>, nonce: [u8; NONCE_BYTES], row: u128) {
            let keys = ring(&[(1, 1)]);
            prop_assert_eq!(keys.open(place(row), &keys.seal(place(row), &plain, nonce)).unwrap(), plain);
        }

        #[test]
        fn a_changed_bit_is_noticed(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let keys = ring(&[(1, 1)]);
            let mut sealed = keys.seal(place(1), &plain, [3; NONCE_BYTES]);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(keys.open(place(1), &sealed).is_err());
        }

        #[test]
        fn garbage_never_opens(sealed: Vec<u8>) {
            prop_assert!(ring(&[(1, 1)]).open(place(1), &sealed).is_err());
        }
    }
}
