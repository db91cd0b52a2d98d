//! What comes after an order was paid: shipped, delivered, kept, or taken back and refunded.

use super::{GiveUp, Verdict, decisions::Restock, ledger::Ledger};
use crate::{
    order::{Ending, Stage, State},
    payment::RefundCause,
};
use contract::{CancelOrder, OrderId, RefundOrder, RefundReason, RequestReturn};

impl Ledger {
    /// Whatever the order was, a second cancellation finds nothing left to do: so one that is delivered twice, with a
    /// late payment in between, undoes no sale that its shopper did not want undone.
    pub(super) fn cancel(&mut self, cancel: &CancelOrder) -> Verdict {
        match self.order(cancel.order_id) {
            None => Verdict::GivenUp(GiveUp::UnknownOrder),
            Some(order) if order.shopper != cancel.shopper => Verdict::Unchanged,
            Some(order) => match order.state {
                State::Held(..) => self.end_hold(cancel.order_id, Ending::CANCELLED),
                State::Sold { .. } => self.take_back(cancel.order_id, RefundReason::Cancelled),
                State::Refused(_) | State::Closed { .. } => {
                    let cancelled = order.clone().cancel_for_good(self.now);
                    cancelled.map_or(Verdict::Unchanged, |order| self.put(order))
                }
            },
        }
    }

    pub(super) fn request_return(&mut self, request: &RequestReturn) -> Verdict {
        let Some(order) = self.order(request.order_id).cloned() else {
            return Verdict::GivenUp(GiveUp::UnknownOrder);
        };
        if order.shopper != request.shopper {
            return Verdict::Unchanged;
        }
        let sent_back = order.request_return(&self.terms, self.now);
        sent_back.map_or(Verdict::Unchanged, |order| self.put(order))
    }

    /// Gives back what an operator names, of the payment that bought the order; more than is kept of it is refused.
    pub(super) fn refund(&mut self, refund: &RefundOrder) -> Verdict {
        let id = refund.order_id;
        let Some(order) = self.order(id) else {
            return Verdict::GivenUp(GiveUp::UnknownOrder);
        };
        let sold = matches!(order.state, State::Sold { .. });
        let cause = RefundCause::ByHand(refund.refund_id.to_string());
        if !sold || self.knows_refund(id, &cause.id("")) {
            return Verdict::Unchanged;
        }
        if let Some((payment, _)) = self.kept_payments(id).into_iter().next() {
            self.owe(id, &payment, refund.amount, &cause);
        }
        // The order stands as before until the money is back.
        Verdict::Unchanged
    }

    /// What time alone does to a paid order: the next step, if it is due.
    pub(super) fn step(&mut self, id: OrderId) -> Verdict {
        let Some(order) = self.order(id).cloned() else {
            return Verdict::Unchanged;
        };
        if matches!(order.stage(), Some(Stage::ReturnRequested { .. })) {
            return self.take_back(id, RefundReason::Returned);
        }
        let stepped = order.next_step(&self.terms, self.now);
        stepped.map_or(Verdict::Unchanged, |order| self.put(order))
    }

    /// Undoes a sale: the units are for sale again, and all that is kept of the money is owed back.
    fn take_back(&mut self, id: OrderId, reason: RefundReason) -> Verdict {
        let back = self
            .order(id)
            .cloned()
            .and_then(|order| order.take_back(reason, self.now));
        let Some(order) = back else {
            return Verdict::Unchanged;
        };
        self.restock(&order);
        let at = self.now;
        self.written.restocks.push(Restock {
            order_id: id,
            reason,
            at,
        });
        let cause = RefundCause::GivenUp(reason);
        for (payment, kept) in self.kept_payments(id) {
            self.owe(id, &payment, kept, &cause);
        }
        let order = if self.is_owed_anything(id) {
            order
        } else {
            order.settled()
        };
        self.put(order)
    }
}
