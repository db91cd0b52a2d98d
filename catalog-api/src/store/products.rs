//! Products with their stock.

use catalog_domain::{Product, Stock};
use contract::{Money, StockChanged};
use sqlx::{FromRow, PgPool};

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

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    description: String,
    price_minor: i64,
    currency: String,
    on_hand: i64,
    held: i64,
    sold: i64,
    version: i64,
}

/// Reads products in the order of their ids.
pub async fn read_products(pool: &PgPool, freshness: Freshness) -> Result<Vec<Stocked>, sqlx::Error> {
    let since = match freshness {
        Freshness::All => None,
        Freshness::Recent => Some(RECENT_SECONDS),
    };
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, description, price_minor, currency, on_hand, held, sold, version
         FROM products
         JOIN stock ON stock.product_id = products.id
         WHERE $1::float8 IS NULL
            OR stock.updated_at > now() - make_interval(secs => $1)
            OR products.updated_at > now() - make_interval(secs => $1)
         ORDER BY id",
    )
    .bind(since)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Stocked::try_from).collect()
}

impl TryFrom<Row> for Stocked {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let changed = StockChanged {
            product_id: row
                .id
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            on_hand: row.on_hand,
            held: row.held,
            sold: row.sold,
            version: row.version,
        };
        let currency = row
            .currency
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let stock = Stock::from(&changed);
        let price = Money::new(row.price_minor, currency);
        let product = Product {
            id: changed.product_id,
            name: row.name,
            description: row.description,
            price,
        };
        Ok(Self { product, stock })
    }
}
