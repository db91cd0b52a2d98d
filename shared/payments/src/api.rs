//! The documents of the provider's HTTP API.
//!
//! | | |
//! |---|---|
//! | `POST /v1/payments` | [`NewPayment`] → [`Payment`]; one payment an order |
//! | `GET /v1/payments/{id}` | [`Payment`] |
//! | `POST /v1/payments/{id}/confirm` | [`Confirmation`] → [`Payment`]; what the checkout page does |
//! | `POST /v1/payments/{id}/refunds` | [`NewRefund`] → [`Refund`]; the same `refund_id` is given back once |

use contract::{Money, OrderId};
use serde::{Deserialize, Serialize};

/// Asks for a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// The order that is paid for.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Shown on the checkout page.
    pub description: String,
    /// Where the browser goes after the checkout page.
    pub return_url: String,
}

/// A payment as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The provider's name of it.
    pub id: String,
    /// The order that is paid for.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Shown on the checkout page.
    pub description: String,
    /// Where the browser goes after the checkout page.
    pub return_url: String,
    /// The page where the shopper pays.
    pub checkout_url: String,
    /// Where it stands.
    pub state: PaymentState,
    /// What was given back.
    #[serde(default)]
    pub refunds: Vec<Refund>,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// It waits for its shopper.
    Open,
    /// The shopper confirmed; the outcome is not known yet.
    Processing,
    /// The money was taken.
    Captured,
    /// No money was taken, and none will be.
    Failed,
    /// The shopper left the checkout page; nothing will ever be reported.
    Abandoned,
}

/// Confirms an open payment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The card that pays. Without one the sandbox chooses the outcome by the amount.
    pub card_number: Option<String>,
}

/// Asks for money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// The shop's name of the refund: the same one is made once.
    pub refund_id: String,
    /// How much.
    pub amount: Money,
}

/// Money that went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The provider's name of it.
    pub id: String,
    /// The shop's name of it.
    pub refund_id: String,
    /// How much.
    pub amount: Money,
    /// When, Unix milliseconds.
    pub refunded_at_unix_ms: u64,
}
