//! Ships, delivers and confirms paid orders a day apart, and finishes returns.

use super::{Done, Reconciler};
use crate::store::{Store, StoreError};
use order_domain::limits::MAX_BATCH;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Orders moved in one transaction.
const BATCH: u16 = 256;

const _: () = assert!(BATCH as usize <= MAX_BATCH);

/// Moves paid orders on that are due.
#[derive(Debug)]
pub struct TakeSteps {
    /// The books.
    pub store: Store,
    /// Woken after each commit.
    pub relay: Arc<Notify>,
}

impl Reconciler for TakeSteps {
    const NAME: &'static str = "take_steps";
    const PAUSE: Duration = Duration::from_secs(1);

    async fn run(&self) -> Result<Done, StoreError> {
        let count = self.store.take_steps(BATCH.into()).await?;
        if count > 0 {
            self.relay.notify_one();
        }
        Ok(Done {
            count,
            more: count == usize::from(BATCH),
        })
    }
}
