//! Identifiers. Each is its own type, so that a product never stands where an order belongs.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters of a-z, 0-9 and '-', beginning with a letter or digit")]
pub struct IdError {
    what: &'static str,
    max: usize,
}

const SLUG_MAX: usize = 64;

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= SLUG_MAX
        && bytes[0] != b'-'
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(
            feature = "schema",
            derive(utoipa::ToSchema),
            schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")
        )]
        pub struct $name(String);

        impl $name {
            /// The identifier as it stands in addresses, messages and rows.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_slug(text) { Ok(Self(text.to_owned())) } else { Err(IdError { what: $what, max: SLUG_MAX }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

slug!(
    /// A product of the shop, e.g. `demo-sneaker`. Its orders are one sequence.
    ProductId,
    "a product id"
);
slug!(
    /// A draw, e.g. `demo-raffle`.
    DrawId,
    "a draw id"
);
slug!(
    /// A category of products, e.g. `shoes`.
    CategoryId,
    "a category"
);
slug!(
    /// A waiting room, e.g. `demo`.
    RoomId,
    "a room id"
);

/// Somebody who has an account: a UUID of version 7, drawn when the account is made, and told to nobody but its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
pub struct MemberId(Uuid);

impl MemberId {
    /// A new member's, from the time of day and 80 random bits.
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// The member with this UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID as stored in rows.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// When the account was made, Unix milliseconds: the same for ever.
    pub fn since_unix_ms(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0.as_bytes()[..6]);
        u64::from_be_bytes(bytes)
    }
}

impl FromStr for MemberId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who an order belongs to: a member (`member:<id>`), or, of whoever is not signed in, the session of a pass
/// (`session:<id>`). Everything behind the gate compares it as a whole and never looks inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShopperId(String);

impl ShopperId {
    /// The shopper that a pass's session stands for.
    pub fn of_session(session: &str) -> Self {
        Self(format!("session:{session}"))
    }

    /// The shopper that a member is.
    pub fn of_member(member: MemberId) -> Self {
        Self(format!("member:{member}"))
    }

    /// The member, if it is one.
    pub fn member(&self) -> Option<MemberId> {
        self.0.strip_prefix("member:")?.parse().ok()
    }

    /// The identifier as stored in rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier of a row written earlier.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// An order.
///
/// It is *derived* from the shopper and the `Idempotency-Key`, not drawn: whoever repeats a request, on any
/// instance, at any time, names the same order, and the primary key of `orders` makes it one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
pub struct OrderId(Uuid);

impl OrderId {
    /// The order that `key` names for `shopper`.
    ///
    /// The first 48 bits are `since_unix_ms`, the moment the shopper's session began (the same for every request
    /// of the session): identifiers of one drop then lie close together in the index, as those of UUID version 7
    /// do. The rest is SHA-256 of shopper and key. The whole is a UUID version 8 (RFC 9562, section 5.8).
    pub fn derive(shopper: &ShopperId, key: &str, since_unix_ms: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update((shopper.0.len() as u64).to_be_bytes());
        hash.update(shopper.0.as_bytes());
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let mut bytes = [0u8; 16];
        bytes[..6].copy_from_slice(&since_unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The order with this UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID as stored in rows.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_short_lowercase_and_plain() {
        for good in ["a", "demo-sneaker", "0x1", &"a".repeat(64)] {
            assert!(good.parse::<ProductId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<ProductId>("\"No\"").is_err());
    }

    #[test]
    fn a_member_is_named_once_and_remembers_when() {
        let member = MemberId::new(1_800_000_000_123, [7; 10]);
        assert_eq!(member.as_uuid().get_version_num(), 7);
        assert_eq!(member.since_unix_ms(), 1_800_000_000_123);
        assert_eq!(member.to_string().parse(), Ok(member));
        assert_ne!(
            ShopperId::of_member(member),
            ShopperId::of_session(&member.to_string()),
            "a session cannot pose as a member"
        );
    }

    #[test]
    fn the_same_shopper_and_key_name_the_same_order_and_nothing_else_does() {
        let (ann, bob) = (ShopperId::of_session("ann"), ShopperId::of_session("bob"));
        let order = OrderId::derive(&ann, "k1", 1_000);
        assert_eq!(order, OrderId::derive(&ann, "k1", 1_000));
        assert_ne!(order, OrderId::derive(&ann, "k2", 1_000));
        assert_ne!(order, OrderId::derive(&bob, "k1", 1_000));
        assert_ne!(
            OrderId::derive(&ShopperId::of_session("a"), "bk", 0),
            OrderId::derive(&ShopperId::of_session("ab"), "k", 0),
            "shopper and key do not run into each other"
        );
        assert_eq!(order.as_uuid().get_version_num(), 8);
        assert!(
            order < OrderId::derive(&ann, "k1", 2_000),
            "identifiers grow with the session's start"
        );
    }
}
