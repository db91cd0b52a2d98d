//! An order as every service shows and stores it.

use crate::{Money, OrderId, ProductId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where an order stands. `Pending` is the time between intake and decision and is never a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum OrderState {
    /// Accepted and durable in the queue, not decided yet.
    Pending,
    /// Its units are held; it waits for the payment.
    Held,
    /// Refused; nothing was held. The reason is a [`Refusal`].
    Refused,
    /// Paid; its units are sold.
    Paid,
    /// Cancelled by its shopper; its units went back.
    Cancelled,
    /// The payment failed; its units went back.
    PaymentFailed,
    /// Not paid in time; its units went back.
    Expired,
    /// Paid after its units were gone; the money is owed to the shopper.
    RefundDue,
    /// The money went back.
    Refunded,
}

impl OrderState {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Pending, "pending"),
        (Self::Held, "held"),
        (Self::Refused, "refused"),
        (Self::Paid, "paid"),
        (Self::Cancelled, "cancelled"),
        (Self::PaymentFailed, "payment_failed"),
        (Self::Expired, "expired"),
        (Self::RefundDue, "refund_due"),
        (Self::Refunded, "refunded"),
    ];

    /// The word used in JSON and in rows.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("pending", |(_, word)| word)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OrderState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(state, _)| *state)
            .ok_or(UnknownWord)
    }
}

/// A stored word that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// Why an order was refused: one word for each rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Refusal {
    /// Not enough units are left of at least one product.
    SoldOut,
    /// At least one product does not exist.
    UnknownProduct,
    /// The lines do not make a valid order (none, too many, two currencies, a sum too large).
    Invalid,
    /// At least one product cannot be ordered yet.
    NotOpen,
    /// At least one product cannot be ordered any more.
    Closed,
    /// The sale of at least one product was stopped.
    NotForSale,
    /// At least one price is not the one that the shopper saw.
    PriceChanged,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::SoldOut,
        Self::UnknownProduct,
        Self::Invalid,
        Self::NotOpen,
        Self::Closed,
        Self::NotForSale,
        Self::PriceChanged,
    ];

    /// The word used in JSON and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "sold_out",
            Self::UnknownProduct => "unknown_product",
            Self::Invalid => "invalid",
            Self::NotOpen => "not_open",
            Self::Closed => "closed",
            Self::NotForSale => "not_for_sale",
            Self::PriceChanged => "price_changed",
        }
    }
}

impl FromStr for Refusal {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|refusal| refusal.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// One line of an order with its name and price frozen at the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderLine {
    /// Which product.
    pub product_id: ProductId,
    /// Its name when the order was decided.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// The price of one unit when the order was decided.
    pub unit_price: Money,
}

/// An order as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderView {
    /// Its identifier.
    pub order_id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// Why, when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What it contains; empty while pending or when refused.
    #[serde(default)]
    pub lines: Vec<OrderLine>,
    /// What it costs, once decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// Until when the units are held (Unix milliseconds), while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_expires_at_unix_ms: Option<u64>,
    /// Grows with every change: of two views the one with the higher version is newer. 0 while pending.
    pub version: i32,
}

impl OrderView {
    /// The view of an order that was accepted and not decided yet.
    pub fn pending(order_id: OrderId) -> Self {
        Self {
            order_id,
            state: OrderState::Pending,
            refusal: None,
            lines: Vec::new(),
            total: None,
            hold_expires_at_unix_ms: None,
            version: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_the_words_of_the_json() {
        for (state, word) in OrderState::ALL {
            assert_eq!(word.parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
        for refusal in Refusal::ALL {
            assert_eq!(refusal.as_str().parse(), Ok(refusal));
            assert_eq!(serde_json::to_value(refusal).unwrap(), refusal.as_str());
        }
    }
}
