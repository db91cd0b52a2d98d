//! What is sealed, and how it is found.

use super::MemberError;
use crate::settings::PersonalKeys;
use catalog_domain::member::{Email, Phone};
use sealing::{BlindIndex, KeyRing, Place};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use uuid::Uuid;

/// A table with sealed columns. Its rows are named by a UUID in `id`.
#[derive(Debug, Clone, Copy)]
pub struct SealedTable {
    /// The table.
    pub name: &'static str,
    /// Its sealed columns, each of which may be null.
    pub columns: &'static [&'static str],
}

/// Every sealed column of the database: what `catalog-api reseal` goes through.
pub const SEALED: &[SealedTable] = &[
    SealedTable {
        name: "members",
        columns: &["email", "name", "phone"],
    },
    SealedTable {
        name: "member_codes",
        columns: &["details"],
    },
    SealedTable {
        name: "addresses",
        columns: &["details"],
    },
    SealedTable {
        name: "order_addresses",
        columns: &["details"],
    },
    SealedTable {
        name: "mails",
        columns: &["recipient", "parameters"],
    },
];

/// Seals, opens and finds what belongs to people.
#[derive(Debug, Clone)]
pub struct Sealer {
    /// What seals.
    pub keys: Arc<KeyRing>,
    /// What finds.
    pub index: BlindIndex,
}

impl Sealer {
    /// Seals a text for its place.
    pub fn seal(&self, table: &'static str, row: Uuid, column: &'static str, text: &str) -> Vec<u8> {
        self.keys.seal(
            Place { table, row, column },
            text.as_bytes(),
            clock::random_bytes(),
        )
    }

    /// Opens a text.
    ///
    /// # Errors
    /// When it does not open there.
    pub fn open(
        &self,
        table: &'static str,
        row: Uuid,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<String, MemberError> {
        Ok(self.keys.open_text(Place { table, row, column }, sealed)?)
    }

    /// Seals a value as JSON.
    pub fn seal_json(
        &self,
        table: &'static str,
        row: Uuid,
        column: &'static str,
        value: &impl Serialize,
    ) -> Vec<u8> {
        // Values of ours: texts in a struct, which are always JSON.
        self.seal(
            table,
            row,
            column,
            &serde_json::to_string(value).unwrap_or_default(),
        )
    }

    /// Opens such a value.
    ///
    /// # Errors
    /// When it does not open there, or is something else.
    pub fn open_json<T: DeserializeOwned>(
        &self,
        table: &'static str,
        row: Uuid,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<T, MemberError> {
        let text = self.open(table, row, column, sealed)?;
        serde_json::from_str(&text).map_err(|_| MemberError::Unreadable)
    }

    /// Where an address stands in the index.
    pub fn email_index(&self, email: &Email) -> [u8; 32] {
        self.index.of("email", email.as_str().as_bytes())
    }

    /// Where a number stands in the index.
    pub fn phone_index(&self, phone: &Phone) -> [u8; 32] {
        self.index.of("phone", phone.as_str().as_bytes())
    }
}

impl From<PersonalKeys> for Sealer {
    fn from(keys: PersonalKeys) -> Self {
        Self {
            keys: keys.personal,
            index: keys.index,
        }
    }
}

/// A name that nobody can guess.
pub fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(clock::random_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use testbed::Database;

    /// Bytes that are not sealed: hashes, what tokens are computed from, and what is public of draws.
    const NOT_SEALED: [(&str, &str); 11] = [
        ("members", "email_index"),
        ("members", "phone_index"),
        ("member_codes", "code"),
        ("sign_ins", "seed"),
        ("tallies", "key"),
        ("draws", "commitment"),
        ("draws", "seed"),
        ("draws", "log_head"),
        ("draws", "frozen_head"),
        ("draw_entries", "entry_id"),
        ("_sqlx_migrations", "checksum"),
    ];

    #[tokio::test]
    async fn every_column_of_bytes_is_listed_as_sealed_or_not() {
        let database = Database::fresh().await;
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT table_name::text, column_name::text
             FROM information_schema.columns
             WHERE table_schema = 'public' AND data_type = 'bytea'",
        )
        .fetch_all(&database.pool().await)
        .await
        .unwrap();
        let sealed = SEALED
            .iter()
            .flat_map(|table| table.columns.iter().map(|column| (table.name, *column)));
        let listed = sealed
            .chain(NOT_SEALED)
            .map(|(table, column)| (table.to_owned(), column.to_owned()));
        assert_eq!(columns.into_iter().collect::<BTreeSet<_>>(), listed.collect());
    }
}
