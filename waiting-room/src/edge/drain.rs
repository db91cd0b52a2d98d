//! The end of an edge: shoppers are sent elsewhere, and what is in flight is finished.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Whether this edge is about to end, and what it still has to do.
pub struct Drain {
    begun: AtomicBool,
    told: watch::Sender<bool>,
    /// Always true: for a connection that ends though the edge does not.
    always: watch::Receiver<bool>,
    handed_over: CancellationToken,
    in_flight: AtomicUsize,
    quiet: Notify,
}

/// A request in flight, for as long as this lives.
pub(super) struct InFlight<'a>(&'a Drain);

impl Default for Drain {
    fn default() -> Self {
        Self {
            begun: AtomicBool::new(false),
            told: watch::Sender::new(false),
            always: watch::Sender::new(true).subscribe(),
            handed_over: CancellationToken::new(),
            in_flight: AtomicUsize::new(0),
            quiet: Notify::new(),
        }
    }
}

impl Drain {
    /// Whether it has begun. From then on every answer is the last one of its connection.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Becomes cancelled when another process has taken over: the operators' listener is free for it.
    pub fn handed_over(&self) -> CancellationToken {
        self.handed_over.clone()
    }

    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
        self.told.send_replace(true);
    }

    pub(super) fn hand_over(&self) {
        self.begin();
        self.handed_over.cancel();
    }

    /// Becomes true when it begins.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }

    /// Is true: what a connection is told that ends by itself.
    pub(super) fn always(&self) -> watch::Receiver<bool> {
        self.always.clone()
    }

    pub(super) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self)
    }

    /// Waits until nothing is in flight, but not longer than `at_most`. Answers whether nothing was left.
    pub(super) async fn finished(&self, at_most: Duration) -> bool {
        let quiet = async {
            loop {
                let notified = self.quiet.notified();
                if self.in_flight.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(at_most, quiet).await.is_ok()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}

/// Shared by all parts of an edge.
pub type SharedDrain = Arc<Drain>;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_in_flight_is_waited_for_up_to_a_bound() {
        let drain = Drain::default();
        assert!(drain.finished(Duration::from_secs(1)).await);
        let one = drain.in_flight();
        assert!(!drain.finished(Duration::from_secs(1)).await);
        let (finished, ()) = tokio::join!(drain.finished(Duration::from_secs(1)), async {
            tokio::task::yield_now().await;
            drop(one);
        });
        assert!(finished);
    }

    #[test]
    fn who_takes_over_frees_the_operators_listener() {
        let drain = Drain::default();
        let told = drain.watch();
        drain.begin();
        assert!(drain.has_begun() && *told.borrow() && !drain.handed_over().is_cancelled());
        drain.hand_over();
        assert!(drain.handed_over().is_cancelled());
    }
}
