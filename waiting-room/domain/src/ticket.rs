//! The ticket: a signed place in line.
//!
//! A fixed binary layout with its HMAC-SHA256, in base64url: 96 characters that only the edges read. Everything
//! that a waiting shopper's poll needs is in it, so that nobody who waits is stored anywhere.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | key id |
//! | 2 | flags, 0 |
//! | 3 | lane |
//! | 4..8 | room: the first four bytes of SHA-256 of its id |
//! | 8..12 | epoch, big endian |
//! | 12..20 | number, big endian |
//! | 20..28 | issued at, Unix milliseconds, big endian |
//! | 28..40 | ticket id, random |
//! | 40..72 | HMAC-SHA256 of bytes 0..40 |

use crate::{
    Epoch, LaneId, Moment, SealKeys,
    seal::{array, chars},
};
use contract::RoomId;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const BODY: usize = 40;
/// The length of every ticket.
pub const TICKET_CHARS: usize = chars(BODY);

/// Twelve random bytes that tell tickets apart even across lives of a store.
pub type TicketId = [u8; 12];

/// Four bytes that stand for a room in its tickets. The config refuses two rooms with one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomTag([u8; 4]);

impl RoomTag {
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl From<&RoomId> for RoomTag {
    fn from(room: &RoomId) -> Self {
        let digest = Sha256::digest(room.as_str().as_bytes());
        Self([digest[0], digest[1], digest[2], digest[3]])
    }
}

/// A place in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Which room.
    pub room: RoomTag,
    /// Which line of that room.
    pub epoch: Epoch,
    /// Which lane of that line.
    pub lane: LaneId,
    /// The number dealt: nobody else in this lane has it.
    pub number: u64,
    /// When.
    pub issued_at: Moment,
    /// Random.
    pub id: TicketId,
}

/// Why a text is not a ticket. The visitor is told no more than that it is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not 96 characters of base64url, or a layout of another version.
    #[error("the ticket is malformed")]
    Malformed,
    /// Its key is not on the ring.
    #[error("the ticket is signed by an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the ticket is forged")]
    Forged,
}

/// The keys of tickets.
#[derive(Debug, Clone)]
pub struct TicketKeys(SealKeys);

impl TicketKeys {
    /// Tickets are signed with these.
    pub fn new(keys: SealKeys) -> Self {
        Self(keys)
    }

    /// The ticket as the shopper carries it.
    pub fn seal(&self, ticket: &Ticket) -> String {
        let mut bytes = [0u8; BODY];
        bytes[0] = VERSION;
        bytes[3] = ticket.lane.0;
        bytes[4..8].copy_from_slice(&ticket.room.0);
        bytes[8..12].copy_from_slice(&ticket.epoch.0.to_be_bytes());
        bytes[12..20].copy_from_slice(&ticket.number.to_be_bytes());
        bytes[20..28].copy_from_slice(&ticket.issued_at.unix_ms().to_be_bytes());
        bytes[28..40].copy_from_slice(&ticket.id);
        self.0.seal(bytes)
    }

    /// The ticket that `text` is, if one of our keys signed it.
    ///
    /// # Errors
    /// [`TicketError`], for anything else. Never panics, whatever it is given.
    pub fn open(&self, text: &[u8]) -> Result<Ticket, TicketError> {
        let body: [u8; BODY] = self.0.open(VERSION, text)?;
        // Flags have no meaning in this version: a ticket that uses them is not for us.
        if body[2] != 0 {
            return Err(TicketError::Malformed);
        }
        Ok(Ticket {
            room: RoomTag(array(&body[4..8])),
            lane: LaneId(body[3]),
            epoch: Epoch(u32::from_be_bytes(array(&body[8..12]))),
            number: u64::from_be_bytes(array(&body[12..20])),
            issued_at: Moment::from_unix_ms(u64::from_be_bytes(array(&body[20..28]))),
            id: array(&body[28..40]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SealKey;
    use proptest::prelude::*;

    fn keys() -> TicketKeys {
        ring(SealKey::new(1, &[7; 32]), Vec::new())
    }

    fn ring(signing: SealKey, retired: Vec<SealKey>) -> TicketKeys {
        TicketKeys::new(SealKeys::new(signing, retired))
    }

    fn ticket(number: u64) -> Ticket {
        Ticket {
            room: RoomTag::from(&"demo".parse().unwrap()),
            lane: LaneId(0),
            epoch: Epoch(1),
            number,
            issued_at: Moment::from_unix_ms(1_800_000_000_000),
            id: [9; 12],
        }
    }

    /// Frozen: a change of these breaks every ticket in every shopper's browser.
    #[test]
    fn tickets_are_encoded_as_ever() {
        for line in include_str!("../test-vectors/tickets.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [
                key_id,
                secret_byte,
                room,
                epoch,
                lane,
                number,
                issued_at,
                id_byte,
                sealed,
            ] = fields[..]
            else {
                panic!("nine fields a line: {line}")
            };
            let secret = [secret_byte.parse().unwrap(); 32];
            let keys = ring(SealKey::new(key_id.parse().unwrap(), &secret), Vec::new());
            let ticket = Ticket {
                room: RoomTag::from(&room.parse().unwrap()),
                epoch: Epoch(epoch.parse().unwrap()),
                lane: LaneId(lane.parse().unwrap()),
                number: number.parse().unwrap(),
                issued_at: Moment::from_unix_ms(issued_at.parse().unwrap()),
                id: [id_byte.parse().unwrap(); 12],
            };
            assert_eq!(keys.seal(&ticket), sealed);
            assert_eq!(keys.open(sealed.as_bytes()), Ok(ticket));
        }
    }

    #[test]
    fn a_retired_key_still_opens_what_it_sealed_and_a_removed_one_does_not() {
        let old = keys().seal(&ticket(5));
        let next = SealKey::new(2, &[8; 32]);
        let both = ring(next.clone(), vec![SealKey::new(1, &[7; 32])]);
        assert_eq!(both.open(old.as_bytes()), Ok(ticket(5)));
        assert_eq!(
            ring(next, Vec::new()).open(old.as_bytes()),
            Err(TicketError::UnknownKey)
        );
    }

    #[test]
    fn the_same_key_id_with_another_secret_is_a_forgery() {
        let forger = ring(SealKey::new(1, &[8; 32]), Vec::new());
        assert_eq!(
            keys().open(forger.seal(&ticket(0)).as_bytes()),
            Err(TicketError::Forged)
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(lane: u8, number: u64, epoch: u32, issued_at: u64, id: TicketId) {
            let ticket = Ticket {
                lane: LaneId(lane),
                number,
                epoch: Epoch(epoch),
                issued_at: Moment::from_unix_ms(issued_at),
                id,
                ..ticket(0)
            };
            prop_assert_eq!(keys().open(keys().seal(&ticket).as_bytes()), Ok(ticket));
        }

        #[test]
        fn garbage_is_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(keys().open(&text).is_err());
        }

        #[test]
        fn garbage_of_the_right_shape_is_refused(text in "[A-Za-z0-9_-]{96}") {
            prop_assert!(keys().open(text.as_bytes()).is_err());
        }

        #[test]
        fn one_changed_character_is_noticed(number: u64, at in 0..TICKET_CHARS, with in "[A-Za-z0-9_-]") {
            let sealed = keys().seal(&ticket(number));
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != sealed);
            prop_assert!(keys().open(changed.as_bytes()).is_err());
        }
    }
}
