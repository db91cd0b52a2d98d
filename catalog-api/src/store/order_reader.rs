//! Looking orders up, many in one round trip.
//!
//! While one query is under way, and for a moment after it, the next questions gather, and go together as the next query. A
//! storm of look-ups costs some hundred queries a second instead of one each, and a lone one waits for nothing.

use super::orders::{self, StoredOrder};
use catalog_domain::limits::LOOK_UP_TIMEOUT;
use contract::OrderId;
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tracing::warn;
use uuid::Uuid;

/// Orders in one query.
const BATCH_MAX: usize = 500;
/// Questions that may wait; beyond it they are refused.
const WAITING_MAX: usize = 10_000;
/// From the beginning of one query to that of the next one, unless so many have gathered that it is full. An order that is
/// placed waits longer than this for its confirm.
const APART: Duration = Duration::from_millis(4);

/// Why an order could not be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database did not answer in time")]
pub struct LookUpError;

/// Looks orders up.
#[derive(Debug, Clone)]
pub struct OrderReader {
    questions: mpsc::Sender<Question>,
}

#[derive(Debug)]
pub struct Question {
    order_id: OrderId,
    answer: oneshot::Sender<Result<Option<StoredOrder>, LookUpError>>,
}

/// A reader and the questions that [`read_orders`] must answer.
pub fn channel() -> (OrderReader, mpsc::Receiver<Question>) {
    let (questions, receiver) = mpsc::channel(WAITING_MAX);
    (OrderReader { questions }, receiver)
}

impl OrderReader {
    /// The order as the database knows it; `None` when it is not decided, or does not exist.
    pub async fn look_up(&self, order_id: OrderId) -> Result<Option<StoredOrder>, LookUpError> {
        let (answer, answered) = oneshot::channel();
        self.questions
            .try_send(Question { order_id, answer })
            .map_err(|_| LookUpError)?;
        let answered = timeout(LOOK_UP_TIMEOUT, answered).await;
        answered.ok().and_then(Result::ok).unwrap_or(Err(LookUpError))
    }
}

/// Answers questions until nobody can ask any more.
pub async fn read_orders(pool: PgPool, mut questions: mpsc::Receiver<Question>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut way = Way { pool, kept: None };
    let mut not_before = Instant::now();
    while questions.recv_many(&mut batch, BATCH_MAX).await > 0 {
        if batch.len() < BATCH_MAX {
            sleep_until(not_before).await;
            let more = BATCH_MAX - batch.len();
            batch.extend(std::iter::from_fn(|| questions.try_recv().ok()).take(more));
        }
        not_before = Instant::now() + APART;
        // Whoever asked and went away need not be answered.
        batch.retain(|question| !question.answer.is_closed());
        answer(&mut way, std::mem::take(&mut batch)).await;
    }
}

/// The way to the database. A connection is kept from one query to the next: the pool would try it out with a round trip of
/// its own whenever it is taken, and whenever it is given back.
struct Way {
    pool: PgPool,
    kept: Option<PoolConnection<Postgres>>,
}

impl Way {
    async fn read(&mut self, ids: &[Uuid]) -> Result<Vec<StoredOrder>, sqlx::Error> {
        if let Some(mut kept) = self.kept.take() {
            // It may have been lost since: then another one is taken.
            if let Ok(orders) = orders::of(&mut kept, ids).await {
                self.kept = Some(kept);
                return Ok(orders);
            }
        }
        let mut taken = self.pool.acquire().await?;
        let orders = orders::of(&mut taken, ids).await?;
        self.kept = Some(taken);
        Ok(orders)
    }
}

async fn answer(way: &mut Way, batch: Vec<Question>) {
    let ids: Vec<_> = batch.iter().map(|question| question.order_id.as_uuid()).collect();
    let read = way.read(&ids).await;
    if let Err(error) = &read {
        warn!(%error, orders = ids.len(), "cannot look orders up");
    }
    let found = read.map_err(|_| LookUpError).map(|orders| {
        let by_id = orders.into_iter().map(|order| (order.view.order_id, order));
        by_id.collect::<HashMap<_, _>>()
    });
    for Question { order_id, answer } in batch {
        // It is no mistake that nobody listens any more.
        let _ = answer.send(
            found
                .as_ref()
                .map(|found| found.get(&order_id).cloned())
                .map_err(|error| *error),
        );
    }
}
