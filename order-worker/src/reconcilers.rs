//! Work that the passing of time makes due. Each takes no input, does a bounded batch, may run twice or in two
//! workers at once, and says what it did.

mod audit;
mod holds;
mod questions;
mod refunds;
mod steps;
mod webhooks;

pub use audit::Audit;
pub use holds::ExpireHolds;
pub use questions::AskProvider;
pub use refunds::SettleRefunds;
pub use steps::TakeSteps;
pub use webhooks::SendWebhooks;

use crate::store::StoreError;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// One kind of due work.
pub trait Reconciler: Send + Sync + 'static {
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// The pause after a run that found little or nothing to do.
    const PAUSE: Duration;

    /// The pause after a run that took so long.
    fn pause(_took: Duration) -> Duration {
        Self::PAUSE
    }

    /// Does a bounded batch.
    fn run(&self) -> impl Future<Output = Result<Done, StoreError>> + Send;
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// How many things were settled (or, for the audit, found wrong).
    pub count: usize,
    /// Whether more is waiting.
    pub more: bool,
}

/// Runs a reconciler again and again, until it is asked to stop.
pub async fn run<R: Reconciler>(reconciler: R, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let began = Instant::now();
        let Some(result) = stop.run_until_cancelled(reconciler.run()).await else {
            return Ok(());
        };
        let more = match result {
            Ok(done) => {
                report::<R>(done);
                done.more
            }
            Err(error) => {
                metrics::counter!("reconciler_failures_total", "reconciler" => R::NAME).increment(1);
                warn!(reconciler = R::NAME, %error, "a reconciler failed; trying again");
                false
            }
        };
        if !more {
            stop.run_until_cancelled(sleep(R::pause(began.elapsed()))).await;
        }
    }
}

fn report<R: Reconciler>(done: Done) {
    metrics::counter!("reconciler_runs_total", "reconciler" => R::NAME).increment(1);
    metrics::counter!("reconciler_settled_total", "reconciler" => R::NAME).increment(done.count as u64);
    if done.count > 0 {
        info!(reconciler = R::NAME, count = done.count, "reconciled");
    }
}
