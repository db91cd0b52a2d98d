//! Tying a right to the order that is placed with it.

use super::{DrawStore, DrawStoreError, read::claim, row::now};
use catalog_domain::draw::{NoRight, Right};
use contract::{MemberId, OrderId, ProductId};
use database::transaction;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

/// Why an order cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The member has no right to this product, or not any more.
    #[error("there is no right to buy {0}")]
    NoRight(ProductId),
    /// Another order of the member has the right.
    #[error("the right to buy {product} is in use")]
    InUse {
        /// Which product.
        product: ProductId,
        /// Which order has it.
        order_id: OrderId,
    },
    /// It is not known.
    #[error("look a right up")]
    Unavailable(#[source] DrawStoreError),
}

#[derive(FromRow)]
struct RightRow {
    draw_id: String,
    rank: i64,
    state: String,
    lapses_at: OffsetDateTime,
    order_id: Option<Uuid>,
    claimed_at: Option<OffsetDateTime>,
}

impl DrawStore {
    /// Ties the member's rights to all these products to the order: all of them or none. An order that has them
    /// already keeps them.
    ///
    /// The order worker decides an order of a drawn product only while the order has its right, in the transaction
    /// that decides; so what is claimed here can be taken away again, and no order will be held without it.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn claim(
        &self,
        member: MemberId,
        order_id: OrderId,
        products: &[ProductId],
    ) -> Result<(), ClaimError> {
        let claimed = transaction("claim_rights", || async {
            let mut transaction = self.pool.begin().await?;
            for product in products {
                if let Err(refused) = claim_one(&mut transaction, member, order_id, product).await? {
                    return Ok(Err(refused));
                }
            }
            transaction.commit().await?;
            Ok(Ok(()))
        });
        claimed.await.map_err(ClaimError::Unavailable)?
    }
}

async fn claim_one(
    connection: &mut PgConnection,
    member: MemberId,
    order_id: OrderId,
    product: &ProductId,
) -> Result<Result<(), ClaimError>, DrawStoreError> {
    // The newest: a product may have been drawn for before.
    let row: Option<RightRow> = sqlx::query_as(
        "SELECT draw_id, rank, state, lapses_at, order_id, claimed_at
           FROM purchase_rights
          WHERE member_id = $1 AND product_id = $2
          ORDER BY granted_at DESC
          LIMIT 1
            FOR UPDATE",
    )
    .bind(member.as_uuid())
    .bind(product.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Err(ClaimError::NoRight(product.clone())));
    };
    let now = now(&mut *connection).await?;
    let right = row.right()?;
    let claimed = match right.claim(now, order_id) {
        Ok(claimed) => claimed,
        Err(NoRight::Lapsed | NoRight::Spent) => return Ok(Err(ClaimError::NoRight(product.clone()))),
        Err(NoRight::InUse(order_id)) => {
            let product = product.clone();
            return Ok(Err(ClaimError::InUse { product, order_id }));
        }
    };
    if claimed != right {
        sqlx::query(
            "UPDATE purchase_rights SET order_id = $3, claimed_at = $4 WHERE draw_id = $1 AND rank = $2",
        )
        .bind(&row.draw_id)
        .bind(row.rank)
        .bind(order_id.as_uuid())
        .bind(now)
        .execute(connection)
        .await?;
    }
    Ok(Ok(()))
}

impl RightRow {
    fn right(&self) -> Result<Right, DrawStoreError> {
        let state = self.state.parse();
        Ok(Right {
            state: state.map_err(|_| DrawStoreError::Unreadable("purchase_rights"))?,
            lapses_at: self.lapses_at,
            claim: claim(self.order_id, self.claimed_at),
        })
    }
}
