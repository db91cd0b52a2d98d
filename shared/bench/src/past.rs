//! Orders that a shop has in its tables before a run: made by SQL, as the worker would have written them.

use crate::report::say;
use anyhow::Context;
use sqlx::PgPool;
use tokio::time::Instant;

/// Orders made in one transaction. Many, and in the sequence of their keys: each page of an index is then written a few times
/// over all, and not once for nearly every order.
const CHUNK: u64 = 2_000_000;
/// What they were orders of: nothing that the run sells, or that its books look at.
const PAST_PRODUCT: &str = "past-sneaker";

const PRODUCT: &str = "
    WITH product AS (
        INSERT INTO products (id, name, price_minor, currency) VALUES ($1, 'Past sneaker', 12900, 'EUR') RETURNING id)
    INSERT INTO stock (product_id, on_hand, sold) SELECT id, $2, $2 FROM product";

/// Orders that were paid, shipped, delivered and confirmed long ago, each of its own shopper, with all their rows.
const ORDERS: &str = "
    WITH made AS MATERIALIZED (
        SELECT gen_random_uuid() AS id, gen_random_uuid()::text AS reference, n,
               now() - interval '400 days' + n * interval '1 second' AS at
          FROM generate_series($1::bigint, $2::bigint - 1) AS n
         ORDER BY id
    ), placed AS (
        INSERT INTO orders (id, shopper, fingerprint, state, total_minor, currency, version, accepted_at, decided_at, updated_at)
        SELECT id, 'session:past-' || n, repeat('f', 64), 'confirmed', 12900, 'EUR', 5, at, at, at + interval '3 days'
          FROM made
        RETURNING id
    ), lines AS (
        INSERT INTO order_lines (order_id, line_number, product_id, name, quantity, unit_price_minor)
        SELECT id, 1, $3, 'Past sneaker', 1, 12900 FROM made
    ), held AS (
        INSERT INTO holds (order_id, attempt, created_at, expires_at, open)
        SELECT id, 1, at, at + interval '30 minutes', false FROM made
    )
    INSERT INTO payments (order_id, payment_reference, state, captured_minor, currency, started_at)
    SELECT id, reference, 'captured', 12900, 'EUR', at FROM made JOIN placed USING (id)";

/// In a statement of its own: it refers to the holds.
const RESOLUTIONS: &str = "
    INSERT INTO hold_resolutions (order_id, attempt, resolution, resolved_at)
    SELECT id, 1, 'posted', decided_at FROM orders
     WHERE shopper IN (SELECT 'session:past-' || n FROM generate_series($1::bigint, $2::bigint - 1) AS n)
     ORDER BY id";

/// Makes `count` past orders; answers how many seconds it took.
pub async fn make(pool: &PgPool, count: u64) -> anyhow::Result<f64> {
    let began = Instant::now();
    sqlx::query(PRODUCT)
        .bind(PAST_PRODUCT)
        .bind(i64::try_from(count)?)
        .execute(pool)
        .await
        .context("put up what was sold in the past")?;
    let mut made = 0;
    while made < count {
        let end = (made + CHUNK).min(count);
        make_chunk(pool, made, end).await?;
        made = end;
        say(&format!(
            "{made} of {count} past orders after {:.0?}",
            began.elapsed()
        ));
    }
    // As autovacuum would have done it by then.
    sqlx::raw_sql("VACUUM (ANALYZE) orders, order_lines, holds, hold_resolutions, payments")
        .execute(pool)
        .await
        .context("let the planner know")?;
    Ok(began.elapsed().as_secs_f64())
}

async fn make_chunk(pool: &PgPool, start: u64, end: u64) -> anyhow::Result<()> {
    let (start, end) = (i64::try_from(start)?, i64::try_from(end)?);
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    let made = sqlx::query(ORDERS).bind(start).bind(end).bind(PAST_PRODUCT);
    made.execute(&mut *transaction)
        .await
        .context("make past orders")?;
    let ended = sqlx::query(RESOLUTIONS).bind(start).bind(end);
    ended
        .execute(&mut *transaction)
        .await
        .context("end their holds")?;
    Ok(transaction.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testbed::Database;

    #[tokio::test]
    async fn past_orders_have_all_their_rows_and_balance() {
        let database = Database::fresh().await;
        let pool = database.pool().await;
        make(&pool, 1_000).await.unwrap();
        for table in ["orders", "order_lines", "holds", "hold_resolutions", "payments"] {
            let count = format!("SELECT count(*) FROM {table}");
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(count, 1_000, "{table}");
        }
        let stock: (i64, i64) = sqlx::query_as("SELECT on_hand, sold FROM stock WHERE product_id = $1")
            .bind(PAST_PRODUCT)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(stock, (1_000, 1_000));
    }
}
