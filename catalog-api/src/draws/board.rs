//! The draws that are shown, in memory: read from the database twice a second, so that however many look, it is asked
//! no more than that.

use crate::store::{Board, DrawStore, StoredDraw};
use arc_swap::ArcSwapOption;
use catalog_domain::draw::Phase;
use contract::{DrawId, ProductId};
use std::{collections::HashMap, sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(500);

/// What is known of draws.
#[derive(Debug, Default)]
pub struct NoticeBoard {
    posted: ArcSwapOption<Posted>,
    nudge: Notify,
}

#[derive(Debug)]
struct Posted {
    board: Board,
    /// When it was read, by our own clock: to tell the database's time later.
    at: Instant,
    /// The draw that sells a product, while it does.
    by_product: HashMap<ProductId, DrawId>,
}

/// A draw, and the database's time as far as it is known here.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The draw.
    pub draw: StoredDraw,
    /// Now.
    pub now: OffsetDateTime,
}

impl NoticeBoard {
    /// All draws that are shown, those that open last first; nothing before they were read once.
    pub fn all(&self) -> Option<(OffsetDateTime, Vec<StoredDraw>)> {
        let posted = self.posted.load_full()?;
        Some((posted.now(), posted.board.draws.clone()))
    }

    /// One of them.
    pub fn find(&self, draw: &DrawId) -> Option<Notice> {
        let posted = self.posted.load_full()?;
        let found = posted.board.draws.iter().find(|known| known.id == *draw)?;
        Some(Notice {
            draw: found.clone(),
            now: posted.now(),
        })
    }

    /// The draw that sells this product; nothing if everybody may buy it.
    pub fn draw_of(&self, product: &ProductId) -> Option<DrawId> {
        self.posted.load().as_ref()?.by_product.get(product).cloned()
    }

    /// Asks for a look soon, because something has changed.
    pub fn look_soon(&self) {
        self.nudge.notify_one();
    }

    fn post(&self, board: Board) {
        let keeps = board
            .draws
            .iter()
            .filter(|draw| draw.phase(board.now).keeps_the_product());
        let by_product = keeps.map(|draw| (draw.terms.product_id.clone(), draw.id.clone()));
        let posted = Posted {
            by_product: by_product.collect(),
            board,
            at: Instant::now(),
        };
        self.posted.store(Some(Arc::new(posted)));
    }
}

impl Posted {
    fn now(&self) -> OffsetDateTime {
        self.board.now + self.at.elapsed()
    }
}

impl Notice {
    /// Where the draw stands now.
    pub fn phase(&self) -> Phase {
        self.draw.phase(self.now)
    }
}

/// Reads the draws again and again, until it is told to stop.
pub async fn keep_posted(
    board: Arc<NoticeBoard>,
    store: DrawStore,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            () = board.nudge.notified() => {}
        }
        match store.board().await {
            Ok(read) => board.post(read),
            Err(error) => warn!(%error, "cannot read the draws"),
        }
    }
}
