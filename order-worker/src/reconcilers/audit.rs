//! Checks that the books add up.

use super::{Done, Reconciler};
use crate::store::{Store, StoreError};
use std::time::Duration;
use tracing::error;

/// It rests so many times as long as it took: two hundredths of a core in the mean.
const REST: u32 = 50;

/// Compares every stock row with the holds of its product. Changes nothing: a mismatch is for people.
#[derive(Debug)]
pub struct Audit {
    /// The books.
    pub store: Store,
}

impl Reconciler for Audit {
    const NAME: &'static str = "audit_stock";
    const PAUSE: Duration = Duration::from_secs(30);

    /// The more was sold in all the years, the longer it takes and the seldomer it comes.
    fn pause(took: Duration) -> Duration {
        Self::PAUSE.max(took * REST)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_audit_is_followed_by_a_long_pause() {
        for (took_ms, pause_ms) in [(1, 30_000), (600, 30_000), (60_000, 3_000_000)] {
            let pause = Audit::pause(Duration::from_millis(took_ms));
            assert_eq!(pause, Duration::from_millis(pause_ms));
        }
    }
}
