//! A product and its stock as the database has them.

use catalog_domain::Offer;
use contract::{Money, ProductId, StockChanged};
use sqlx::FromRow;
use std::error::Error;
use time::OffsetDateTime;

/// A product with everything that the shop knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its identifier.
    pub id: ProductId,
    /// What is said of it.
    pub offer: Offer,
    /// Grows with every change of the offer.
    pub version: i64,
    /// Its stock.
    pub stock: StockChanged,
}

/// A row of [`products_where`].
#[derive(FromRow)]
pub(super) struct ProductRow {
    id: String,
    name: String,
    description: String,
    category: Option<String>,
    kind: String,
    images: Vec<String>,
    price_minor: i64,
    currency: String,
    hold_seconds: i32,
    per_customer: Option<i32>,
    state: String,
    opens_at: Option<OffsetDateTime>,
    closes_at: Option<OffsetDateTime>,
    pub(super) created_at: OffsetDateTime,
    version: i64,
    on_hand: i64,
    held: i64,
    sold: i64,
    stock_version: i64,
}

/// Reads the products of which this is true.
macro_rules! products_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, name, description, category, kind, images, price_minor, currency, hold_seconds,
                    per_customer, state, opens_at, closes_at, created_at, products.version,
                    on_hand, held, sold, stock.version AS stock_version
               FROM products
               JOIN stock ON stock.product_id = products.id
              WHERE ",
            $condition
        )
    };
}

pub(super) use products_where;

/// What a row says that this version does not understand.
pub(super) fn undecodable(error: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

impl TryFrom<ProductRow> for Kept {
    type Error = sqlx::Error;

    fn try_from(row: ProductRow) -> Result<Self, sqlx::Error> {
        let id: ProductId = row.id.parse().map_err(undecodable)?;
        let category = row.category.map(|category| category.parse()).transpose();
        let offer = Offer {
            name: row.name,
            description: row.description,
            category: category.map_err(undecodable)?,
            kind: row.kind.parse().map_err(undecodable)?,
            images: row.images,
            price: Money::new(row.price_minor, row.currency.parse().map_err(undecodable)?),
            hold_seconds: row.hold_seconds,
            per_customer: row.per_customer,
            state: row.state.parse().map_err(undecodable)?,
            opens_at: row.opens_at,
            closes_at: row.closes_at,
        };
        let stock = StockChanged {
            product_id: id.clone(),
            on_hand: row.on_hand,
            held: row.held,
            sold: row.sold,
            version: row.stock_version,
        };
        Ok(Self {
            id,
            offer,
            version: row.version,
            stock,
        })
    }
}
