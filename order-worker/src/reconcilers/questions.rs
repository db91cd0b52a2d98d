//! Asks the provider about payments of which nothing was heard: a webhook may never come.

use super::{Done, Reconciler};
use crate::store::{OpenPayment, Store, StoreError};
use contract::{Command, SettlePayment, Settlement};
use payments::{PaymentProvider, api::PaymentState};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tracing::warn;

/// Payments asked about in one run.
const BATCH: u8 = 20;

/// Asks what became of payments that were started, and acts on the answer as on a report.
pub struct AskProvider {
    /// The books.
    pub store: Store,
    /// Who is asked.
    pub provider: Arc<dyn PaymentProvider>,
    /// Woken after each commit.
    pub relay: Arc<Notify>,
}

impl Reconciler for AskProvider {
    const NAME: &'static str = "ask_provider";
    const PAUSE: Duration = Duration::from_secs(2);

    async fn run(&self) -> Result<Done, StoreError> {
        let open = self.store.payments_to_ask(BATCH.into()).await?;
        let mut count = 0;
        for payment in &open {
            match self.ask(payment).await {
                Ok(ended) => count += usize::from(ended),
                // One that cannot be settled must not keep the others from being asked about.
                Err(error) => {
                    warn!(order = %payment.order_id, %error, "cannot settle a payment that was asked about");
                    self.store.ask_again(payment).await?;
                }
            }
        }
        Ok(Done {
            count,
            more: open.len() == usize::from(BATCH),
        })
    }
}

impl AskProvider {
    /// Whether the payment has ended, one way or the other.
    async fn ask(&self, payment: &OpenPayment) -> Result<bool, StoreError> {
        let order = payment.order_id;
        let found = match self.provider.find(&payment.reference).await {
            Ok(found) => found,
            Err(failure) => {
                warn!(%order, error = %failure, "cannot ask what became of a payment");
                if failure.is_retryable() {
                    self.store.ask_again(payment).await?;
                } else {
                    self.store.ask_no_more(payment).await?;
                }
                return Ok(false);
            }
        };
        let settlement = match found.state {
            PaymentState::Open | PaymentState::Processing => {
                self.store.ask_again(payment).await?;
                return Ok(false);
            }
            PaymentState::Captured => Settlement::Captured { amount: found.amount },
            PaymentState::Failed => Settlement::Failed {
                reason: "found_failed".to_owned(),
            },
            PaymentState::Abandoned => Settlement::Abandoned,
        };
        self.settle(payment, settlement).await?;
        Ok(true)
    }

    /// The same answer has the same name, so that it is acted on once; the webhook may still come.
    async fn settle(&self, payment: &OpenPayment, settlement: Settlement) -> Result<(), StoreError> {
        let outcome = match settlement {
            Settlement::Captured { .. } => "captured",
            Settlement::Failed { .. } => "failed",
            Settlement::Abandoned => "abandoned",
        };
        let settle = SettlePayment {
            order_id: payment.order_id,
            event_id: format!("asked-{outcome}-{}", payment.reference),
            payment_reference: payment.reference.clone(),
            settlement,
        };
        self.store.apply(&[Command::SettlePayment(settle)]).await?;
        self.relay.notify_one();
        // One that was not acted on, because its report had been, is not asked about again either.
        self.store.ask_no_more(payment).await
    }
}
