//! Events about orders, for those who wait for one.

use contract::{OrderId, OrderView};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Who waits for which order. Bounded by the requests that are open.
#[derive(Debug, Clone, Default)]
pub struct Announcements(Arc<Mutex<HashMap<OrderId, watch::Sender<Option<OrderView>>>>>);

/// Hears what is announced of one order, from the moment it was made.
#[derive(Debug)]
pub struct Listener {
    order_id: OrderId,
    heard: watch::Receiver<Option<OrderView>>,
    announcements: Announcements,
}

// === impl Announcements ===

impl Announcements {
    /// Listens from now on.
    pub fn listen(&self, order_id: OrderId) -> Listener {
        let heard = self
            .waiting()
            .entry(order_id)
            .or_insert_with(|| watch::Sender::new(None))
            .subscribe();
        Listener {
            order_id,
            heard,
            announcements: self.clone(),
        }
    }

    /// Tells those who wait for this order how it stands. Old news changes nothing.
    pub fn announce(&self, order: &OrderView) {
        if let Some(waiting) = self.waiting().get(&order.order_id) {
            waiting.send_if_modified(|known| {
                let is_news = known.as_ref().is_none_or(|known| known.version < order.version);
                if is_news {
                    *known = Some(order.clone());
                }
                is_news
            });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<OrderId, watch::Sender<Option<OrderView>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Listener ===

impl Listener {
    /// The order that is listened for.
    pub fn order_id(&self) -> OrderId {
        self.order_id
    }

    /// What was announced last, as soon as something is that was not answered here before.
    pub async fn next(&mut self) -> OrderView {
        loop {
            // The sender lives as long as somebody listens, and this listener does.
            if self.heard.changed().await.is_err() {
                return std::future::pending().await;
            }
            let heard = self.heard.borrow_and_update().clone();
            if let Some(order) = heard {
                return order;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut waiting = self.announcements.waiting();
        // This listener's own receiver still counts.
        if waiting
            .get(&self.order_id)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            waiting.remove(&self.order_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{OrderState, ShopperId};

    fn order(version: i32) -> OrderView {
        let id = OrderId::derive(&ShopperId::of_session("ann"), "k", 1);
        OrderView {
            state: OrderState::Held,
            version,
            ..OrderView::pending(id)
        }
    }

    #[tokio::test]
    async fn every_listener_hears_the_newest_and_nothing_is_kept_for_nobody() {
        let announcements = Announcements::default();
        announcements.announce(&order(1));
        let id = order(1).order_id;
        let (mut one, mut two) = (announcements.listen(id), announcements.listen(id));
        for version in [2, 3, 1] {
            announcements.announce(&order(version));
        }
        assert_eq!((one.next().await.version, two.next().await.version), (3, 3));
        drop(one);
        announcements.announce(&order(4));
        assert_eq!(two.next().await.version, 4);
        drop(two);
        assert!(announcements.waiting().is_empty());
    }
}
