//! Those who listen to events: how many, and what wakes them all.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;

/// Connections that one edge keeps open for listeners of a room. Who comes beyond that polls.
const LISTENERS_MAX: usize = 100_000;

/// The listeners of a room on this edge.
#[derive(Default)]
pub(super) struct Listeners {
    count: Arc<AtomicUsize>,
    changes: watch::Sender<u64>,
}

/// One who listens, for as long as this lives.
pub struct ListenerCount(Arc<AtomicUsize>);

impl Listeners {
    pub(super) fn count(&self) -> Option<ListenerCount> {
        let counted = ListenerCount(Arc::clone(&self.count));
        // Counted first and looked at then, so that many at once cannot slip through together.
        (self.count.fetch_add(1, Ordering::Relaxed) < LISTENERS_MAX).then_some(counted)
    }

    pub(super) fn how_many(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn tell_all(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Drop for ListenerCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_makes_room() {
        let listeners = Listeners::default();
        let all: Vec<_> = (0..LISTENERS_MAX).map(|_| listeners.count()).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(listeners.count().is_none());
        assert_eq!(listeners.how_many(), LISTENERS_MAX);
        drop(all);
        assert!(listeners.count().is_some());
        assert_eq!(listeners.how_many(), 0);
    }
}
