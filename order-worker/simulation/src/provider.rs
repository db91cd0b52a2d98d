//! The payment provider, with books of its own.

use crate::{Verdict, promise};
use contract::{Money, OrderId, SettlePayment, Settlement};
use std::collections::BTreeMap;

/// Where a payment stands with the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Open,
    Captured,
    Failed,
    Abandoned,
}

/// A payment as the provider sees it.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    pub(crate) order: OrderId,
    pub(crate) amount: Money,
    pub(crate) stands: Stands,
    /// Whether the shopper was shown where to pay.
    pub(crate) shown: bool,
    refunds: BTreeMap<String, i64>,
}

/// The provider.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    pub(crate) payments: BTreeMap<String, Paid>,
    by_order: BTreeMap<OrderId, String>,
    /// Reports that have not arrived, with how often each will.
    pub(crate) reports: Vec<(SettlePayment, u8)>,
    events: u32,
}

impl Provider {
    /// The payment of an order: the same one, however often it is asked for.
    pub(crate) fn checkout(&mut self, order: OrderId, amount: Money) -> String {
        if let Some(known) = self.by_order.get(&order) {
            return known.clone();
        }
        let reference = self.open(order, amount);
        self.by_order.insert(order, reference.clone());
        reference
    }

    /// A payment beside the one of the order.
    pub(crate) fn open(&mut self, order: OrderId, amount: Money) -> String {
        let reference = format!("pay{}", self.payments.len());
        let paid = Paid {
            order,
            amount,
            stands: Stands::Open,
            shown: false,
            refunds: BTreeMap::new(),
        };
        self.payments.insert(reference.clone(), paid);
        reference
    }

    /// The payment ends, and a report of that sets out: so many copies of it.
    pub(crate) fn end(&mut self, reference: &str, stands: Stands, amount: Money, copies: u8) {
        let Some(paid) = self
            .payments
            .get_mut(reference)
            .filter(|paid| paid.stands == Stands::Open)
        else {
            return;
        };
        (paid.stands, paid.amount) = (stands, amount);
        let order_id = paid.order;
        self.events += 1;
        let report = SettlePayment {
            order_id,
            event_id: format!("event{}", self.events),
            payment_reference: reference.to_owned(),
            settlement: settlement(stands, amount),
        };
        self.reports.push((report, copies));
    }

    /// Gives money back, each refund once, and never more than was taken.
    pub(crate) fn refund(&mut self, reference: &str, refund: &str, minor: i64) -> Verdict {
        let Some(paid) = self.payments.get_mut(reference) else {
            return Err(format!("a refund of {reference}, which nobody opened"));
        };
        let known = paid.refunds.entry(refund.to_owned()).or_insert(minor);
        promise(*known == minor, || format!("refund {refund} with another amount"))?;
        let back: i64 = paid.refunds.values().sum();
        promise(
            paid.stands == Stands::Captured && back <= paid.amount.minor,
            || {
                format!(
                    "{back} given back of {reference}, of which {} was taken",
                    paid.amount.minor
                )
            },
        )
    }

    /// What the provider took of a payment and did not give back.
    pub(crate) fn keeps(&self, reference: &str) -> i64 {
        self.payments.get(reference).map_or(0, |paid| {
            let taken = if paid.stands == Stands::Captured {
                paid.amount.minor
            } else {
                0
            };
            taken - paid.refunds.values().sum::<i64>()
        })
    }
}

pub(crate) fn settlement(stands: Stands, amount: Money) -> Settlement {
    match stands {
        Stands::Captured => Settlement::Captured { amount },
        Stands::Failed => Settlement::Failed {
            reason: "card_declined".to_owned(),
        },
        Stands::Open | Stands::Abandoned => Settlement::Abandoned,
    }
}
