//! Gives money back that is owed.

use super::{Done, Reconciler};
use crate::store::{DueRefund, Store, StoreError};
use payments::PaymentProvider;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tracing::{error, warn};

/// Refunds asked for in one run.
const BATCH: u8 = 20;

/// Asks the payment provider for the refunds that are due. The provider makes each once, however often it is asked.
pub struct SettleRefunds {
    /// The books.
    pub store: Store,
    /// Who makes the refunds.
    pub provider: Arc<dyn PaymentProvider>,
    /// Woken after each commit.
    pub relay: Arc<Notify>,
}

impl Reconciler for SettleRefunds {
    const NAME: &'static str = "settle_refunds";
    const PAUSE: Duration = Duration::from_secs(2);

    async fn run(&self) -> Result<Done, StoreError> {
        let due = self.store.due_refunds(BATCH.into()).await?;
        let mut count = 0;
        for refund in &due {
            count += usize::from(self.settle(refund).await?);
        }
        Ok(Done {
            count,
            more: due.len() == usize::from(BATCH),
        })
    }
}

impl SettleRefunds {
    async fn settle(&self, refund: &DueRefund) -> Result<bool, StoreError> {
        match self
            .provider
            .refund(&refund.payment_reference, &refund.id, refund.amount)
            .await
        {
            Ok(()) => {
                let news = self.store.refund_made(refund).await?;
                self.relay.notify_one();
                Ok(news)
            }
            Err(failure) => {
                let order = refund.order_id;
                if failure.is_retryable() {
                    warn!(%order, error = %failure, "a refund has to wait");
                } else {
                    error!(%order, error = %failure, "the provider refuses a refund: somebody should look");
                }
                self.store.refund_failed(refund).await?;
                Ok(false)
            }
        }
    }
}
