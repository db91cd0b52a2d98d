//! A batch: as many commands as are there, or as come within a short time.

use crate::settings::BatchLimits;
use broker::{Consumer, Delivery};
use tokio::time::{Instant, timeout_at};

/// Deliveries of one queue in their sequence, at least one.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) deliveries: Vec<Delivery>,
}

impl Batch {
    /// Acknowledges all of them.
    pub(super) async fn acknowledge(self) {
        if let Some(last) = self.deliveries.last() {
            last.acknowledge_through().await;
        }
    }
}

/// Waits for a first command, and a little for others.
pub(super) async fn gather(queue: &mut Consumer, limits: BatchLimits) -> Batch {
    let mut deliveries = Vec::with_capacity(limits.size);
    deliveries.push(queue.next().await);
    let deadline = Instant::now() + limits.age;
    while deliveries.len() < limits.size
        && let Ok(delivery) = timeout_at(deadline, queue.next()).await
    {
        deliveries.push(delivery);
    }
    metrics::counter!("order_batches_total").increment(1);
    Batch { deliveries }
}
