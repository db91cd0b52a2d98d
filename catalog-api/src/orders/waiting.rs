//! Waiting for an order to come as far as somebody wants it.

use super::announcements::{Announcements, Listener};
use crate::store::OrderReader;
use contract::{OrderId, OrderView};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How often the database is asked while waiting. Events are quicker; this is for one that was lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The same for those who follow an order for as long as they like.
const FOLLOW_EVERY: Duration = Duration::from_secs(5);

/// Listens to events and looks at the database.
#[derive(Debug, Clone)]
pub struct Waiting {
    announcements: Announcements,
    reader: OrderReader,
}

impl Waiting {
    /// Waiting by these two.
    pub fn new(announcements: Announcements, reader: OrderReader) -> Self {
        Self {
            announcements,
            reader,
        }
    }

    /// Begins to listen. Do this before whatever makes the order change.
    pub fn listen(&self, order_id: OrderId) -> Listener {
        self.announcements.listen(order_id)
    }

    /// The order once it is `far_enough`, or nothing when it is not within `patience`.
    pub async fn until(
        &self,
        mut listener: Listener,
        patience: Duration,
        far_enough: impl Fn(&OrderView) -> bool,
    ) -> Option<OrderView> {
        let deadline = Instant::now() + patience;
        loop {
            let look_at = deadline.min(Instant::now() + LOOK_EVERY);
            let seen = tokio::select! {
                heard = listener.next() => Some(heard),
                () = sleep_until(look_at) => self.look(listener.order_id()).await,
            };
            if let Some(order) = seen.filter(&far_enough) {
                return Some(order);
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// The order once it is newer than `version`, however long that takes. Nothing is lost when the caller stops
    /// waiting for it.
    pub async fn newer_than(&self, listener: &mut Listener, version: i32) -> OrderView {
        loop {
            let seen = tokio::select! {
                heard = listener.next() => Some(heard),
                () = sleep(FOLLOW_EVERY) => self.look(listener.order_id()).await,
            };
            if let Some(order) = seen.filter(|order| order.version > version) {
                return order;
            }
        }
    }

    async fn look(&self, order_id: OrderId) -> Option<OrderView> {
        // A database that does not answer now may answer at the next look.
        self.reader
            .look_up(order_id)
            .await
            .ok()
            .flatten()
            .map(|stored| stored.view)
    }
}
