//! The address book.

use super::{MemberError, Members, PgTransaction, Sealer};
use catalog_domain::member::Address;
use contract::MemberId;
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

/// Addresses of one member.
const ADDRESSES_MAX: i64 = 20;
const TABLE: &str = "addresses";

/// An address in the book.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct StoredAddress {
    /// Its name.
    pub id: Uuid,
    /// Whether it is taken when none is named. Of a book that is not empty exactly one is.
    pub is_default: bool,
    /// Where it is.
    #[serde(flatten)]
    pub address: Address,
}

#[derive(FromRow)]
pub(super) struct Row {
    id: Uuid,
    is_default: bool,
    details: Vec<u8>,
}

impl Members {
    /// The member's addresses, the default first, then the oldest first.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn addresses(&self, member: MemberId) -> Result<Vec<StoredAddress>, MemberError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, is_default, details
             FROM addresses
             WHERE member_id = $1
             ORDER BY is_default DESC, created_at, id",
        )
        .bind(member.as_uuid())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| opened(&self.sealer, row)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound` when it is not the member's.
    pub async fn address(&self, member: MemberId, id: Uuid) -> Result<StoredAddress, MemberError> {
        let row: Option<Row> =
            sqlx::query_as("SELECT id, is_default, details FROM addresses WHERE id = $1 AND member_id = $2")
                .bind(id)
                .bind(member.as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        opened(&self.sealer, row.ok_or(MemberError::NotFound)?)
    }

    /// Adds an address. The first one is the default.
    ///
    /// # Errors
    /// `TooMany` when the book is full, `NotFound` when the account is gone.
    pub async fn add_address(
        &self,
        member: MemberId,
        address: &Address,
        is_default: bool,
    ) -> Result<StoredAddress, MemberError> {
        let id = uuid::Builder::from_unix_timestamp_millis(self.clock.unix_ms(), &clock::random_bytes())
            .into_uuid();
        let mut transaction = self.pool.begin().await?;
        let count = lock_book(&mut transaction, member).await?;
        if count >= ADDRESSES_MAX {
            return Err(MemberError::TooMany);
        }
        let is_default = is_default || count == 0;
        if is_default {
            no_default(&mut transaction, member).await?;
        }
        sqlx::query("INSERT INTO addresses (id, member_id, details, is_default) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(member.as_uuid())
            .bind(self.sealer.seal_json(TABLE, id, "details", address))
            .bind(is_default)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(StoredAddress {
            id,
            is_default,
            address: address.clone(),
        })
    }

    /// Replaces an address. It can be made the default that way; the default is given up by making another one it.
    ///
    /// # Errors
    /// `NotFound` when it is not the member's.
    pub async fn replace_address(
        &self,
        member: MemberId,
        id: Uuid,
        address: &Address,
        is_default: bool,
    ) -> Result<StoredAddress, MemberError> {
        let mut transaction = self.pool.begin().await?;
        lock_book(&mut transaction, member).await?;
        if is_default {
            no_default(&mut transaction, member).await?;
        }
        let is_default: Option<bool> = sqlx::query_scalar(
            "UPDATE addresses
             SET details = $3, is_default = is_default OR $4, updated_at = now()
             WHERE id = $1 AND member_id = $2
             RETURNING is_default",
        )
        .bind(id)
        .bind(member.as_uuid())
        .bind(self.sealer.seal_json(TABLE, id, "details", address))
        .bind(is_default)
        .fetch_optional(&mut *transaction)
        .await?;
        let is_default = is_default.ok_or(MemberError::NotFound)?;
        transaction.commit().await?;
        Ok(StoredAddress {
            id,
            is_default,
            address: address.clone(),
        })
    }

    /// Removes an address. If it was the default, the oldest that is left becomes it.
    ///
    /// # Errors
    /// `NotFound` when it is not the member's.
    pub async fn remove_address(&self, member: MemberId, id: Uuid) -> Result<(), MemberError> {
        let mut transaction = self.pool.begin().await?;
        lock_book(&mut transaction, member).await?;
        let was_default: Option<bool> =
            sqlx::query_scalar("DELETE FROM addresses WHERE id = $1 AND member_id = $2 RETURNING is_default")
                .bind(id)
                .bind(member.as_uuid())
                .fetch_optional(&mut *transaction)
                .await?;
        if was_default.ok_or(MemberError::NotFound)? {
            sqlx::query(
                "UPDATE addresses
                 SET is_default = true
                 WHERE id = (SELECT id FROM addresses WHERE member_id = $1 ORDER BY created_at, id LIMIT 1)",
            )
            .bind(member.as_uuid())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

pub(super) fn opened(sealer: &Sealer, row: Row) -> Result<StoredAddress, MemberError> {
    let address = sealer.open_json(TABLE, row.id, "details", &row.details)?;
    Ok(StoredAddress {
        id: row.id,
        is_default: row.is_default,
        address,
    })
}

/// Changes of one book come one after the other, and none after the account was erased. Answers how many addresses are in
/// it.
async fn lock_book(transaction: &mut PgTransaction, member: MemberId) -> Result<i64, MemberError> {
    let is_there = sqlx::query("SELECT FROM members WHERE id = $1 AND erased_at IS NULL FOR UPDATE")
        .bind(member.as_uuid())
        .fetch_optional(&mut **transaction)
        .await?;
    is_there.ok_or(MemberError::NotFound)?;
    let count = sqlx::query_scalar("SELECT count(*) FROM addresses WHERE member_id = $1");
    Ok(count.bind(member.as_uuid()).fetch_one(&mut **transaction).await?)
}

async fn no_default(transaction: &mut PgTransaction, member: MemberId) -> Result<(), MemberError> {
    sqlx::query("UPDATE addresses SET is_default = false WHERE member_id = $1 AND is_default")
        .bind(member.as_uuid())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
