//! Tells each publisher what became of its message.

use crate::PublishError;
use futures::{StreamExt, channel::mpsc::UnboundedReceiver};
use lapin::{Confirmation, PublisherConfirm};
use std::collections::HashSet;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

/// A message on its way to a queue.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: Uuid,
    pub(crate) confirm: PublisherConfirm,
    pub(crate) tell: oneshot::Sender<Result<(), PublishError>>,
    /// Given back when RabbitMQ has answered, even if nobody waits for the answer any more.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Settles everything sent on one channel, at most `limit` at once, until the channel is given up.
///
/// RabbitMQ returns an unroutable message first and confirms it afterwards, and lapin hands the returned message
/// to whichever confirm comes next. So we go by the id in the returned message. It arrives at the latest in the
/// same burst as its own confirm: hence whole bursts, and the returned ids first.
pub(crate) async fn settle(sent: UnboundedReceiver<InFlight>, limit: usize) {
    let mut bursts = sent
        .map(answered)
        .buffer_unordered(limit)
        .ready_chunks(limit)
        .boxed();
    let mut returned = HashSet::new();
    while let Some(burst) = bursts.next().await {
        returned.extend(burst.iter().filter_map(|(_, answer)| returned_id(answer)));
        for (message, answer) in burst {
            let outcome = match answer {
                _ if returned.remove(&message.id) => Err(PublishError::Unroutable),
                Ok(Confirmation::Ack(_)) => Ok(()),
                Ok(Confirmation::Nack(_)) => Err(PublishError::Refused),
                Ok(Confirmation::NotRequested) => Err(PublishError::Interrupted(None)),
                Err(error) => Err(PublishError::Interrupted(Some(error))),
            };
            // Whoever published it may have stopped waiting.
            let _ = message.tell.send(outcome);
        }
    }
}

/// A message whose answer is known.
struct Answered {
    id: Uuid,
    tell: oneshot::Sender<Result<(), PublishError>>,
}

async fn answered(message: InFlight) -> (Answered, lapin::Result<Confirmation>) {
    let InFlight {
        id,
        confirm,
        tell,
        permit,
    } = message;
    let answer = confirm.await;
    drop(permit);
    (Answered { id, tell }, answer)
}

fn returned_id(answer: &lapin::Result<Confirmation>) -> Option<Uuid> {
    let (Ok(Confirmation::Ack(Some(message))) | Ok(Confirmation::Nack(Some(message)))) = answer else {
        return None;
    };
    message
        .delivery
        .properties
        .message_id()
        .as_ref()?
        .as_str()
        .parse()
        .ok()
}
