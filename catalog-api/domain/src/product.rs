//! What is sold, and how many are left.

use contract::{Money, ProductId, StockChanged};
use serde::Serialize;

/// A product as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its identifier.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// What one unit costs.
    pub price: Money,
}

/// A stock row at one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Units that an order could still hold.
    pub available: i64,
    /// Units kept for orders that are not paid.
    pub held: i64,
    /// Units sold.
    pub sold: i64,
    /// Grows with every change of the row.
    pub version: i64,
}

/// A product as shown to shoppers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProductView<'a> {
    /// Its identifier.
    pub id: &'a ProductId,
    /// Its name.
    pub name: &'a str,
    /// A sentence or two.
    pub description: &'a str,
    /// What one unit costs.
    pub price: Money,
    /// What is left of it.
    pub stock: StockView,
}

/// What is left of a product, as shown to shoppers. Holds and sales are the shop's own business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StockView {
    /// Units that an order could still hold.
    pub available: i64,
    /// Whether there is none.
    pub sold_out: bool,
    /// Of two views the one with the higher version is newer.
    pub version: i64,
}

// === impl Product ===

impl Product {
    /// What shoppers see while the stock is `stock`.
    pub fn view(&self, stock: Stock) -> ProductView<'_> {
        ProductView {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            price: self.price,
            stock: StockView {
                available: stock.available,
                sold_out: stock.available <= 0,
                version: stock.version,
            },
        }
    }
}

// === impl Stock ===

impl Stock {
    /// Whether this is news to somebody who knows `other`.
    pub fn is_newer_than(self, other: Self) -> bool {
        self.version > other.version
    }

    /// Whether `quantity` units could be held now.
    pub fn covers(self, quantity: u32) -> bool {
        self.available >= i64::from(quantity)
    }
}

impl From<&StockChanged> for Stock {
    fn from(changed: &StockChanged) -> Self {
        Self {
            available: changed.available(),
            held: changed.held,
            sold: changed.sold,
            version: changed.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(available: i64, version: i64) -> Stock {
        Stock {
            available,
            held: 0,
            sold: 0,
            version,
        }
    }

    #[test]
    fn the_view_says_when_nothing_is_left() {
        let product = Product {
            id: "demo-sneaker".parse().unwrap(),
            name: "Sneaker".to_owned(),
            description: String::new(),
            price: Money::new(129_000, "KRW".parse().unwrap()),
        };
        for (available, sold_out) in [(1, false), (0, true)] {
            assert_eq!(product.view(stock(available, 7)).stock.sold_out, sold_out);
        }
        let json = serde_json::to_value(product.view(stock(2, 7))).unwrap();
        assert_eq!(
            json["price"],
            serde_json::json!({ "minor": 129_000, "currency": "KRW" })
        );
        assert_eq!(
            json["stock"],
            serde_json::json!({ "available": 2, "sold_out": false, "version": 7 })
        );
    }

    #[test]
    fn only_a_higher_version_is_news() {
        let known = stock(5, 3);
        for (version, news) in [(2, false), (3, false), (4, true)] {
            assert_eq!(stock(9, version).is_newer_than(known), news, "{version}");
        }
    }
}
