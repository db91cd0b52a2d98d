//! Acting on what the payment provider reported.

use super::{GiveUp, Verdict, ledger::Ledger};
use crate::order::{Ending, State};
use contract::{Money, OrderId, SettlePayment, Settlement};

impl Ledger {
    pub(super) fn settle(&mut self, settle: &SettlePayment) -> Verdict {
        if self.books.seen_reports.contains(&settle.event_id) {
            return Verdict::Unchanged;
        }
        let Some(order) = self.order(settle.order_id) else {
            return Verdict::GivenUp(GiveUp::UnknownOrder);
        };
        let price = order.purchase().map(|purchase| purchase.total);
        if captured_nothing(&settle.settlement, price) {
            return Verdict::GivenUp(GiveUp::NothingCaptured);
        }
        self.books.seen_reports.insert(settle.event_id.clone());
        self.written.reports.push(settle.clone());
        match settle.settlement {
            Settlement::Captured { amount } => {
                self.captured(settle.order_id, &settle.payment_reference, amount, price)
            }
            Settlement::Failed { .. } => self.end_hold(settle.order_id, Ending::PaymentFailed),
        }
    }

    /// Money came in: it buys the units, or it goes back.
    fn captured(&mut self, id: OrderId, payment: &str, amount: Money, price: Option<Money>) -> Verdict {
        if !self.books.captured.insert((id, payment.to_owned())) {
            // The same payment in another report.
            return Verdict::Unchanged;
        }
        let exact = price == Some(amount);
        let held = self
            .order(id)
            .is_some_and(|order| matches!(order.state, State::Held(..)));
        match (held, exact) {
            (true, true) => self.end_hold(id, Ending::Paid),
            (true, false) => {
                self.owe(id, payment, amount);
                self.end_hold(id, Ending::WrongAmount)
            }
            (false, true) if self.hold_again(id) => self.end_hold(id, Ending::Paid),
            (false, _) => self.give_back(id, payment, amount),
        }
    }

    /// A payment that came when its hold was over takes the units if they are there.
    fn hold_again(&mut self, id: OrderId) -> bool {
        let again = self
            .order(id)
            .cloned()
            .and_then(|order| order.hold_again(self.now));
        let Some((order, hold)) = again else { return false };
        let taken = order
            .purchase()
            .is_some_and(|purchase| self.has_rights(id, purchase) && self.take_units(purchase));
        if taken {
            self.books.orders.insert(id, order);
            self.enter_hold(id, hold);
        }
        taken
    }

    /// The order is paid already, or its units are gone: the money is owed back.
    fn give_back(&mut self, id: OrderId, payment: &str, amount: Money) -> Verdict {
        self.owe(id, payment, amount);
        let owing = self
            .order(id)
            .cloned()
            .and_then(|order| order.owe_refund(self.now));
        owing.map_or(Verdict::Unchanged, |order| self.put(order))
    }
}

/// A capture of nothing is a report we cannot understand, unless nothing is what the order costs.
fn captured_nothing(settlement: &Settlement, price: Option<Money>) -> bool {
    matches!(settlement, Settlement::Captured { amount } if amount.minor <= 0 && price != Some(*amount))
}
