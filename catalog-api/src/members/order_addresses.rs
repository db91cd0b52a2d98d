//! Where orders go: a member's address as it was when the order was placed, sealed for that order.

use super::{MemberError, Sealer, StoredAddress, addresses};
use catalog_domain::{limits::LOOK_UP_TIMEOUT, member::Address};
use contract::{MemberId, OrderId, SealedAddress};
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

const TABLE: &str = "order_addresses";
const COLUMN: &str = "details";

/// Why it is not known where an order goes.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The address that was named is not one of the member's.
    #[error("the address is none of the shopper's")]
    Unknown,
    /// The address could not be read or opened.
    #[error("read where an order goes")]
    Unreadable(#[from] MemberError),
    /// The database takes too long.
    #[error("read where an order goes: no answer in time")]
    Late,
}

/// Freezes addresses on orders, and shows them to whom they belong.
#[derive(Debug, Clone)]
pub struct OrderAddresses {
    /// The database.
    pub pool: PgPool,
    /// What seals.
    pub sealer: Sealer,
}

impl OrderAddresses {
    /// The address that is named, else the default one, for a new order of the member. Nothing when the book is empty, and
    /// nothing for whoever is not signed in.
    ///
    /// # Errors
    /// `Unknown` when one is named that is not the member's.
    pub async fn freeze(
        &self,
        member: Option<MemberId>,
        named: Option<Uuid>,
        order: OrderId,
    ) -> Result<Option<SealedAddress>, AddressError> {
        let found = match member {
            Some(member) => timeout(LOOK_UP_TIMEOUT, self.chosen(member, named))
                .await
                .map_err(|_| AddressError::Late)??,
            None => None,
        };
        match (found, named) {
            (None, Some(_)) => Err(AddressError::Unknown),
            (found, _) => Ok(found.map(|stored| {
                let id = order.as_uuid();
                SealedAddress::new(self.sealer.seal_json(TABLE, id, COLUMN, &stored.address))
            })),
        }
    }

    /// Where the member's order goes, if that is known.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn of(&self, member: MemberId, order: OrderId) -> Result<Option<Address>, MemberError> {
        let sealed: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT details FROM order_addresses WHERE id = $1 AND member_id = $2")
                .bind(order.as_uuid())
                .bind(member.as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        sealed
            .map(|sealed| open(&self.sealer, order.as_uuid(), &sealed))
            .transpose()
    }

    async fn chosen(
        &self,
        member: MemberId,
        named: Option<Uuid>,
    ) -> Result<Option<StoredAddress>, MemberError> {
        let row: Option<addresses::Row> = sqlx::query_as(
            "SELECT id, is_default, details
             FROM addresses
             WHERE member_id = $1 AND (id = $2 OR $2 IS NULL AND is_default)",
        )
        .bind(member.as_uuid())
        .bind(named)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| addresses::opened(&self.sealer, row)).transpose()
    }
}

/// Opens the address of an order.
///
/// # Errors
/// When it does not open there.
pub(super) fn open(sealer: &Sealer, order: Uuid, sealed: &[u8]) -> Result<Address, MemberError> {
    sealer.open_json(TABLE, order, COLUMN, sealed)
}
