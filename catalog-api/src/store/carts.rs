//! Carts: one for each shopper, be it a session or a member.

use super::product_row::undecodable;
use catalog_domain::{
    CartLine,
    limits::{CART_LINES_MAX, QUANTITY_MAX},
};
use contract::{OrderId, ProductId, RequestedLine, ShopperId};
use database::Retry;
use sqlx::{PgConnection, PgPool};

/// Carts that nobody touched for so many days are forgotten.
const KEPT_DAYS: i32 = 30;
/// How many are forgotten at once.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// Why a cart did not change.
#[derive(Debug, thiserror::Error)]
pub enum CartWriteError {
    /// It has as many products as it takes.
    #[error("the cart is full")]
    Full,
    /// There would be more units of a product than it takes.
    #[error("there are {0} units of it in the cart")]
    TooMany(i32),
    /// The product is not in it.
    #[error("the product is not in the cart")]
    NotThere,
    /// The database did not do it.
    #[error("the database did not write it")]
    Database(#[from] sqlx::Error),
}

impl Retry for CartWriteError {
    fn may_retry(&self) -> bool {
        matches!(self, Self::Database(error) if error.may_retry())
    }
}

/// What is in the cart, in the order in which it came in.
pub async fn lines(pool: &PgPool, owner: &ShopperId) -> Result<Vec<CartLine>, sqlx::Error> {
    let rows: Vec<(String, i32)> = sqlx::query_as(
        "SELECT product_id, quantity
           FROM cart_lines
          WHERE owner = $1
          ORDER BY added_at, product_id",
    )
    .bind(owner.as_str())
    .fetch_all(pool)
    .await?;
    let line = |(id, quantity): (String, i32)| {
        Ok(CartLine {
            product_id: id.parse().map_err(undecodable)?,
            quantity: quantity.try_into().map_err(undecodable)?,
        })
    };
    rows.into_iter().map(line).collect()
}

/// Puts units into the cart, with those that are in it.
pub async fn add(pool: &PgPool, owner: &ShopperId, line: &CartLine) -> Result<(), CartWriteError> {
    let quantity = i32::try_from(line.quantity).unwrap_or(i32::MAX);
    database::transaction("add to cart", || async {
        let mut transaction = pool.begin().await?;
        take_hold(&mut transaction, owner).await?;
        let in_it = quantity_of(&mut transaction, owner, &line.product_id).await?;
        if in_it.unwrap_or(0).saturating_add(quantity) > most() {
            return Err(CartWriteError::TooMany(in_it.unwrap_or(0)));
        }
        if in_it.is_none() && count(&mut transaction, owner).await? >= CART_LINES_MAX {
            return Err(CartWriteError::Full);
        }
        sqlx::query(
            "INSERT INTO cart_lines (owner, product_id, quantity)
             VALUES ($1, $2, $3)
             ON CONFLICT (owner, product_id) DO UPDATE SET quantity = cart_lines.quantity + excluded.quantity",
        )
        .bind(owner.as_str())
        .bind(line.product_id.as_str())
        .bind(quantity)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// Makes it so many units.
pub async fn set(
    pool: &PgPool,
    owner: &ShopperId,
    product: &ProductId,
    quantity: u32,
) -> Result<(), CartWriteError> {
    let changed = sqlx::query("UPDATE cart_lines SET quantity = $3 WHERE owner = $1 AND product_id = $2")
        .bind(owner.as_str())
        .bind(product.as_str())
        .bind(i32::try_from(quantity).unwrap_or(i32::MAX))
        .execute(pool)
        .await?;
    if changed.rows_affected() == 0 {
        Err(CartWriteError::NotThere)
    } else {
        Ok(())
    }
}

/// Takes a product out; all of them when none is named.
pub async fn remove(
    pool: &PgPool,
    owner: &ShopperId,
    product: Option<&ProductId>,
) -> Result<(), CartWriteError> {
    sqlx::query("DELETE FROM cart_lines WHERE owner = $1 AND ($2::text IS NULL OR product_id = $2)")
        .bind(owner.as_str())
        .bind(product.map(ProductId::as_str))
        .execute(pool)
        .await?;
    Ok(())
}

/// Puts what is in one cart into another, as far as there is room, and leaves the first one empty.
pub async fn pour(pool: &PgPool, from: &ShopperId, into: &ShopperId) -> Result<(), CartWriteError> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM cart_lines WHERE owner = $1)")
        .bind(from.as_str())
        .fetch_one(pool)
        .await?;
    if !any {
        return Ok(());
    }
    database::transaction("pour cart", || async {
        let mut transaction = pool.begin().await?;
        take_hold(&mut transaction, into).await?;
        sqlx::query(
            "WITH poured AS (DELETE FROM cart_lines WHERE owner = $1 RETURNING product_id, quantity, added_at)
             INSERT INTO cart_lines (owner, product_id, quantity, added_at)
             SELECT $2, product_id, quantity, added_at FROM poured
             ON CONFLICT (owner, product_id)
                DO UPDATE SET quantity = least(cart_lines.quantity + excluded.quantity, $3)",
        )
        .bind(from.as_str())
        .bind(into.as_str())
        .bind(most())
        .execute(&mut *transaction)
        .await?;
        // What has been there longest goes first.
        sqlx::query(
            "DELETE FROM cart_lines
              WHERE owner = $1
                AND product_id IN (SELECT product_id
                                     FROM cart_lines
                                    WHERE owner = $1
                                    ORDER BY added_at DESC, product_id
                                   OFFSET $2)",
        )
        .bind(into.as_str())
        .bind(i64::try_from(CART_LINES_MAX).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// Takes what was ordered out of the cart, once for each order: the same order again changes nothing, whatever was put
/// into the cart meanwhile.
pub async fn ordered(
    pool: &PgPool,
    owner: &ShopperId,
    order: OrderId,
    lines: &[RequestedLine],
) -> Result<(), CartWriteError> {
    let products: Vec<&str> = lines.iter().map(|line| line.product_id.as_str()).collect();
    let quantities: Vec<i32> = lines
        .iter()
        .map(|line| i32::try_from(line.quantity).unwrap_or(i32::MAX))
        .collect();
    database::transaction("cart was ordered", || async {
        let mut transaction = pool.begin().await?;
        let first = sqlx::query("INSERT INTO cart_departures (order_id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(order.as_uuid())
            .execute(&mut *transaction)
            .await?;
        if first.rows_affected() == 0 {
            return Ok(());
        }
        // A quantity of none is against the table's rule, so what is ordered whole is deleted and the rest made less.
        sqlx::query(
            "WITH ordered AS (SELECT * FROM unnest($2::text[], $3::integer[]) AS line (product_id, quantity)),
                  gone AS (
                      DELETE FROM cart_lines
                       USING ordered
                       WHERE cart_lines.owner = $1
                         AND cart_lines.product_id = ordered.product_id
                         AND cart_lines.quantity <= ordered.quantity
                  )
             UPDATE cart_lines
                SET quantity = cart_lines.quantity - ordered.quantity
               FROM ordered
              WHERE cart_lines.owner = $1
                AND cart_lines.product_id = ordered.product_id
                AND cart_lines.quantity > ordered.quantity",
        )
        .bind(owner.as_str())
        .bind(&products)
        .bind(&quantities)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    })
    .await
}

/// Forgets some carts that nobody has touched for long, and orders that took something out of theirs; answers how many
/// rows that were.
pub async fn forget_old(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let carts = sqlx::query(
        "DELETE FROM carts
          WHERE owner IN (SELECT owner
                            FROM carts
                           WHERE touched_at < now() - make_interval(days => $1)
                           LIMIT $2)",
    );
    let departures = sqlx::query(
        "DELETE FROM cart_departures
          WHERE order_id IN (SELECT order_id
                               FROM cart_departures
                              WHERE left_at < now() - make_interval(days => $1)
                              LIMIT $2)",
    );
    let mut forgotten = 0;
    for statement in [carts, departures] {
        let done = statement
            .bind(KEPT_DAYS)
            .bind(FORGOTTEN_AT_ONCE)
            .execute(pool)
            .await?;
        forgotten += done.rows_affected();
    }
    Ok(forgotten)
}

fn most() -> i32 {
    i32::try_from(QUANTITY_MAX).unwrap_or(i32::MAX)
}

/// Sees to it that there is such a cart, and that nobody else changes it until the end of the transaction.
async fn take_hold(connection: &mut PgConnection, owner: &ShopperId) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO carts (owner) VALUES ($1) ON CONFLICT (owner) DO UPDATE SET touched_at = now()")
        .bind(owner.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn quantity_of(
    connection: &mut PgConnection,
    owner: &ShopperId,
    product: &ProductId,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar("SELECT quantity FROM cart_lines WHERE owner = $1 AND product_id = $2")
        .bind(owner.as_str())
        .bind(product.as_str())
        .fetch_optional(connection)
        .await
}

async fn count(connection: &mut PgConnection, owner: &ShopperId) -> Result<usize, sqlx::Error> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM cart_lines WHERE owner = $1")
        .bind(owner.as_str())
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
