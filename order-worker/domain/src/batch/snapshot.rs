//! What is there before a batch is decided.

use crate::{order::Order, sale::Sale, stock::Stock};
use contract::{Money, OrderId, ProductId};
use std::collections::{HashMap, HashSet};
use time::Duration;

/// A product as far as orders are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its name, copied into orders.
    pub name: String,
    /// The price of one unit, copied into orders.
    pub price: Money,
    /// How long its units are held for their payment.
    pub hold_lasts: Duration,
    /// Whether it may be ordered, and when.
    pub sale: Sale,
    /// Its stock; the shell has locked the row.
    pub stock: Stock,
}

/// The rows that a batch is about, as of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Products by identifier.
    pub products: HashMap<ProductId, Product>,
    /// Orders by identifier.
    pub orders: HashMap<OrderId, Order>,
    /// The reports (by the provider's event id) that were acted on before.
    pub seen_reports: HashSet<String>,
    /// The payments that were captured before, by order.
    pub captured: HashSet<(OrderId, String)>,
}

impl Snapshot {
    /// Whether it has the products of all its orders: only then can their units go back.
    pub fn is_complete(&self) -> bool {
        let purchases = self.orders.values().filter_map(Order::purchase);
        let mut lines = purchases.flat_map(|purchase| &purchase.lines);
        lines.all(|line| self.products.contains_key(&line.product_id))
    }
}
