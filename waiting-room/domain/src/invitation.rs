//! The invitation: a signed right to one place in a lane.
//!
//! A fixed binary layout with its HMAC-SHA256, in base64url: 80 characters that only the edges read.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | key id |
//! | 2 | lane |
//! | 3 | flags, 0 |
//! | 4..8 | room: the first four bytes of SHA-256 of its id |
//! | 8..16 | expires, Unix milliseconds, big endian |
//! | 16..28 | invitation id, random |
//! | 28..60 | HMAC-SHA256 of bytes 0..28 |

use crate::{Holder, LaneId, Moment, RoomTag, SealKeys, TicketError, seal::array};

const VERSION: u8 = 1;
const BODY: usize = 28;

/// Twelve random bytes that tell invitations apart: each is worth one place.
pub type InvitationId = [u8; 12];

/// A right to one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// Which room.
    pub room: RoomTag,
    /// Which of its lanes.
    pub lane: LaneId,
    /// From then on it is worth nothing.
    pub expires: Moment,
    /// Random.
    pub id: InvitationId,
}

impl Invitation {
    /// The invitation as it is sent to whom it is for.
    pub fn seal(&self, keys: &SealKeys) -> String {
        let mut bytes = [0u8; BODY];
        bytes[0] = VERSION;
        bytes[2] = self.lane.0;
        bytes[4..8].copy_from_slice(self.room.as_bytes());
        bytes[8..16].copy_from_slice(&self.expires.unix_ms().to_be_bytes());
        bytes[16..28].copy_from_slice(&self.id);
        keys.seal(bytes)
    }

    /// The invitation that `text` is, if one of our keys signed it. Room and time are for the caller to compare.
    ///
    /// # Errors
    /// [`TicketError`], for anything else. Never panics, whatever it is given.
    pub fn open(keys: &SealKeys, text: &[u8]) -> Result<Self, TicketError> {
        let bytes: [u8; BODY] = keys.open(VERSION, text)?;
        if bytes[3] != 0 {
            return Err(TicketError::Malformed);
        }
        Ok(Self {
            room: RoomTag::from_bytes(array(&bytes[4..8])),
            lane: LaneId(bytes[2]),
            expires: Moment::from_unix_ms(u64::from_be_bytes(array(&bytes[8..16]))),
            id: array(&bytes[16..28]),
        })
    }

    /// Who has the place that it is worth: the invitation itself. Four fixed bytes stand before its own, so that it is no
    /// account: those are hashes, and hardly ever begin so.
    pub fn holder(&self) -> Holder {
        let mut bytes = *b"inv:\0\0\0\0\0\0\0\0\0\0\0\0";
        bytes[4..].copy_from_slice(&self.id);
        Holder(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SealKey;
    use proptest::prelude::*;

    fn keys() -> SealKeys {
        SealKeys::new(SealKey::new(1, &[7; 32]), Vec::new())
    }

    fn invitation(id: InvitationId) -> Invitation {
        Invitation {
            room: RoomTag::from(&"demo".parse().unwrap()),
            lane: LaneId(2),
            expires: Moment::from_unix_ms(1_800_000_000_000),
            id,
        }
    }

    /// Frozen: a change of these makes every invitation that was sent worthless.
    #[test]
    fn invitations_are_encoded_as_ever() {
        let vectors = include_str!("../test-vectors/invitations.txt");
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [key_id, secret_byte, room, lane, expires, id_byte, sealed] = fields[..] else {
                panic!("seven fields a line: {line}")
            };
            let key = SealKey::new(key_id.parse().unwrap(), &[secret_byte.parse().unwrap(); 32]);
            let keys = SealKeys::new(key, Vec::new());
            let invitation = Invitation {
                room: RoomTag::from(&room.parse().unwrap()),
                lane: LaneId(lane.parse().unwrap()),
                expires: Moment::from_unix_ms(expires.parse().unwrap()),
                id: [id_byte.parse().unwrap(); 12],
            };
            assert_eq!(invitation.seal(&keys), sealed);
            assert_eq!(Invitation::open(&keys, sealed.as_bytes()), Ok(invitation));
        }
    }

    #[test]
    fn a_retired_key_still_opens_what_it_sealed_and_a_removed_one_does_not() {
        let old = invitation([9; 12]).seal(&keys());
        let next = SealKey::new(2, &[8; 32]);
        let both = SealKeys::new(next.clone(), vec![SealKey::new(1, &[7; 32])]);
        let alone = SealKeys::new(next, Vec::new());
        assert_eq!(Invitation::open(&both, old.as_bytes()), Ok(invitation([9; 12])));
        assert_eq!(
            Invitation::open(&alone, old.as_bytes()),
            Err(TicketError::UnknownKey)
        );
    }

    #[test]
    fn an_invitation_is_a_holder_of_its_own() {
        assert_eq!(
            invitation([7; 12]).holder(),
            Holder(*b"inv:\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07")
        );
        assert_ne!(invitation([7; 12]).holder(), invitation([8; 12]).holder());
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(id: InvitationId, lane: u8, expires: u64) {
            let given = Invitation { lane: LaneId(lane), expires: Moment::from_unix_ms(expires), ..invitation(id) };
            prop_assert_eq!(Invitation::open(&keys(), given.seal(&keys()).as_bytes()), Ok(given));
        }

        #[test]
        fn garbage_is_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Invitation::open(&keys(), &text).is_err());
        }

        #[test]
        fn one_changed_character_is_noticed(id: InvitationId, at in 0..80usize, with in "[A-Za-z0-9_-]") {
            let sealed = invitation(id).seal(&keys());
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != sealed);
            prop_assert!(Invitation::open(&keys(), changed.as_bytes()).is_err());
        }
    }
}
