//! The payments, in memory.

use crate::outcome::Outcome;
use contract::OrderId;
use payments::api::{NewPayment, NewRefund, Payment, PaymentState, Refund};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Payments remembered; the oldest is forgotten for a new one.
const PAYMENTS_MAX: usize = 100_000;
/// Refunds of one payment.
const REFUNDS_MAX: usize = 100;

/// Why the ledger refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No payment of that name.
    #[error("there is no such payment; a restart of the sandbox forgets them all")]
    Unknown,
    /// The order has a payment of another amount.
    #[error("the order has a payment of another amount already")]
    OtherAmount,
    /// An amount that is not positive.
    #[error("the amount must be more than nothing")]
    NoAmount,
    /// Refund of money that was not taken, or more of it than was.
    #[error("only money that was captured, and not given back yet, can be given back")]
    NotRefundable,
}

/// All payments.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    payments: HashMap<String, Payment>,
    by_order: HashMap<OrderId, String>,
    by_age: VecDeque<String>,
}

// === impl Ledger ===

impl Ledger {
    /// Opens the payment `id`, or finds the one that the order has.
    pub fn open(&self, id: String, checkout_url: String, asked: NewPayment) -> Result<Payment, Refused> {
        if asked.amount.minor <= 0 {
            return Err(Refused::NoAmount);
        }
        let mut books = self.books();
        if let Some(known) = books
            .by_order
            .get(&asked.order_id)
            .and_then(|id| books.payments.get(id))
        {
            return if known.amount == asked.amount {
                Ok(known.clone())
            } else {
                Err(Refused::OtherAmount)
            };
        }
        let payment = Payment {
            id,
            order_id: asked.order_id,
            amount: asked.amount,
            description: asked.description,
            return_url: asked.return_url,
            checkout_url,
            state: PaymentState::Open,
            refunds: Vec::new(),
        };
        books.keep(payment.clone());
        Ok(payment)
    }

    /// The payment `id`.
    pub fn find(&self, id: &str) -> Result<Payment, Refused> {
        self.books().payments.get(id).cloned().ok_or(Refused::Unknown)
    }

    /// Confirms an open payment. Answers it and whether this call was the one that confirmed it.
    pub fn confirm(&self, id: &str, outcome: Outcome) -> Result<(Payment, bool), Refused> {
        let mut books = self.books();
        let payment = books.payments.get_mut(id).ok_or(Refused::Unknown)?;
        let is_first = payment.state == PaymentState::Open;
        if is_first {
            payment.state = match outcome {
                Outcome::Paid | Outcome::SentTwice => PaymentState::Captured,
                Outcome::Declined => PaymentState::Failed,
                Outcome::Abandoned => PaymentState::Abandoned,
                Outcome::Slow => PaymentState::Processing,
            };
        }
        Ok((payment.clone(), is_first))
    }

    /// A payment that was processed is captured now.
    pub fn capture(&self, id: &str) -> Result<Payment, Refused> {
        let mut books = self.books();
        let payment = books.payments.get_mut(id).ok_or(Refused::Unknown)?;
        payment.state = PaymentState::Captured;
        Ok(payment.clone())
    }

