//! Preparing a database: the schema, and something to sell.

use anyhow::Context;
use clap::Args;
use contract::{Currency, ProductId};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tracing::info;

/// A product for demos and drills.
#[derive(Debug, Clone, Args)]
pub struct DemoProduct {
    /// The product's id.
    #[arg(long, default_value = "demo-sneaker")]
    product: ProductId,
    /// Its name.
    #[arg(long, default_value = "Demo Sneaker")]
    name: String,
    /// A sentence about it.
    #[arg(
        long,
        default_value = "A hundred pairs, numbered by hand. One drop, no second run."
    )]
    description: String,
    /// How many units there are.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(0..))]
    stock: i64,
    /// The price of one, in the currency's smallest unit.
    #[arg(long, default_value_t = 129_000, value_parser = clap::value_parser!(i64).range(0..))]
    price: i64,
    /// An ISO 4217 code.
    #[arg(long, default_value = "KRW")]
    currency: Currency,
    /// How long an order's units are held for its payment.
    #[arg(long, default_value_t = 1800, value_parser = clap::value_parser!(i32).range(1..=86_400))]
    hold_seconds: i32,
}

/// Brings the schema up to date.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn migrate(database_url: &SecretString) -> anyhow::Result<()> {
    let pool = database::pool(database_url.expose_secret(), 1)?;
    database::migrate(&pool).await?;
    info!("the database schema is up to date");
    Ok(())
}

/// Puts the product and its stock into the database. One that is there already stays as it is: its stock belongs to
/// the order worker.
///
/// # Errors
/// When the database cannot be reached or has no schema.
pub async fn demo(database_url: &SecretString, product: &DemoProduct) -> anyhow::Result<()> {
    let pool = database::pool(database_url.expose_secret(), 1)?;
    let is_new = insert(&pool, product)
        .await
        .context("seed the demo product (is the schema migrated?)")?;
    info!(product = %product.product, is_new, "the demo product is there");
    Ok(())
}

async fn insert(pool: &PgPool, demo: &DemoProduct) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let product = sqlx::query(
        "INSERT INTO products (id, name, description, price_minor, currency, hold_seconds)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(demo.product.as_str())
    .bind(&demo.name)
    .bind(&demo.description)
    .bind(demo.price)
    .bind(demo.currency.as_str())
    .bind(demo.hold_seconds)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO stock (product_id, on_hand) VALUES ($1, $2) ON CONFLICT (product_id) DO NOTHING",
    )
    .bind(demo.product.as_str())
    .bind(demo.stock)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(product.rows_affected() == 1)
}
