//! The schema on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use database::{DatabaseError, Failure, failure_of, migrate, pool};
use sqlx::{migrate::MigrateError, query};
use testbed::Database;

#[tokio::test]
async fn a_migration_that_failed_can_be_tried_again_at_once() {
    let database = Database::fresh().await;
    let pool = pool(database.url(), 3).unwrap();
    migrate(&pool).await.expect("nothing is left to do");
    query("UPDATE _sqlx_migrations SET version = version + 1000")
        .execute(&pool)
        .await
        .unwrap();
    for _ in 0..3 {
        let failed = migrate(&pool).await;
        let Err(DatabaseError::Migrate(MigrateError::VersionMissing(_))) = failed else {
            unreachable!("the same answer each time, not a wait for the lock: {failed:?}")
        };
    }
    query("UPDATE _sqlx_migrations SET version = version - 1000")
        .execute(&pool)
        .await
        .unwrap();
    migrate(&pool).await.expect("mended");
}

#[tokio::test]
async fn the_schema_refuses_to_oversell_and_says_whose_fault_it_is() {
    let database = Database::fresh().await;
    let pool = pool(database.url(), 1).unwrap();
    query("INSERT INTO products (id, name, price_minor, currency) VALUES ('p', 'P', 1, 'EUR')")
        .execute(&pool)
        .await
        .unwrap();
    let oversold = query("INSERT INTO stock (product_id, on_hand, held, sold) VALUES ('p', 2, 2, 1)");
    let refused = oversold
        .execute(&pool)
        .await
        .expect_err("the constraint is the last word");
    assert_eq!(failure_of(&refused), Failure::Rejected);
    let twice = query("INSERT INTO products (id, name, price_minor, currency) VALUES ('p', 'P', 1, 'EUR')");
    assert_eq!(
        failure_of(&twice.execute(&pool).await.unwrap_err()),
        Failure::Duplicate
    );
    let nonsense = query("SELECT FROM nowhere");
    assert_eq!(
        failure_of(&nonsense.execute(&pool).await.unwrap_err()),
        Failure::Broken
    );
}
