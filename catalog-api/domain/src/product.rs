//! What is sold, whether it may be ordered now, and how many are left.

use crate::words::words;
use contract::{CategoryId, Money, ProductId, StockChanged};
use serde::Serialize;
use time::OffsetDateTime;

words!(
    /// What kind of sale a product is.
    Kind: "ordinary, limited" {
        /// Sold day in, day out.
        Ordinary = "ordinary",
        /// A drop: so many, and no more.
        Limited = "limited",
    }
);

words!(
    /// What the shop has decided about the sale of a product.
    SaleState: "on_sale, stopped, retired" {
        /// It may be ordered, within its times and while there are units.
        OnSale = "on_sale",
        /// It may not be ordered just now.
        Stopped = "stopped",
        /// It has left the shop. Its page stays for those who bought it.
        Retired = "retired",
    }
);

words!(
    /// How a product stands, as shoppers see it.
    Status: "on_sale, sold_out, stopped, retired" {
        /// There are units.
        OnSale = "on_sale",
        /// There are none just now: by itself, and until units come back.
        SoldOut = "sold_out",
        /// The shop has stopped the sale.
        Stopped = "stopped",
        /// It has left the shop.
        Retired = "retired",
    }
);

/// A product as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its identifier.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// Where it stands in the shop.
    pub category: Option<CategoryId>,
    /// What kind of sale it is.
    pub kind: Kind,
    /// Addresses of pictures, the best first.
    pub images: Vec<String>,
    /// What one unit costs.
    pub price: Money,
    /// How many units one customer may have, if that is limited.
    pub per_customer: Option<i32>,
    /// What the shop has decided about its sale.
    pub state: SaleState,
    /// From when it may be ordered.
    pub opens_at: Option<OffsetDateTime>,
    /// From when on it may not be ordered any more.
    pub closes_at: Option<OffsetDateTime>,
    /// Since when it is known.
    pub created_at: OffsetDateTime,
    /// Grows with every change of the product; its stock has a version of its own.
    pub version: i64,
}

/// Why a product cannot be ordered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSold {
    /// The shop has stopped its sale, or has taken it out of the shop.
    #[error("is not for sale")]
    Stopped,
    /// Its sale has not begun.
    #[error("cannot be ordered yet")]
    NotOpen,
    /// Its sale is over.
    #[error("cannot be ordered any more")]
    Closed,
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
    /// Where it stands in the shop.
    pub category: Option<&'a CategoryId>,
    /// What kind of sale it is.
    pub kind: Kind,
    /// Addresses of pictures, the best first.
    pub images: &'a [String],
    /// What one unit costs.
    pub price: Money,
    /// How many units one customer may have; null if that is not limited.
    pub per_customer: Option<i32>,
    /// How it stands. Whether it is within its times is for the reader to compare.
    pub status: Status,
    /// From when it may be ordered (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub opens_at: Option<OffsetDateTime>,
    /// From when on it may not be ordered any more (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub closes_at: Option<OffsetDateTime>,
    /// What is left of it.
    pub stock: StockView,
}

/// What is left of a product, as shown to shoppers. Holds and sales are the shop's own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
            category: self.category.as_ref(),
            kind: self.kind,
            images: &self.images,
            price: self.price,
            per_customer: self.per_customer,
            status: self.status(stock),
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            stock: stock.view(),
        }
    }

    /// How it stands while the stock is `stock`.
    pub fn status(&self, stock: Stock) -> Status {
        match self.state {
            SaleState::Retired => Status::Retired,
            SaleState::Stopped => Status::Stopped,
            SaleState::OnSale if stock.available <= 0 => Status::SoldOut,
            SaleState::OnSale => Status::OnSale,
        }
    }

    /// Whether it may be ordered at `now`, as far as it is not a question of stock.
    ///
    /// # Errors
    /// Why not. The order worker, which decides, has the same rule.
    pub fn sale_at(&self, now: OffsetDateTime) -> Result<(), NotSold> {
        if self.state != SaleState::OnSale {
            Err(NotSold::Stopped)
        } else if self.closes_at.is_some_and(|closes| now >= closes) {
            Err(NotSold::Closed)
        } else if self.opens_at.is_some_and(|opens| now < opens) {
            Err(NotSold::NotOpen)
        } else {
            Ok(())
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

    /// What shoppers see.
    pub fn view(self) -> StockView {
        StockView {
            available: self.available,
            sold_out: self.available <= 0,
            version: self.version,
        }
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
pub(crate) mod tests {
    use super::*;
    use time::Duration;

    pub(crate) fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    pub(crate) fn product(id: &str) -> Product {
        Product {
            id: id.parse().unwrap(),
            name: "Sneaker".to_owned(),
            description: String::new(),
            category: None,
            kind: Kind::Limited,
            images: Vec::new(),
            price: Money::new(129_000, "KRW".parse().unwrap()),
            per_customer: None,
            state: SaleState::OnSale,
            opens_at: None,
            closes_at: None,
            created_at: at(0),
            version: 1,
        }
    }

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
            opens_at: Some(at(90)),
            ..product("demo-sneaker")
        };
        let json = serde_json::to_value(product.view(stock(2, 7))).unwrap();
        assert_eq!(
            json["price"],
            serde_json::json!({ "minor": 129_000, "currency": "KRW" })
        );
        assert_eq!(
            json["stock"],
            serde_json::json!({ "available": 2, "sold_out": false, "version": 7 })
        );
        assert_eq!(json["opens_at"], "1970-01-01T00:01:30Z");
        assert!(json["closes_at"].is_null());
    }

    #[test]
    fn sold_out_comes_and_goes_with_the_stock_and_the_shop_has_the_last_word() {
        use SaleState::{OnSale, Retired, Stopped};
        for (state, available, status) in [
            (OnSale, 1, Status::OnSale),
            (OnSale, 0, Status::SoldOut),
            (Stopped, 1, Status::Stopped),
            (Stopped, 0, Status::Stopped),
            (Retired, 1, Status::Retired),
        ] {
            let product = Product {
                state,
                ..product("a")
            };
            assert_eq!(
                product.status(stock(available, 1)),
                status,
                "{state:?} {available}"
            );
        }
    }

    #[test]
    fn it_may_be_ordered_from_its_opening_until_its_closing() {
        use NotSold::{Closed, NotOpen};
        for (opens, closes, now, refusal) in [
            (None, None, 5, None),
            (Some(5), None, 4, Some(NotOpen)),
            (Some(5), Some(9), 5, None),
            (Some(5), Some(9), 9, Some(Closed)),
        ] {
            let product = Product {
                opens_at: opens.map(at),
                closes_at: closes.map(at),
                ..product("a")
            };
            assert_eq!(
                product.sale_at(at(now)).err(),
                refusal,
                "{opens:?} {closes:?} {now}"
            );
        }
        let stopped = Product {
            state: SaleState::Stopped,
            ..product("a")
        };
        assert_eq!(stopped.sale_at(at(0)), Err(NotSold::Stopped));
    }

    #[test]
    fn only_a_higher_version_is_news() {
        let known = stock(5, 3);
        for (version, news) in [(2, false), (3, false), (4, true)] {
            assert_eq!(stock(9, version).is_newer_than(known), news, "{version}");
        }
    }
}
