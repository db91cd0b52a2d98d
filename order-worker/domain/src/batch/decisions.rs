//! What is to be written after a batch was decided.

use crate::{
    hold::{Hold, ResolvedHold},
    order::Order,
    payment::{Payment, Refund},
    stock::Stock,
};
use contract::{
    Event, MemberId, OrderId, OrderState, ProductId, RefundReason, SealedAddress, SettlePayment, ShopperId,
};
use time::OffsetDateTime;

/// Everything that a batch writes, and what it decided of each command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Orders that are new, in the order of their decision, as they stand at the end of the batch.
    pub placed: Vec<Order>,
    /// Where members' new orders go.
    pub addresses: Vec<NewAddress>,
    /// Orders that were there and moved.
    pub moved: Vec<Order>,
    /// Holds that were made.
    pub holds: Vec<NewHold>,
    /// Holds of earlier batches that last longer now.
    pub extensions: Vec<(OrderId, Hold)>,
    /// Holds that ended, whether made in this batch or earlier.
    pub resolutions: Vec<(OrderId, ResolvedHold)>,
    /// Sales that were undone: the units are back on the shelf.
    pub restocks: Vec<Restock>,
    /// Stock rows that changed.
    pub stock: Vec<(ProductId, Stock)>,
    /// What customers have of products that are limited, where it changed.
    pub customers: Vec<CustomerUnits>,
    /// Payments that are new or moved, by order and the provider's name.
    pub payments: Vec<(OrderId, String, Payment)>,
    /// Reports that were acted on.
    pub reports: Vec<SettlePayment>,
    /// Money that is owed back.
    pub refunds: Vec<Refund>,
    /// What to tell, in sequence: the orders, then each changed stock row once.
    pub events: Vec<Event>,
    /// One for each command, in their order.
    pub verdicts: Vec<Verdict>,
}

impl Decisions {
    /// Whether there is nothing to write but what is told again.
    pub fn changes_nothing(&self) -> bool {
        self.placed.is_empty()
            && self.moved.is_empty()
            && self.holds.is_empty()
            && self.extensions.is_empty()
            && self.resolutions.is_empty()
            && self.restocks.is_empty()
            && self.stock.is_empty()
            && self.customers.is_empty()
            && self.payments.is_empty()
            && self.reports.is_empty()
            && self.refunds.is_empty()
    }
}

/// Where a new order goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAddress {
    /// Which order.
    pub order_id: OrderId,
    /// Whose.
    pub member: MemberId,
    /// The address.
    pub address: SealedAddress,
}

/// A hold that was made in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Of which order.
    pub order_id: OrderId,
    /// The hold.
    pub hold: Hold,
    /// Whether it is still open at the end of the batch.
    pub open: bool,
}

/// A sale that was undone, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restock {
    /// Of which order.
    pub order_id: OrderId,
    /// Why.
    pub reason: RefundReason,
    /// When.
    pub at: OffsetDateTime,
}

/// What a customer has of a product that is limited: units held and sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerUnits {
    /// Which product.
    pub product_id: ProductId,
    /// Whose.
    pub shopper: ShopperId,
    /// How many.
    pub units: i64,
    /// How many these may be; more than the product's limit only while what is there is given back.
    pub at_most: i64,
}

/// What was decided of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its order was decided or moved, to this state.
    Changed(OrderState),
    /// It had been decided before, or came too late, or from somebody else.
    Unchanged,
    /// Nothing can be done with it, now or later: somebody should look.
    GivenUp(GiveUp),
}

/// Why nothing can be done with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// There is no such order.
    UnknownOrder,
    /// The provider reported a capture of nothing.
    NothingCaptured,
}

impl GiveUp {
    /// The reason among the dead letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownOrder => "unknown_order",
            Self::NothingCaptured => "nothing_captured",
        }
    }
}
