//! A batch: as many commands as are there, or as come within a short time, from whichever queue.

use crate::settings::BatchLimits;
use broker::{Consumer, Delivered, Delivery};
use futures::future::select_all;
use std::collections::BTreeMap;
use tokio::time::{Instant, timeout_at};

/// The queues that commands are taken from, each in its turn.
#[derive(Debug)]
pub struct Queues {
    consumers: Vec<Consumer>,
    turn: usize,
}

/// Deliveries, at least one; those of each queue are in its sequence.
#[derive(Debug)]
pub(super) struct Batch {
    deliveries: Vec<Delivery>,
    /// Of each queue the last one.
    last: BTreeMap<usize, usize>,
}

impl Queues {
    /// These.
    pub fn new(consumers: Vec<Consumer>) -> Self {
        Self { consumers, turn: 0 }
    }

    /// The next delivery, and from which queue. One that is always full leaves the others their turn. Nothing is lost when
    /// the caller stops waiting.
    async fn next(&mut self) -> (usize, Delivery) {
        let (others, first) = self.consumers.split_at_mut(self.turn);
        let in_turn = first.iter_mut().chain(others);
        let (delivery, steps, _) = select_all(in_turn.map(|queue| Box::pin(queue.next()))).await;
        let queue = (self.turn + steps) % self.consumers.len();
        self.turn = (queue + 1) % self.consumers.len();
        (queue, delivery)
    }

    /// Waits for a first command, and a little for others. The last message may have some more in it than the limit says.
    pub(super) async fn gather(&mut self, limits: BatchLimits) -> Batch {
        let mut batch = Batch {
            deliveries: Vec::new(),
            last: BTreeMap::new(),
        };
        let mut commands = batch.add(self.next().await);
        let deadline = Instant::now() + limits.age;
        while commands < limits.size
            && let Ok(next) = timeout_at(deadline, self.next()).await
        {
            commands += batch.add(next);
        }
        metrics::counter!("order_batches_total").increment(1);
        batch
    }
}

impl Batch {
    /// The commands; those of each queue are in its sequence.
    pub(super) fn commands(&self) -> impl Iterator<Item = Delivered<'_>> {
        self.deliveries.iter().flat_map(Delivery::commands)
    }

    /// Acknowledges all of them.
    pub(super) async fn acknowledge(self) {
        for delivery in self.last.values().filter_map(|last| self.deliveries.get(*last)) {
            delivery.acknowledge_through().await;
        }
    }

    /// Adds a delivery; answers how many commands came with it.
    fn add(&mut self, (queue, delivery): (usize, Delivery)) -> usize {
        let commands = delivery.commands().count();
        self.last.insert(queue, self.deliveries.len());
        self.deliveries.push(delivery);
        commands
    }
}
