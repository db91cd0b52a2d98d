//! What is there before a batch is decided.

use crate::{order::Order, payment::Payment, sale::Sale, stock::Stock};
use contract::{Money, OrderId, ProductId, ShopperId};
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
    /// How many units one customer may have, if that is limited.
    pub per_customer: Option<u32>,
    /// It is sold by draw: to orders that have a right, and to nobody else.
    pub by_draw: bool,
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
    /// The rights that orders have to products that are sold by draw; the shell has locked them.
    pub rights: HashSet<(OrderId, ProductId)>,
    /// The reports (by the provider's event id) that were acted on before.
    pub seen_reports: HashSet<String>,
    /// What is known of the orders' payments, by the provider's names.
    pub payments: HashMap<(OrderId, String), Payment>,
    /// What is owed back of the orders' money, or was.
    pub refunds: HashMap<OrderId, KnownRefunds>,
    /// How many units of a limited product a customer has.
    pub customers: HashMap<(ProductId, ShopperId), i64>,
}

/// The refunds of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRefunds {
    /// Their names.
    pub ids: HashSet<String>,
    /// Whether one of them is not made yet.
    pub outstanding: bool,
}

impl Snapshot {
    /// Whether it has the products of all its orders: only then can their units go back.
    pub fn is_complete(&self) -> bool {
        let purchases = self.orders.values().filter_map(Order::purchase);
        let mut lines = purchases.flat_map(|purchase| &purchase.lines);
        lines.all(|line| self.products.contains_key(&line.product_id))
    }
}
