//! Checks that the books add up.

use super::{Done, Reconciler};
use crate::store::{Store, StoreError};
use std::time::Duration;
use tracing::error;

/// Compares every stock row with the holds of its product. Changes nothing: a mismatch is for people.
#[derive(Debug)]
pub struct Audit {
    /// The books.
    pub store: Store,
}

impl Reconciler for Audit {
    const NAME: &'static str = "audit_stock";
    const PAUSE: Duration = Duration::from_secs(30);

    async fn run(&self) -> Result<Done, StoreError> {
        let mismatches = self.store.mismatches().await?;
        metrics::gauge!("stock_mismatches")
            .set(f64::from(u32::try_from(mismatches.len()).unwrap_or(u32::MAX)));
        for wrong in &mismatches {
            error!(
                product = wrong.product_id,
                held = wrong.held,
                open_holds = wrong.open,
                sold = wrong.sold,
                posted_holds = wrong.posted,
                "a stock row does not agree with its holds"
            );
        }
        Ok(Done {
            count: mismatches.len(),
            more: false,
        })
    }
}
