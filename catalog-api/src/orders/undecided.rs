//! Orders that were accepted here and are not decided yet, and how long decisions took lately: what the edge goes by
//! when it lets fewer people in.
//!
//! Decisions are heard as events. An event that was lost is made up for: orders that wait for suspiciously long are
//! looked up in the database.

use crate::store::decided_of;
use contract::OrderId;
use sqlx::PgPool;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Orders watched at a time, at about 60 bytes each. No backlog that a shop would call bearable is as long.
const WATCHED_MAX: usize = 100_000;
/// An order that is not decided by then is not backlog but a matter for the dead letters; it must not hold the whole
/// line up for ever.
const WATCHED_FOR: Duration = Duration::from_secs(120);
/// Decisions that count.
const LATELY: Duration = Duration::from_secs(10);
/// And at most this many of them.
const DECISIONS_MAX: usize = 16_384;
/// Orders older than this are looked up, in case the event was lost.
const SUSPICIOUS: Duration = Duration::from_secs(3);
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);
const LOOK_UP_MAX: usize = 1_000;
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// What is on its way to the worker.
#[derive(Debug, Clone, Default)]
pub struct Undecided(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    since: HashMap<OrderId, Instant>,
    /// When somebody's decision came, and after how long.
    decisions: VecDeque<(Instant, Duration)>,
}

/// An order that is being handed to the broker. Unless it is confirmed it counts no more when this is dropped.
#[derive(Debug)]
pub struct Underway {
    undecided: Undecided,
    order_id: OrderId,
    is_confirmed: bool,
}

/// Orders as the edge sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Accepted and not decided yet.
    pub pending: usize,
    /// How long the oldest of them waits.
    pub oldest_pending: Option<Duration>,
    /// Within which time nine of ten decisions of the last seconds came; nothing when there were none.
    pub decision_p90: Option<Duration>,
}

impl Undecided {
    /// An order is on its way from now on: the decision may come before the broker's confirm does.
    pub fn begins(&self, order_id: OrderId) -> Underway {
        let mut watched = self.watched();
        if watched.since.len() < WATCHED_MAX {
            watched.since.entry(order_id).or_insert_with(Instant::now);
        }
        drop(watched);
        Underway {
            undecided: self.clone(),
            order_id,
            is_confirmed: false,
        }
    }

    /// The order was decided just now.
    pub fn decided(&self, order_id: OrderId) {
        let mut watched = self.watched();
        if let Some(since) = watched.since.remove(&order_id) {
            if watched.decisions.len() >= DECISIONS_MAX {
                watched.decisions.pop_front();
            }
            let now = Instant::now();
            watched.decisions.push_back((now, now - since));
        }
    }

    /// How things stand.
    pub fn load(&self) -> Load {
        let now = Instant::now();
        let mut watched = self.watched();
        watched.forget(now);
        Load {
            pending: watched.since.len(),
            oldest_pending: watched.since.values().map(|since| now - *since).max(),
            decision_p90: p90(watched.decisions.iter().map(|(_, took)| *took).collect()),
        }
    }

    /// Those that may have been decided without our hearing of it, the oldest first.
    fn suspicious(&self) -> Vec<OrderId> {
        let now = Instant::now();
        let watched = self.watched();
        let old = watched
            .since
            .iter()
            .filter(|(_, since)| now - **since >= SUSPICIOUS);
        let mut old: Vec<(Instant, OrderId)> = old.map(|(order_id, since)| (*since, *order_id)).collect();
        drop(watched);
        old.sort_unstable_by_key(|(since, _)| *since);
        old.into_iter()
            .take(LOOK_UP_MAX)
            .map(|(_, order_id)| order_id)
            .collect()
    }

    /// It counts no more, and how long it took is not known.
    fn forget(&self, order_id: OrderId) {
        self.watched().since.remove(&order_id);
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn forget(&mut self, now: Instant) {
        self.since.retain(|_, since| now - *since < WATCHED_FOR);
        while self.decisions.front().is_some_and(|(at, _)| now - *at > LATELY) {
            self.decisions.pop_front();
        }
    }
}

impl Underway {
    /// The broker has it: only the decision ends it.
    pub fn confirmed(mut self) {
        self.is_confirmed = true;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !self.is_confirmed {
            self.undecided.forget(self.order_id);
        }
    }
}

fn p90(mut times: Vec<Duration>) -> Option<Duration> {
    // Nine of ten are at most this: of ten the ninth.
    let index = (times.len() * 9).div_ceil(10).checked_sub(1)?;
    let (_, value, _) = times.select_nth_unstable(index);
    Some(*value)
}

/// Looks up what waits for suspiciously long, until it is told to stop.
pub async fn make_up_for_lost_events(
    undecided: Undecided,
    pool: PgPool,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = interval(LOOK_UP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let suspicious = undecided.suspicious();
        if suspicious.is_empty() {
            continue;
        }
        match timeout(LOOK_UP_TIMEOUT, decided_of(&pool, &suspicious)).await {
            Ok(Ok(decided)) => decided
                .into_iter()
                .for_each(|order_id| undecided.forget(order_id)),
            Ok(Err(error)) => warn!(%error, "cannot look up orders that wait for long"),
            Err(_) => warn!("looking up orders that wait for long took too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::ShopperId;

    fn order(number: u64) -> OrderId {
        OrderId::derive(&ShopperId::of_session("ann"), "k", number)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_counts_from_the_hand_over_to_the_decision() {
        let undecided = Undecided::default();
        assert_eq!(undecided.load(), Load::default());
        undecided.begins(order(1)).confirmed();
        tokio::time::advance(ms(40)).await;
        undecided.begins(order(2)).confirmed();
        drop(undecided.begins(order(3)));
        tokio::time::advance(ms(2)).await;
        let load = undecided.load();
        assert_eq!(
            (load.pending, load.oldest_pending, load.decision_p90),
            (2, Some(ms(42)), None)
        );
        undecided.decided(order(1));
        undecided.decided(order(1));
        let load = undecided.load();
        assert_eq!(
            (load.pending, load.oldest_pending, load.decision_p90),
            (1, Some(ms(2)), Some(ms(42)))
        );
        tokio::time::advance(LATELY + ms(1)).await;
        assert_eq!(undecided.load().decision_p90, None, "that was some time ago");
        tokio::time::advance(WATCHED_FOR).await;
        assert_eq!(undecided.load(), Load::default(), "nobody waits for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_decision_may_come_before_the_confirm() {
        let undecided = Undecided::default();
        let underway = undecided.begins(order(1));
        undecided.decided(order(1));
        underway.confirmed();
        assert_eq!(undecided.load().pending, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_are_looked_up_first_and_no_more_than_bounded() {
        let undecided = Undecided::default();
        for number in 0..LOOK_UP_MAX as u64 + 5 {
            undecided.begins(order(number)).confirmed();
            tokio::time::advance(ms(1)).await;
        }
        assert!(undecided.suspicious().is_empty());
        tokio::time::advance(SUSPICIOUS).await;
        let suspicious = undecided.suspicious();
        assert_eq!((suspicious.len(), suspicious[0]), (LOOK_UP_MAX, order(0)));
    }

    #[test]
    fn nine_of_ten_are_at_most_the_p90() {
        for (times, expected) in [
            (vec![], None),
            (vec![7], Some(7)),
            (vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1], Some(9)),
            (vec![1, 900], Some(900)),
        ] {
            let expected = expected.map(ms);
            assert_eq!(p90(times.into_iter().map(ms).collect()), expected);
        }
    }
}
