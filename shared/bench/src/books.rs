//! What the database says after a run: the truth that the run is judged by.

use anyhow::Context;
use sqlx::PgPool;
use std::{collections::HashSet, time::Duration};
use testbed::within;
use uuid::Uuid;

/// How many identifiers are looked up at once.
const CHUNK: usize = 10_000;

/// The stock rows of all products together, and what the records add up to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Books {
    /// Units there were.
    pub on_hand: i64,
    /// Units kept for orders that are not paid, as the stock rows say.
    pub held: i64,
    /// Units sold, as the stock rows say.
    pub sold: i64,
    /// Units of holds that are open.
    pub open_units: i64,
    /// Units of holds that ended in a sale.
    pub posted_units: i64,
    /// Units of paid orders.
    pub paid_units: i64,
    /// Orders beyond the first of one shopper, of whom each asked for one.
    pub second_orders: i64,
    /// Sales beyond the first of one order.
    pub second_sales: i64,
}

// Orders that were there before the run count nowhere.
const BOOKS: &str = "
    WITH units AS (
        SELECT order_id, sum(quantity)::bigint AS quantity FROM order_lines
         WHERE product_id NOT LIKE 'past-%' GROUP BY order_id)
    SELECT sum(on_hand)::bigint AS on_hand, sum(held)::bigint AS held, sum(sold)::bigint AS sold,
           (SELECT coalesce(sum(quantity), 0)::bigint
              FROM holds JOIN units USING (order_id) WHERE open) AS open_units,
           (SELECT coalesce(sum(quantity), 0)::bigint
              FROM hold_resolutions JOIN units USING (order_id) WHERE resolution = 'posted') AS posted_units,
           (SELECT coalesce(sum(quantity), 0)::bigint
              FROM orders JOIN units ON order_id = id WHERE state = 'paid') AS paid_units,
           (SELECT coalesce(sum(orders - 1), 0)::bigint
              FROM (SELECT count(*) AS orders FROM orders
                     WHERE shopper NOT LIKE 'session:past-%' GROUP BY shopper) AS by_shopper) AS second_orders,
           (SELECT coalesce(sum(sales - 1), 0)::bigint
              FROM (SELECT count(*) AS sales FROM hold_resolutions WHERE resolution = 'posted'
                     GROUP BY order_id) AS by_order) AS second_sales
      FROM stock WHERE product_id NOT LIKE 'past-%'";

impl Books {
    /// Reads them.
    pub async fn read(pool: &PgPool) -> anyhow::Result<Self> {
        sqlx::query_as(BOOKS)
            .fetch_one(pool)
            .await
            .context("read the books")
    }

    /// Units promised beyond those there were, by the rows or by the records.
    pub fn oversold(&self) -> i64 {
        let promised = (self.held + self.sold)
            .max(self.open_units + self.posted_units)
            .max(self.paid_units);
        (promised - self.on_hand).max(0)
    }

    /// Whether the stock rows are what the records add up to.
    pub fn balance(&self) -> bool {
        self.held == self.open_units && self.sold == self.posted_units && self.sold == self.paid_units
    }
}

/// Of these accepted orders, how many have no decision; waits for late ones up to `bound`.
pub async fn undecided(pool: &PgPool, accepted: &HashSet<Uuid>, bound: Duration) -> anyhow::Result<usize> {
    let all: Vec<Uuid> = accepted.iter().copied().collect();
    let mut missing = all.len();
    let complete = async || match missing_of(pool, &all).await {
        Ok(count) => {
            missing = count;
            (count == 0).then_some(Ok(()))
        }
        Err(error) => Some(Err(error)),
    };
    match within(bound, complete).await {
        Some(Err(error)) => Err(error),
        _ => Ok(missing),
    }
}

async fn missing_of(pool: &PgPool, accepted: &[Uuid]) -> anyhow::Result<usize> {
    let mut missing = 0;
    for chunk in accepted.chunks(CHUNK) {
        let count = sqlx::query_scalar("SELECT count(*) FROM orders WHERE id = ANY($1)").bind(chunk);
        let found: i64 = count.fetch_one(pool).await.context("look accepted orders up")?;
        missing += chunk.len().saturating_sub(usize::try_from(found)?);
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testbed::Database;

    const ROWS: &str = "
        INSERT INTO products (id, name, price_minor, currency) VALUES ('p', 'P', 1, 'EUR');
        INSERT INTO stock (product_id, on_hand, held, sold) VALUES ('p', 3, 1, 2);
        INSERT INTO orders (id, shopper, fingerprint, state, accepted_at, decided_at, updated_at, next_step_at)
             SELECT ('00000000-0000-8000-8000-00000000000' || n)::uuid, 'shopper ' || n / 2, '', state, now(), now(), now(),
                    CASE WHEN state = 'paid' THEN now() END
               FROM (VALUES (1, 'held'), (2, 'paid'), (3, 'paid')) AS o (n, state);
        INSERT INTO order_lines (order_id, line_number, product_id, name, quantity, unit_price_minor)
             SELECT id, 1, 'p', 'P', 1, 1 FROM orders;
        INSERT INTO holds (order_id, attempt, created_at, expires_at, open)
             SELECT id, 1, now(), now(), state = 'held' FROM orders;
        INSERT INTO hold_resolutions (order_id, attempt, resolution, resolved_at)
             SELECT id, 1, 'posted', now() FROM orders WHERE state = 'paid';";

    #[tokio::test]
    async fn the_books_are_read_from_the_records() {
        let database = Database::fresh().await;
        let pool = database.pool().await;
        sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
        let books = Books::read(&pool).await.unwrap();
        let expected = Books {
            on_hand: 3,
            held: 1,
            sold: 2,
            open_units: 1,
            posted_units: 2,
            paid_units: 2,
            second_orders: 1,
            second_sales: 0,
        };
        assert_eq!(books, expected);
        assert!(books.balance());
        assert_eq!(books.oversold(), 0);
        assert_eq!(Books { sold: 4, ..books }.oversold(), 2);

        let accepted = HashSet::from([Uuid::from_u128(0x8000_8000_0000_0000_0001), Uuid::nil()]);
        assert_eq!(
            undecided(&pool, &accepted, Duration::from_millis(500))
                .await
                .unwrap(),
            1
        );
    }
}
