//! The rows that are not values of the domain.

use contract::{Money, OrderId};
use time::OffsetDateTime;

/// A hold of an order.
#[derive(Debug, Clone)]
pub(crate) struct HoldRow {
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) extended: bool,
    /// How it ended, if it did.
    pub(crate) resolution: Option<&'static str>,
}

/// A refund that is owed.
#[derive(Debug, Clone)]
pub(crate) struct RefundRow {
    pub(crate) id: String,
    pub(crate) order: OrderId,
    pub(crate) payment: String,
    pub(crate) amount: Money,
    pub(crate) made: bool,
}
