//! Keeping where members' orders go.

use super::{StoreError, write::Columns};
use order_domain::batch::NewAddress;
use sqlx::PgConnection;

/// The addresses of new orders. The lock keeps the erasure of an account waiting until they can be erased with it; of an
/// account that is erased already nothing is kept.
pub(super) async fn keep_addresses(
    connection: &mut PgConnection,
    addresses: &[NewAddress],
) -> Result<(), StoreError> {
    if addresses.is_empty() {
        return Ok(());
    }
    let column = Columns(addresses);
    sqlx::query(
        "WITH owner AS (
             SELECT id
               FROM members
              WHERE id = ANY ($2) AND erased_at IS NULL
                FOR SHARE
         )
         INSERT INTO order_addresses (id, member_id, details)
         SELECT kept.*
           FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS kept (id, member_id, details)
           JOIN owner ON owner.id = kept.member_id",
    )
    .bind(column.of(|kept| kept.order_id.as_uuid()))
    .bind(column.of(|kept| kept.member.as_uuid()))
    .bind(column.of(|kept| kept.address.as_bytes()))
    .execute(connection)
    .await?;
    Ok(())
}
