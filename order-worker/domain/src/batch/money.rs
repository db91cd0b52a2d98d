//! Payments and refunds while a batch is decided.

use super::ledger::Ledger;
use crate::payment::{Payment, Refund, RefundCause};
use contract::{Money, OrderId};

impl Ledger {
    pub(super) fn payment(&self, order: OrderId, payment: &str) -> Option<Payment> {
        self.books.payments.get(&(order, payment.to_owned())).copied()
    }

    pub(super) fn set_payment(&mut self, order: OrderId, payment: &str, stands: Payment) {
        let name = (order, payment.to_owned());
        self.books.payments.insert(name.clone(), stands);
        self.payments.insert(name);
    }

    /// The order's payments of which we keep something, and how much, in the order of their names.
    pub(super) fn kept_payments(&self, order: OrderId) -> Vec<(String, Money)> {
        let payments = self.books.payments.iter().filter(|((of, _), _)| *of == order);
        let mut kept: Vec<_> = payments
            .filter_map(|((_, name), payment)| Some((name.clone(), payment.kept()?)))
            .collect();
        kept.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        kept
    }

    /// Enters money that is owed back, and answers whether it was: what is not kept cannot be, and a payment of nothing
    /// needs no refund.
    pub(super) fn owe(
        &mut self,
        order_id: OrderId,
        payment: &str,
        amount: Money,
        cause: &RefundCause,
    ) -> bool {
        let owing = self
            .payment(order_id, payment)
            .and_then(|payment| payment.owing(amount));
        let Some(owing) = owing else { return false };
        self.set_payment(order_id, payment, owing);
        let id = cause.id(payment);
        let known = self.books.refunds.entry(order_id).or_default();
        known.ids.insert(id.clone());
        known.outstanding = true;
        self.written.refunds.push(Refund {
            id,
            payment_reference: payment.to_owned(),
            order_id,
            amount,
            due_at: self.now,
        });
        true
    }

    pub(super) fn knows_refund(&self, order: OrderId, id: &str) -> bool {
        let known = self.books.refunds.get(&order);
        known.is_some_and(|known| known.ids.contains(id))
    }

    pub(super) fn is_owed_anything(&self, order: OrderId) -> bool {
        let known = self.books.refunds.get(&order);
        known.is_some_and(|known| known.outstanding)
    }

    pub(super) fn write_money(&mut self) {
        for (order, name) in std::mem::take(&mut self.payments) {
            if let Some(payment) = self.payment(order, &name) {
                self.written.payments.push((order, name, payment));
            }
        }
    }
}
