//! What somebody means to buy: so many units of so many products, at the prices of the moment.

use crate::{
    Mistake, Product, Status, Stock,
    limits::{CART_LINES_MAX, QUANTITY_MAX},
};
use contract::{Money, ProductId};
use serde::{Deserialize, Serialize};

/// A product in a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// Which product.
    pub product_id: ProductId,
    /// How many units, 1 to [`QUANTITY_MAX`].
    pub quantity: u32,
}

/// What is to be put into a cart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CartAddition {
    /// Which product.
    #[cfg_attr(feature = "schema", schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$"))]
    product_id: String,
    /// How many units more.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    quantity: i64,
}

/// How many units of a product are to be in a cart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CartQuantity {
    /// How many units.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    quantity: i64,
}

/// Why a body says nothing of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartError {
    /// Not JSON.
    NotJson(String),
    /// JSON of another shape.
    Shape(String),
    /// Wrong values; every mistake is listed.
    Values(Vec<Mistake>),
}

/// A cart as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CartView {
    /// What is in it, in the order in which it came in.
    pub lines: Vec<CartLineView>,
    /// What all of it costs now, for each currency; a line that cannot be ordered is not counted.
    pub totals: Vec<Money>,
}

/// A product in a cart as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CartLineView {
    /// Which product.
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// What one costs now. Send it along as `seen_price` with the order.
    pub unit_price: Money,
    /// What the line costs now.
    pub amount: Money,
    /// How the product stands.
    pub status: Status,
    /// Whether there are as many as are wanted.
    pub available: bool,
}

// === impl CartLine ===

impl CartLine {
    /// Reads the body of an addition.
    ///
    /// # Errors
    /// [`CartError`].
    pub fn parse(body: &[u8]) -> Result<Self, CartError> {
        let CartAddition { product_id, quantity } = read(body)?;
        let (product_id, quantity) = (product_id.parse::<ProductId>(), check_quantity(quantity));
        match (product_id, quantity) {
            (Ok(product_id), Ok(quantity)) => Ok(Self { product_id, quantity }),
            (product_id, quantity) => {
                let wrong_id = product_id.err();
                let wrong_id = wrong_id.map(|error| Mistake::new("/product_id", error.to_string()));
                Err(CartError::Values(
                    wrong_id.into_iter().chain(quantity.err()).collect(),
                ))
            }
        }
    }

    /// The line as it is shown while the product costs what it costs and is available as it is.
    ///
    /// Nothing when the amount does not fit 64 bits.
    pub fn view(&self, product: &Product, stock: Stock) -> Option<CartLineView> {
        Some(CartLineView {
            product_id: self.product_id.clone(),
            name: product.name.clone(),
            quantity: self.quantity,
            unit_price: product.price,
            amount: product.price.times(self.quantity).ok()?,
            status: product.status(stock),
            available: stock.covers(self.quantity),
        })
    }
}

/// Reads how many units there shall be.
///
/// # Errors
/// [`CartError`].
pub fn parse_quantity(body: &[u8]) -> Result<u32, CartError> {
    let CartQuantity { quantity } = read(body)?;
    check_quantity(quantity).map_err(|mistake| CartError::Values(vec![mistake]))
}

fn check_quantity(quantity: i64) -> Result<u32, Mistake> {
    let read = u32::try_from(quantity)
        .ok()
        .filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    read.ok_or_else(|| Mistake::new("/quantity", format!("1 to {QUANTITY_MAX} units")))
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, CartError> {
    serde_json::from_slice(body).map_err(|error| {
        let told = error.to_string();
        if error.is_data() {
            CartError::Shape(told)
        } else {
            CartError::NotJson(told)
        }
    })
}

// === impl CartView ===

impl CartView {
    /// The cart with these lines.
    pub fn of(lines: Vec<CartLineView>) -> Self {
        debug_assert!(lines.len() <= CART_LINES_MAX);
        let mut totals: Vec<Money> = Vec::new();
        for line in lines.iter().filter(|line| line.status == Status::OnSale) {
            let same = totals
                .iter_mut()
                .find(|total| total.currency == line.amount.currency);
            match same {
                Some(total) => *total = total.plus(line.amount).unwrap_or(*total),
                None => totals.push(line.amount),
            }
        }
        Self { lines, totals }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SaleState, product::tests::product};

    fn stock(available: i64) -> Stock {
        Stock {
            available,
            held: 0,
            sold: 0,
            version: 1,
        }
    }

    fn line(id: &str, quantity: u32) -> CartLine {
        CartLine {
            product_id: id.parse().unwrap(),
            quantity,
        }
    }

    #[test]
    fn an_addition_is_checked_to_its_last_value() {
        assert_eq!(
            CartLine::parse(br#"{"product_id":"a","quantity":2}"#),
            Ok(line("a", 2))
        );
        for body in [
            r#"{"product_id":"A","quantity":0}"#,
            r#"{"product_id":"A","quantity":11}"#,
        ] {
            let Err(CartError::Values(mistakes)) = CartLine::parse(body.as_bytes()) else {
                panic!("{body}")
            };
            let pointers: Vec<_> = mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
            assert_eq!(pointers, ["/product_id", "/quantity"]);
        }
        assert!(matches!(CartLine::parse(b"{}"), Err(CartError::Shape(_))));
        assert!(matches!(CartLine::parse(b"x"), Err(CartError::NotJson(_))));
        assert_eq!(parse_quantity(br#"{"quantity":10}"#), Ok(10));
        assert!(parse_quantity(br#"{"quantity":-1}"#).is_err());
    }

    #[test]
    fn the_total_is_what_can_be_ordered_for_each_currency_at_the_prices_of_the_moment() {
        let priced = |id: &str, minor, currency: &str, state| Product {
            price: Money::new(minor, currency.parse().unwrap()),
            state,
            ..product(id)
        };
        let views = [
            (line("a", 2), priced("a", 500, "EUR", SaleState::OnSale), stock(9)),
            (line("b", 1), priced("b", 7, "KRW", SaleState::OnSale), stock(1)),
            (line("c", 3), priced("c", 1, "EUR", SaleState::OnSale), stock(2)),
            (line("d", 1), priced("d", 9, "EUR", SaleState::Stopped), stock(9)),
            (line("e", 1), priced("e", 9, "EUR", SaleState::OnSale), stock(0)),
        ];
        let views = views.map(|(line, product, stock)| line.view(&product, stock).unwrap());
        let available = views.each_ref().map(|line| line.available);
        assert_eq!(available, [true, true, false, true, false]);
        let money = |minor, currency: &str| Money::new(minor, currency.parse().unwrap());
        let totals = CartView::of(views.into()).totals;
        assert_eq!(totals, [money(1_003, "EUR"), money(7, "KRW")]);
        let dear = priced("a", i64::MAX, "EUR", SaleState::OnSale);
        assert_eq!(line("a", 2).view(&dear, stock(9)), None);
    }
}
