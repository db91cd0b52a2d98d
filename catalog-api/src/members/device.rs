//! Devices that have signed in to an account before.
//!
//! A device is given a token that names the member, under a keyed hash. It opens nothing: it only says that wrong
//! passwords from this device are the owner's own, so that guesses from elsewhere do not make the owner wait.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::MemberId;
use sealing::BlindIndex;

const FIELD: &str = "known-device";
const DEVICE_BYTES: usize = 16;

/// A device's token: its own random name, and the proof that it belongs to the member.
pub fn device_token(key: &BlindIndex, member: MemberId, device: [u8; DEVICE_BYTES]) -> String {
    let proof = key.of(FIELD, &proven(member, &device));
    URL_SAFE_NO_PAD.encode([&device[..], &proof].concat())
}

/// The device's name, if the token is one for this member.
pub fn known_device(key: &BlindIndex, member: MemberId, token: &str) -> Option<[u8; DEVICE_BYTES]> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (device, proof) = bytes.split_first_chunk::<DEVICE_BYTES>()?;
    key.matches(FIELD, &proven(member, device), proof)
        .then_some(*device)
}

fn proven(member: MemberId, device: &[u8; DEVICE_BYTES]) -> Vec<u8> {
    [member.as_uuid().as_bytes(), &device[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_to_its_member_alone() {
        let key = BlindIndex::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let (ann, bob) = (MemberId::new(1, [1; 10]), MemberId::new(1, [2; 10]));
        let token = device_token(&key, ann, [9; 16]);
        assert_eq!(known_device(&key, ann, &token), Some([9; 16]));
        assert_eq!(known_device(&key, bob, &token), None);
        assert_eq!(known_device(&key, ann, "x"), None);
    }
}
