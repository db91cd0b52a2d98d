//! Products with their stock.

use catalog_domain::{Product, Stock};
use contract::{Money, StockChanged};
use sqlx::{FromRow, PgPool};
use std::error::Error;
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

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    description: String,
    category: Option<String>,
    kind: String,
    images: Vec<String>,
    price_minor: i64,
    currency: String,
    per_customer: Option<i32>,
    state: String,
    opens_at: Option<OffsetDateTime>,
    closes_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    version: i64,
    on_hand: i64,
    held: i64,
    sold: i64,
    stock_version: i64,
}

macro_rules! products_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, name, description, category, kind, images, price_minor, currency, per_customer, state,
                    opens_at, closes_at, created_at, products.version,
                    on_hand, held, sold, stock.version AS stock_version
               FROM products
               JOIN stock ON stock.product_id = products.id
              WHERE ",
            $condition,
            " ORDER BY id"
        )
    };
}

/// Reads products in the order of their ids.
pub async fn read_products(pool: &PgPool, freshness: Freshness) -> Result<Vec<Stocked>, sqlx::Error> {
    let query = match freshness {
        Freshness::All => sqlx::query_as(products_where!("true")),
        // Found in the narrow table of stock, and by the index of products; only that is joined.
        Freshness::Recent => sqlx::query_as(products_where!(
            "products.id IN (SELECT product_id
                               FROM stock
                              WHERE updated_at > now() - make_interval(secs => $1)
                              UNION
                             SELECT id
                               FROM products
                              WHERE updated_at > now() - make_interval(secs => $1))"
        ))
        .bind(RECENT_SECONDS),
    };
    let rows: Vec<Row> = query.fetch_all(pool).await?;
    rows.into_iter().map(Stocked::try_from).collect()
}

/// What the database's clock says.
pub async fn database_now(pool: &PgPool) -> Result<OffsetDateTime, sqlx::Error> {
    sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(pool)
        .await
}

/// What a row says that this version does not understand.
pub(super) fn undecodable(error: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

impl TryFrom<Row> for Stocked {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let changed = StockChanged {
            product_id: row.id.parse().map_err(undecodable)?,
            on_hand: row.on_hand,
            held: row.held,
            sold: row.sold,
            version: row.stock_version,
        };
        let stock = Stock::from(&changed);
        let category = row.category.map(|category| category.parse()).transpose();
        let product = Product {
            id: changed.product_id,
            name: row.name,
            description: row.description,
            category: category.map_err(undecodable)?,
            kind: row.kind.parse().map_err(undecodable)?,
            images: row.images,
            price: Money::new(row.price_minor, row.currency.parse().map_err(undecodable)?),
            per_customer: row.per_customer,
            state: row.state.parse().map_err(undecodable)?,
            opens_at: row.opens_at,
            closes_at: row.closes_at,
            created_at: row.created_at,
            version: row.version,
        };
        Ok(Self { product, stock })
    }
}
