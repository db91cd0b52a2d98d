//! Commands to the order worker, as they travel through RabbitMQ (an envelope is a line of JSON; a message has one or several).
//!
//! Every command about one order is routed by the same product, so that it stands in the same queue, behind
//! everything that was said of that order before.

use crate::{Money, OrderId, ProductId, SealedAddress, ShopperId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A command with what the broker needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names this command in logs and dead letters.
    pub message_id: Uuid,
    /// The product whose queue it belongs in: the first of the order's lines.
    pub routed_by: ProductId,
    /// What to do.
    pub command: Command,
}

/// What the worker is asked to do. Delivered at least once, decided exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Take an order: hold its units or refuse it.
    PlaceOrder(PlaceOrder),
    /// Give the units of an order that is not shipped back, and its money, because its shopper says so.
    CancelOrder(CancelOrder),
    /// The shopper was shown where to pay: keep the units a little longer.
    StartPayment(StartPayment),
    /// Act on what the payment provider reported.
    SettlePayment(SettlePayment),
    /// The shopper sends a delivered order back.
    RequestReturn(RequestReturn),
    /// Give a part of the money back because an operator says so.
    RefundOrder(RefundOrder),
}

impl Command {
    /// The order that it is about.
    pub fn order_id(&self) -> OrderId {
        match self {
            Self::PlaceOrder(place) => place.order_id,
            Self::CancelOrder(cancel) => cancel.order_id,
            Self::StartPayment(start) => start.order_id,
            Self::SettlePayment(settle) => settle.order_id,
            Self::RequestReturn(request) => request.order_id,
            Self::RefundOrder(refund) => refund.order_id,
        }
    }
}

/// One line of a purchase as the shopper asked for it. The price is not asked for: the worker reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedLine {
    /// Which product.
    pub product_id: ProductId,
    /// How many units, at least 1.
    pub quantity: u32,
    /// The price of one unit that the shopper saw, where it matters: at another one the order is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_price: Option<Money>,
}

/// Take an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    /// Derived from shopper and idempotency key, so a repeated command names the same order.
    pub order_id: OrderId,
    /// Who will own it.
    pub shopper: ShopperId,
    /// SHA-256 of the request as it was meant (hexadecimal): the same key with another fingerprint is a mistake.
    pub fingerprint: String,
    /// What is wanted: all or nothing.
    pub lines: Vec<RequestedLine>,
    /// When the intake accepted it, Unix milliseconds: for measuring the wait, never for deciding.
    pub accepted_at_unix_ms: u64,
    /// Where it goes, if its shopper is a member with an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SealedAddress>,
}

/// Give the units of an order that is not shipped back, and what was paid for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// Which order.
    pub order_id: OrderId,
    /// Who asks; it must be the owner.
    pub shopper: ShopperId,
}

/// The payment provider has opened a payment for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartPayment {
    /// Which order.
    pub order_id: OrderId,
    /// The provider's name of the payment: the same payment is started once.
    pub payment_reference: String,
}

/// Take a delivered order back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReturn {
    /// Which order.
    pub order_id: OrderId,
    /// Who asks; it must be the owner.
    pub shopper: ShopperId,
}

/// Give a part of an order's money back, and leave the order as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// Which order.
    pub order_id: OrderId,
    /// Names the refund: the same one is made once.
    pub refund_id: Uuid,
    /// How much; never more than what was captured and is not owed back already.
    pub amount: Money,
}

/// What the payment provider reported, after its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePayment {
    /// Which order.
    pub order_id: OrderId,
    /// The provider's name of this report: the same report twice is acted on once.
    pub event_id: String,
    /// The provider's name of the payment.
    pub payment_reference: String,
    /// How it went.
    pub settlement: Settlement,
}

/// How a payment went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Settlement {
    /// The money was taken.
    Captured {
        /// How much.
        amount: Money,
    },
    /// No money was taken, and none will be.
    Failed {
        /// The provider's reason, e.g. `card_declined`.
        reason: String,
    },
    /// The shopper left without paying; no money was taken, and none will be.
    Abandoned,
}
