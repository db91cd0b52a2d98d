//! What this edge has heard of the shop behind a room.

use super::{Heard, OriginSeen, OriginWatch, Puller, ShopReport};
use arc_swap::ArcSwapOption;
use contract::RoomId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use waiting_room_domain::{Reading, Signals, Stock};

/// How often the shop is asked.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// How often while nothing is left: within a second of a unit's return, orders are to go on.
const ASKED_EVERY_WHILE_GONE: Duration = Duration::from_millis(250);

/// What this edge has heard of the shop behind a room.
#[derive(Debug, Default)]
pub struct Ear {
    /// How the origin's answers come.
    pub origin: Arc<OriginWatch>,
    heard: ArcSwapOption<Heard>,
    listens: AtomicBool,
}

impl Ear {
    /// Whether this edge decides, and therefore asks.
    pub fn set_listening(&self, listens: bool) {
        self.listens.store(listens, Relaxed);
    }

    /// What this edge sees of the origin, for the edge that decides.
    pub fn report(&self) -> String {
        self.origin.seen().to_string()
    }

    /// All signals as far as they are known, with what every edge reports of the origin.
    pub fn signals(&self, reports: &[String]) -> Signals {
        let heard = self.heard.load();
        let orders = heard
            .as_deref()
            .and_then(|heard| heard.report.orders.zip(Some(heard.at.elapsed())));
        let of_shop = |value: fn(&super::OrdersReport) -> u64| {
            orders.map(|(orders, age)| Reading {
                value: value(&orders),
                age,
            })
        };
        let seen = reports.iter().filter_map(|report| report.parse().ok());
        let seen = OriginSeen::together(seen);
        // Looked at just now: an origin that nobody asked anything is quick and faultless.
        let of_origin = |value| {
            let age = Duration::ZERO;
            (!reports.is_empty()).then_some(Reading { value, age })
        };
        Signals {
            backlog: of_shop(|orders| orders.pending),
            oldest_age_ms: of_shop(|orders| orders.oldest_pending_ms),
            decision_p90_ms: of_shop(|orders| orders.decision_p90_ms),
            origin_p90_ms: of_origin(seen.p90_ms),
            origin_errors_percent: of_origin(seen.errors_percent()),
        }
    }

    /// What is left of the stock, and how long ago that was said.
    pub fn stock(&self) -> Option<(Stock, Duration)> {
        let heard = self.heard.load();
        let heard = heard.as_deref()?;
        Some((heard.report.stock?, heard.at.elapsed()))
    }

    /// How long after the last question the next one is due.
    fn pause(&self) -> Duration {
        match self.stock() {
            Some((stock, _)) if stock.left == 0 => ASKED_EVERY_WHILE_GONE,
            _ => ASKED_EVERY,
        }
    }

    fn hears(&self, report: ShopReport) {
        let at = Instant::now();
        self.heard.store(Some(Arc::new(Heard { report, at })));
    }
}

/// Asks the shop while this edge decides, every second and more often when nothing is left, until it is told to stop.
pub async fn listen(
    ear: Arc<Ear>,
    room: RoomId,
    puller: Puller,
    token: CancellationToken,
) -> anyhow::Result<()> {
    let mut ticks = interval(ASKED_EVERY_WHILE_GONE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = 0;
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        if now < due || !ear.listens.load(Relaxed) {
            continue;
        }
        let (report, errors) = puller.pull().await;
        if errors.len() > silent {
            for error in &errors {
                let error = chain(error);
                warn!(%room, error, "a shop does not say how it is");
            }
        } else if errors.len() < silent {
            info!(%room, silent = errors.len(), "a shop says again how it is");
        }
        silent = errors.len();
        if let Some(report) = report {
            ear.hears(report);
        }
        due = now + ear.pause();
    }
}

/// The error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::OrdersReport;

    #[tokio::test(start_paused = true)]
    async fn what_is_heard_grows_old() {
        let ear = Ear::default();
        assert_eq!(ear.signals(&[]), Signals::default());
        assert_eq!(ear.stock(), None);
        let orders = OrdersReport {
            pending: 7,
            oldest_pending_ms: 900,
            decision_p90_ms: 40,
        };
        let stock = Stock {
            left: 3,
            held: 0,
            sold: 0,
        };
        ear.hears(ShopReport {
            orders: Some(orders),
            stock: Some(stock),
        });
        tokio::time::advance(Duration::from_secs(4)).await;
        let reports = ["90 1 40".to_owned(), "10 4 700".to_owned(), "?".to_owned()];
        let signals = ear.signals(&reports);
        let reading = |value, seconds| {
            let age = Duration::from_secs(seconds);
            Some(Reading { value, age })
        };
        assert_eq!(signals.backlog, reading(7, 4));
        assert_eq!(signals.oldest_age_ms, reading(900, 4));
        assert_eq!(signals.decision_p90_ms, reading(40, 4));
        assert_eq!(signals.origin_p90_ms, reading(700, 0));
        assert_eq!(signals.origin_errors_percent, reading(5, 0));
        assert_eq!(ear.stock(), Some((stock, Duration::from_secs(4))));
        assert_eq!(ear.report(), "0 0 0");
        assert_eq!(ear.pause(), ASKED_EVERY);
        let stock = Some(Stock { left: 0, ..stock });
        ear.hears(ShopReport { orders: None, stock });
        assert_eq!(ear.pause(), ASKED_EVERY_WHILE_GONE);
    }
}
