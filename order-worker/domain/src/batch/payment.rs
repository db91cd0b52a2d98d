//! Acting on what the payment provider reported.

use super::{GiveUp, Verdict, ledger::Ledger};
use crate::{
    order::{Ending, State},
    payment::{Payment, RefundCause},
};
use contract::{Money, OrderId, SettlePayment, Settlement, StartPayment};

impl Ledger {
    /// The payment is known from now on, whatever has become of the order: it may still be paid.
    pub(super) fn start_payment(&mut self, start: &StartPayment) -> Verdict {
        let id = start.order_id;
        let Some(order) = self.order(id).cloned() else {
            return Verdict::GivenUp(GiveUp::UnknownOrder);
        };
        if self.payment(id, &start.payment_reference).is_some() {
            return Verdict::Unchanged;
        }
        self.set_payment(id, &start.payment_reference, Payment::Started);
        match order.extend_hold(&self.terms, self.now) {
            Some((order, hold)) => {
                self.extend_hold(id, hold);
                self.put(order)
            }
            None => Verdict::Unchanged,
        }
    }

    pub(super) fn settle(&mut self, settle: &SettlePayment) -> Verdict {
        if self.books.seen_reports.contains(&settle.event_id) {
            return Verdict::Unchanged;
        }
        let (id, payment) = (settle.order_id, settle.payment_reference.as_str());
        let Some(order) = self.order(id) else {
            return Verdict::GivenUp(GiveUp::UnknownOrder);
        };
        let price = order.purchase().map(|purchase| purchase.total);
        if captured_nothing(&settle.settlement, price) {
            return Verdict::GivenUp(GiveUp::NothingCaptured);
        }
        self.books.seen_reports.insert(settle.event_id.clone());
        self.written.reports.push(settle.clone());
        match settle.settlement {
            Settlement::Captured { amount } => self.captured(id, payment, amount, price),
            Settlement::Failed { .. } => self.ended(id, payment, Ending::PAYMENT_FAILED),
            Settlement::Abandoned => self.ended(id, payment, Ending::PAYMENT_ABANDONED),
        }
    }

    /// No money came, and none will: the units need not wait for it. What was captured stays so, whatever is heard of
    /// it later.
    fn ended(&mut self, id: OrderId, payment: &str, ending: Ending) -> Verdict {
        if self.payment(id, payment).is_some_and(Payment::is_captured) {
            return Verdict::Unchanged;
        }
        self.set_payment(id, payment, Payment::Ended);
        self.end_hold(id, ending)
    }

    /// Money came in: it buys the units, or it goes back.
    fn captured(&mut self, id: OrderId, payment: &str, amount: Money, price: Option<Money>) -> Verdict {
        if self.payment(id, payment).is_some_and(Payment::is_captured) {
            // The same payment in another report.
            return Verdict::Unchanged;
        }
        self.set_payment(id, payment, Payment::Captured { amount, owed_back: 0 });
        let exact = price == Some(amount);
        let held = self
            .order(id)
            .is_some_and(|order| matches!(order.state, State::Held(..)));
        match (held, exact) {
            (true, true) => self.end_hold(id, Ending::Paid),
            (true, false) => {
                self.owe(id, payment, amount, &RefundCause::Unbought);
                self.end_hold(id, Ending::WRONG_AMOUNT)
            }
            (false, true) if self.hold_again(id) => self.end_hold(id, Ending::Paid),
            (false, _) => self.give_back(id, payment, amount, exact),
        }
    }

    /// A payment that came when its hold was over takes the units if they are there, and its shopper may have them.
    fn hold_again(&mut self, id: OrderId) -> bool {
        let again = self
            .order(id)
            .cloned()
            .and_then(|order| order.hold_again(self.now));
        let Some((order, hold)) = again else { return false };
        let taken = order.purchase().is_some_and(|purchase| {
            self.has_rights(id, purchase)
                && self.allows(&order.shopper, purchase)
                && self.take_units(&order.shopper, purchase)
        });
        if taken {
            self.books.orders.insert(id, order);
            self.enter_hold(id, hold);
        }
        taken
    }

    /// The order is paid already, or its units are gone: the money is owed back.
    fn give_back(&mut self, id: OrderId, payment: &str, amount: Money, exact: bool) -> Verdict {
        self.owe(id, payment, amount, &RefundCause::Unbought);
        let owing = self
            .order(id)
            .cloned()
            .and_then(|order| order.owe_refund(exact, self.now));
        owing.map_or(Verdict::Unchanged, |order| self.put(order))
    }
}

/// A capture of nothing is a report we cannot understand, unless nothing is what the order costs.
fn captured_nothing(settlement: &Settlement, price: Option<Money>) -> bool {
    matches!(settlement, Settlement::Captured { amount } if amount.minor <= 0 && price != Some(*amount))
}
