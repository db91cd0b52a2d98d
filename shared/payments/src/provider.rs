//! What a payment provider can do for us.

use crate::api::Payment;
use async_trait::async_trait;
use contract::{Money, OrderId};

/// What the shopper is asked to pay for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// The order; it has one payment, however often a checkout is asked for.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// What for, in the shopper's words.
    pub description: String,
    /// Where the provider sends the shopper's browser afterwards.
    pub return_url: String,
}

/// A payment that waits for its shopper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The provider's name of the payment.
    pub reference: String,
    /// The page where the shopper pays.
    pub url: String,
}

/// Why the provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// It could not be asked, or failed itself. Asking again later may help, and is safe.
    #[error("the payment provider cannot {operation} now")]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// It understood and refused. Asking again will not help.
    #[error("the payment provider refused to {operation} (status {status}): {detail}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// The provider's own words, for the log.
        detail: String,
    },
}

impl PaymentError {
    /// Whether asking again later may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A payment provider. Every operation may be repeated: the second time changes nothing.
#[async_trait]
pub trait PaymentProvider: Send + Sync + 'static {
    /// Opens the order's payment, or finds the one that was opened before.
    ///
    /// # Errors
    /// [`PaymentError`]; `Refused` also when the order has a payment of another amount.
    async fn create_checkout(&self, request: &CheckoutRequest) -> Result<Checkout, PaymentError>;

    /// What became of the payment `reference`: for reports that do not come.
    ///
    /// # Errors
    /// [`PaymentError`]; `Refused` when the provider knows no such payment.
    async fn find(&self, reference: &str) -> Result<Payment, PaymentError>;

    /// Gives `amount` of the captured payment `reference` back, as the refund `refund_id` of ours: the same refund once.
    ///
    /// # Errors
    /// [`PaymentError`]; `Refused` when nothing was captured or the amount is more than what is left of it.
    async fn refund(&self, reference: &str, refund_id: &str, amount: Money) -> Result<(), PaymentError>;
}
