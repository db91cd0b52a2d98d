//! Keeping the catalog fresh.

use super::Catalog;
use crate::store::{Freshness, database_now, read_products};
use catalog_domain::Stock;
use clock::Clock;
use contract::StockChanged;
use sqlx::PgPool;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often recently changed rows are read.
const REFRESH_EVERY: Duration = Duration::from_millis(250);
/// How long a read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How often everything is read: products may have been removed, or a row may have changed under an old time.
const WHOLE_EVERY: Duration = Duration::from_secs(10);
/// How much of the time may be spent on that, as one part in so many, when there are very many products.
const WHOLE_SHARE: u32 = 20;

const _: () = assert!(
    REFRESH_EVERY.as_millis() <= 500,
    "stock is exact within a second even without events"
);

/// A way to have everything read at once, and to know whether the catalog is fresh.
#[derive(Debug, Default)]
pub struct Nudge {
    wanted: Notify,
    is_fresh: AtomicBool,
}

impl Nudge {
    /// Has the whole catalog read now: something may have been missed.
    pub fn read_everything(&self) {
        self.wanted.notify_one();
    }

    /// Whether the last read went well.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh.load(Ordering::Relaxed)
    }
}

impl Catalog {
    /// Learns stock from an event. A product that is not known is read.
    pub fn heard(&self, changed: &StockChanged, nudge: &Nudge) {
        if !self.learn(&changed.product_id, Stock::from(changed)) {
            nudge.read_everything();
        }
    }
}

/// Reads products until it is told to stop.
pub async fn keep_fresh(
    catalog: Arc<Catalog>,
    nudge: Arc<Nudge>,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = interval(REFRESH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut whole_at: Option<Instant> = None;
    let mut whole_took = Duration::ZERO;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = nudge.wanted.notified() => whole_at = None,
            _ = tick.tick() => {}
        }
        let whole_every = WHOLE_EVERY.max(whole_took * WHOLE_SHARE);
        let whole = whole_at.is_none_or(|at| at.elapsed() >= whole_every);
        let began = Instant::now();
        let went_well = refresh(&catalog, &pool, whole).await;
        if whole {
            whole_took = began.elapsed();
            ask_the_time(&catalog, &pool, &*clock).await;
        }
        nudge.is_fresh.store(went_well, Ordering::Relaxed);
        match (went_well, whole) {
            (true, true) => whole_at = Some(Instant::now()),
            (true, false) => {}
            // Changes may have grown older than what a recent read covers.
            (false, _) => whole_at = None,
        }
    }
}

/// Compares the clocks. The answer was on its way for a moment, by which our idea of it is late: that is less than
/// anybody sees.
async fn ask_the_time(catalog: &Catalog, pool: &PgPool, clock: &dyn Clock) {
    match timeout(READ_TIMEOUT, database_now(pool)).await {
        Ok(Ok(now)) => catalog.set_clock(now, clock.unix_ms()),
        Ok(Err(error)) => warn!(%error, "cannot ask the database for the time"),
        Err(_) => warn!("asking the database for the time took too long"),
    }
}

async fn refresh(catalog: &Arc<Catalog>, pool: &PgPool, whole: bool) -> bool {
    let freshness = if whole { Freshness::All } else { Freshness::Recent };
    match timeout(READ_TIMEOUT, read_products(pool, freshness)).await {
        Ok(Ok(read)) => {
            // With very many products this takes longer than other tasks should wait.
            let catalog = Arc::clone(catalog);
            tokio::task::spawn_blocking(move || catalog.put_up(read, whole))
                .await
                .is_ok()
        }
        Ok(Err(error)) => {
            warn!(%error, "cannot read the products; showing what is known");
            false
        }
        Err(_) => {
            warn!("reading the products took too long; showing what is known");
            false
        }
    }
}