    /// Gives money back as refund `id_here`, unless the shop's refund of that name was made before. Answers the refund
    /// and, when it is a new one, its payment.
    pub fn refund(
        &self,
        id: &str,
        id_here: String,
        asked: &NewRefund,
        now_unix_ms: u64,
    ) -> Result<(Refund, Option<Payment>), Refused> {
        let mut books = self.books();
        let payment = books.payments.get_mut(id).ok_or(Refused::Unknown)?;
        if let Some(known) = payment
            .refunds
            .iter()
            .find(|refund| refund.refund_id == asked.refund_id)
        {
            return Ok((known.clone(), None));
        }
        if !is_refundable(payment, asked) {
            return Err(Refused::NotRefundable);
        }
        let refund = Refund {
            id: id_here,
            refund_id: asked.refund_id.clone(),
            amount: asked.amount,
            refunded_at_unix_ms: now_unix_ms,
        };
        payment.refunds.push(refund.clone());
        Ok((refund, Some(payment.clone())))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn keep(&mut self, payment: Payment) {
        if self.by_age.len() >= PAYMENTS_MAX {
            let oldest = self.by_age.pop_front().and_then(|id| self.payments.remove(&id));
            oldest.map(|payment| self.by_order.remove(&payment.order_id));
        }
        self.by_age.push_back(payment.id.clone());
        self.by_order.insert(payment.order_id, payment.id.clone());
        self.payments.insert(payment.id.clone(), payment);
    }
}

fn is_refundable(payment: &Payment, asked: &NewRefund) -> bool {
    let given_back: i64 = payment.refunds.iter().map(|refund| refund.amount.minor).sum();
    payment.state == PaymentState::Captured
        && payment.refunds.len() < REFUNDS_MAX
        && asked.amount.currency == payment.amount.currency
        && (1..=payment.amount.minor - given_back).contains(&asked.amount.minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Money, ShopperId};

    fn asked(key: &str, minor: i64) -> NewPayment {
        NewPayment {
            order_id: OrderId::derive(&ShopperId::of_session("ann"), key, 1),
            amount: Money::new(minor, "KRW".parse().unwrap()),
            description: "Sneaker".to_owned(),
            return_url: "http://shop/orders/1".to_owned(),
        }
    }

    fn open(ledger: &Ledger, id: &str, asked: NewPayment) -> Result<Payment, Refused> {
        ledger.open(id.to_owned(), format!("http://pay/checkout/{id}"), asked)
    }

    fn refund(ledger: &Ledger, name: &str, minor: i64) -> Result<bool, Refused> {
        let asked = NewRefund {
            refund_id: name.to_owned(),
            amount: Money::new(minor, "KRW".parse().unwrap()),
        };
        ledger
            .refund("p1", format!("here-{name}"), &asked, 7)
            .map(|(_, payment)| payment.is_some())
    }

    #[test]
    fn an_order_has_one_payment() {
        let ledger = Ledger::default();
        let first = open(&ledger, "p1", asked("k", 500)).unwrap();
        assert_eq!(open(&ledger, "p2", asked("k", 500)).unwrap(), first);
        assert_eq!(open(&ledger, "p3", asked("k", 501)), Err(Refused::OtherAmount));
        assert_eq!(open(&ledger, "p4", asked("other", 0)), Err(Refused::NoAmount));
        assert_eq!(ledger.find("p2"), Err(Refused::Unknown));
    }

    #[test]
    fn only_the_first_confirmation_counts() {
        let ledger = Ledger::default();
        open(&ledger, "p1", asked("k", 500)).unwrap();
        let (payment, first) = ledger.confirm("p1", Outcome::Declined).unwrap();
        assert_eq!((payment.state, first), (PaymentState::Failed, true));
        let (payment, first) = ledger.confirm("p1", Outcome::Paid).unwrap();
        assert_eq!((payment.state, first), (PaymentState::Failed, false));
    }

    #[test]
    fn no_more_goes_back_than_was_taken_and_the_same_refund_once() {
        let ledger = Ledger::default();
        open(&ledger, "p1", asked("k", 500)).unwrap();
        assert_eq!(
            refund(&ledger, "r", 1),
            Err(Refused::NotRefundable),
            "nothing is captured yet"
        );
        ledger.confirm("p1", Outcome::Paid).unwrap();
        for (name, minor, verdict) in [
            ("a", 501, Err(Refused::NotRefundable)),
            ("a", 0, Err(Refused::NotRefundable)),
            ("a", 200, Ok(true)),
            ("a", 200, Ok(false)),
            ("b", 200, Ok(true)),
            ("c", 101, Err(Refused::NotRefundable)),
            ("c", 100, Ok(true)),
            ("d", 1, Err(Refused::NotRefundable)),
        ] {
            assert_eq!(refund(&ledger, name, minor), verdict, "{name} {minor}");
        }
    }

    #[test]
    fn the_oldest_payment_makes_room() {
        let ledger = Ledger::default();
        for number in 0..=PAYMENTS_MAX {
            open(&ledger, &number.to_string(), asked(&number.to_string(), 1)).unwrap();
        }
        assert_eq!(ledger.find("0"), Err(Refused::Unknown));
        assert!(ledger.find("1").is_ok());
        assert_eq!(ledger.books().by_order.len(), PAYMENTS_MAX);
    }
}
