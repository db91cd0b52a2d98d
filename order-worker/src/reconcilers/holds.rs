//! Gives the units of unpaid orders back when their time is over.

use super::{Done, Reconciler};
use crate::store::{Store, StoreError};
use order_domain::limits::MAX_BATCH;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Holds expired in one transaction.
const BATCH: u16 = 1_024;

const _: () = assert!(BATCH as usize <= MAX_BATCH);

/// Expires holds that are due.
#[derive(Debug)]
pub struct ExpireHolds {
    /// The books.
    pub store: Store,
    /// Woken after each commit.
    pub relay: Arc<Notify>,
}

impl Reconciler for ExpireHolds {
    const NAME: &'static str = "expire_holds";
    const PAUSE: Duration = Duration::from_secs(1);

    async fn run(&self) -> Result<Done, StoreError> {
        let count = self.store.expire_holds(BATCH.into()).await?;
        if count > 0 {
            self.relay.notify_one();
        }
        Ok(Done {
            count,
            more: count == usize::from(BATCH),
        })
    }
}
