//! Personal data at rest.
//!
//! A column that holds what belongs to a person is sealed by [`KeyRing`]: AES-256-GCM, with the table, the row and the
//! column as associated data, so that a value which was moved elsewhere does not open. The first key of the ring seals,
//! any of them opens; the number of the key stands in front of what it sealed. What must be found again is also kept as
//! a [`BlindIndex`]: a keyed hash that tells only who has the key whether two values are the same.
//!
//! Nothing here does I/O or draws a random number.

mod blind_index;
mod key_ring;
mod keys;

pub use blind_index::BlindIndex;
pub use key_ring::{KeyRing, NONCE_BYTES, OpenError, Place};
pub use keys::{KEY_BYTES, KeyTextError, parse_ring};
