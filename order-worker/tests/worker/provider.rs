//! A payment provider in memory: it makes refunds, knows payments by what their names say, and may be out of order.

use crate::shop::{PRICE, eur, order_id};
use async_trait::async_trait;
use contract::Money;
use payments::{
    Checkout, CheckoutRequest, PaymentError, PaymentProvider,
    api::{Payment, PaymentState},
};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// Of which payment, under which name, and how much.
pub type Refund = (String, String, i64);

#[derive(Default)]
pub struct Provider {
    is_out: AtomicBool,
    asked: Mutex<Vec<Refund>>,
    made: Mutex<BTreeSet<Refund>>,
}

impl Provider {
    pub fn is_out_of_order(&self, out: bool) {
        self.is_out.store(out, SeqCst);
    }

    /// The refunds that were asked for, also in vain.
    pub fn asked(&self) -> Vec<Refund> {
        self.asked.lock().unwrap().clone()
    }

    /// Those that were made, each once.
    pub fn made(&self) -> BTreeSet<Refund> {
        self.made.lock().unwrap().clone()
    }

    fn answers(&self, operation: &'static str) -> Result<(), PaymentError> {
        let source = anyhow::anyhow!("out of order");
        let unavailable = PaymentError::Unavailable { operation, source };
        (!self.is_out.load(SeqCst)).then_some(()).ok_or(unavailable)
    }
}

#[async_trait]
impl PaymentProvider for Provider {
    async fn create_checkout(&self, _: &CheckoutRequest) -> Result<Checkout, PaymentError> {
        unreachable!("the worker opens no payments")
    }

    async fn find(&self, reference: &str) -> Result<Payment, PaymentError> {
        let operation = "find";
        self.answers(operation)?;
        let state = match reference {
            "captured" => PaymentState::Captured,
            "failed" => PaymentState::Failed,
            "abandoned" => PaymentState::Abandoned,
            "open" => PaymentState::Open,
            _ => {
                let (status, detail) = (404, "unknown".to_owned());
                return Err(PaymentError::Refused {
                    operation,
                    status,
                    detail,
                });
            }
        };
        Ok(Payment {
            id: reference.to_owned(),
            order_id: order_id(0),
            amount: eur(PRICE),
            description: String::new(),
            return_url: String::new(),
            checkout_url: String::new(),
            state,
            refunds: Vec::new(),
        })
    }

    async fn refund(&self, reference: &str, refund_id: &str, amount: Money) -> Result<(), PaymentError> {
        let refund = (reference.to_owned(), refund_id.to_owned(), amount.minor);
        self.asked.lock().unwrap().push(refund.clone());
        self.answers("refund")?;
        self.made.lock().unwrap().insert(refund);
        Ok(())
    }
}
