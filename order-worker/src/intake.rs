//! From the queues to the books: gather a batch, decide it, acknowledge it.

mod batch;
mod isolate;

use crate::{settings::BatchLimits, store::Store};
pub use batch::Queues;
use broker::Publisher;
use clock::Clock;
use isolate::Isolation;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long a batch may still take after we were asked to stop.
const FINISH: Duration = Duration::from_secs(5);

/// What the intake works with.
#[derive(Clone)]
pub struct Intake {
    /// The books.
    pub store: Store,
    /// For what is set aside.
    pub publisher: Publisher,
    /// Woken after each commit.
    pub relay: Arc<Notify>,
    /// For measuring how long shoppers wait, never for deciding.
    pub clock: Arc<dyn Clock>,
    /// How much a batch gathers.
    pub limits: BatchLimits,
}

impl Intake {
    /// Takes the commands of the queues, one batch after the other, until it is asked to stop.
    ///
    /// A batch is finished before the next one begins: that is what keeps each product's commands in sequence. All queues
    /// share it, because the database writes a few large transactions sooner than many small ones.
    /// When it is asked to stop it finishes the one at hand, if that is soon done; else the batch is not
    /// acknowledged, and comes again.
    pub async fn run(self, mut queues: Queues, stop: CancellationToken) -> anyhow::Result<()> {
        while let Some(batch) = stop.run_until_cancelled(queues.gather(self.limits)).await {
            let settle = Isolation::new(&self, &batch).settle();
            tokio::select! {
                () = settle => batch.acknowledge().await,
                () = too_late(&stop) => break,
            }
        }
        Ok(())
    }
}

async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(FINISH).await;
}
