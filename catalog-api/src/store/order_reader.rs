//! Looking orders up, many in one round trip.
//!
//! While one query is under way the next questions gather, and go together as the next query. A storm of look-ups
//! costs a few hundred queries a second instead of one each, and a lone one waits for nothing.

use super::orders::{self, StoredOrder};
use catalog_domain::limits::LOOK_UP_TIMEOUT;
use contract::OrderId;
use sqlx::PgPool;
use std::collections::HashMap;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::warn;

/// Orders in one query.
const BATCH_MAX: usize = 500;
/// Questions that may wait; beyond it they are refused.
const WAITING_MAX: usize = 10_000;

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
    while questions.recv_many(&mut batch, BATCH_MAX).await > 0 {
        // Whoever asked and went away need not be answered.
        batch.retain(|question| !question.answer.is_closed());
        answer(&pool, std::mem::take(&mut batch)).await;
    }
}

async fn answer(pool: &PgPool, batch: Vec<Question>) {
    let ids: Vec<_> = batch.iter().map(|question| question.order_id.as_uuid()).collect();
    let read = orders::read(pool, &ids).await;
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
