//! Events from the order worker: what was committed, told after the commit, at least once.

use crate::{OrderView, ProductId, ShopperId};
use serde::{Deserialize, Serialize};

/// Something that was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// An order was decided or moved on.
    OrderChanged(OrderChanged),
    /// A product's stock row changed.
    StockChanged(StockChanged),
}

impl Event {
    /// The routing key on the events exchange: `order.<state>` or `stock`. Those of one key may travel together: stock of
    /// all products does, because one transaction changes that of many.
    pub fn routing_key(&self) -> String {
        match self {
            Self::OrderChanged(changed) => format!("order.{}", changed.order.state),
            Self::StockChanged(_) => "stock".to_owned(),
        }
    }
}

/// An order was decided or moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderChanged {
    /// Its owner.
    pub shopper: ShopperId,
    /// How it stands now.
    pub order: OrderView,
}

/// A stock row as of `version`; an event with a lower version than one already seen is old news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockChanged {
    /// Which product.
    pub product_id: ProductId,
    /// Units that were put up for sale.
    pub on_hand: i64,
    /// Units in open holds.
    pub held: i64,
    /// Units paid for.
    pub sold: i64,
    /// Grows by one with every change of the row.
    pub version: i64,
}

impl StockChanged {
    /// Units that an order could still hold.
    pub fn available(&self) -> i64 {
        self.on_hand - self.held - self.sold
    }
}
