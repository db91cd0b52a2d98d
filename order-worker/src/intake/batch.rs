//! A batch: as many commands as are there, or as come within a short time.

use crate::settings::BatchLimits;
use broker::{Consumer, Delivered, Delivery};
use tokio::time::{Instant, timeout_at};

/// Deliveries of one queue in their sequence, at least one.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) deliveries: Vec<Delivery>,
}

impl Batch {
    /// The commands, in their sequence.
    pub(super) fn commands(&self) -> impl Iterator<Item = Delivered<'_>> {
        self.deliveries.iter().flat_map(Delivery::commands)
    }

    /// Acknowledges all of them.
    pub(super) async fn acknowledge(self) {
        if let Some(last) = self.deliveries.last() {
            last.acknowledge_through().await;
        }
    }
}

/// Waits for a first command, and a little for others. The last message may have some more in it than the limit says.
pub(super) async fn gather(queue: &mut Consumer, limits: BatchLimits) -> Batch {
    let first = queue.next().await;
    let mut commands = first.commands().count();
    let mut deliveries = vec![first];
    let deadline = Instant::now() + limits.age;
    while commands < limits.size
        && let Ok(delivery) = timeout_at(deadline, queue.next()).await
    {
        commands += delivery.commands().count();
        deliveries.push(delivery);
    }
    metrics::counter!("order_batches_total").increment(1);
    Batch { deliveries }
}
