//! Products with their stock.

use super::product_row::{Kept, ProductRow, products_where};
use catalog_domain::{Product, Stock};
use sqlx::PgPool;
use time::OffsetDateTime;

/// How far back a read of recent changes looks. Rows carry the time at which their transaction began, so this is
/// much more than the time between two reads.
const RECENT_SECONDS: f64 = 10.0;

/// Which rows to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Everything.
    All,
    /// What changed in the last few seconds.
    Recent,
}

/// A product and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stocked {
    /// The product.
    pub product: Product,
    /// Its stock.
    pub stock: Stock,
}

/// Reads products in the order of their ids.
pub async fn read_products(pool: &PgPool, freshness: Freshness) -> Result<Vec<Stocked>, sqlx::Error> {
    let query = match freshness {
        Freshness::All => sqlx::query_as(products_where!("true ORDER BY id")),
        // Found in the narrow table of stock, and by the index of products; only that is joined.
        Freshness::Recent => sqlx::query_as(products_where!(
            "products.id IN (SELECT product_id
                               FROM stock
                              WHERE updated_at > now() - make_interval(secs => $1)
                              UNION
                             SELECT id
                               FROM products
                              WHERE updated_at > now() - make_interval(secs => $1))
              ORDER BY id"
        ))
        .bind(RECENT_SECONDS),
    };
    let rows: Vec<ProductRow> = query.fetch_all(pool).await?;
    rows.into_iter().map(Stocked::try_from).collect()
}

/// What the database's clock says.
pub async fn database_now(pool: &PgPool) -> Result<OffsetDateTime, sqlx::Error> {
    sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(pool)
        .await
}

impl TryFrom<ProductRow> for Stocked {
    type Error = sqlx::Error;

    fn try_from(row: ProductRow) -> Result<Self, sqlx::Error> {
        let created_at = row.created_at;
        let Kept {
            id,
            offer,
            version,
            stock,
        } = Kept::try_from(row)?;
        let product = Product {
            id,
            name: offer.name,
            description: offer.description,
            category: offer.category,
            kind: offer.kind,
            images: offer.images,
            price: offer.price,
            per_customer: offer.per_customer,
            state: offer.state,
            opens_at: offer.opens_at,
            closes_at: offer.closes_at,
            created_at,
            version,
        };
        Ok(Self {
            product,
            stock: Stock::from(&stock),
        })
    }
}
