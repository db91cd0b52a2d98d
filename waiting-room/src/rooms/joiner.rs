//! Joins, many at a time: while one round trip to the store is under way, those who come meanwhile gather for
//! the next. One shopper alone waits for nobody; a hundred thousand a second are a few hundred round trips.

use super::{Room, Unavailable};
use crate::store::LineKey;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use waiting_room_domain::{JoinOutcome, Moment};

/// Shoppers who may wait for their number at once; more are asked to try again.
const GATHERED_MAX: usize = 65_536;
/// Numbers dealt in one round trip at most.
const DEALT_MAX: usize = 8_192;
/// How long a group waits for a line that stands still or has not been seen yet.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// One shopper's place in a line: which line, which number, when.
type Dealt = (LineKey, u64, Moment);
type Answer = Result<Dealt, Unavailable>;
pub(super) type Joins = mpsc::Receiver<oneshot::Sender<Answer>>;

/// Where shoppers ask for their number.
pub(super) struct Joiner(mpsc::Sender<oneshot::Sender<Answer>>);

impl Joiner {
    pub(super) fn new() -> (Self, Joins) {
        let (sender, joins) = mpsc::channel(GATHERED_MAX);
        (Self(sender), joins)
    }

    pub(super) async fn join(&self) -> Answer {
        let (sender, answer) = oneshot::channel();
        self.0.try_send(sender).map_err(|_| Unavailable::Overloaded)?;
        answer.await.unwrap_or(Err(Unavailable::Overloaded))
    }
}

/// Deals numbers to those who gathered, group after group.
pub(super) async fn deal(room: Arc<Room>, mut joins: Joins, token: CancellationToken) -> anyhow::Result<()> {
    let mut group = Vec::with_capacity(DEALT_MAX);
    loop {
        tokio::select! {
            count = joins.recv_many(&mut group, DEALT_MAX) => if count == 0 { return Ok(()) },
            () = token.cancelled() => return Ok(()),
        }
        // Who has gone away meanwhile needs no number.
        group.retain(|shopper| !shopper.is_closed());
        let dealt = deal_to(&room, u32::try_from(group.len()).unwrap_or(u32::MAX)).await;
        answer(&mut group, dealt);
    }
}

fn answer(group: &mut Vec<oneshot::Sender<Answer>>, dealt: Result<Dealt, Unavailable>) {
    match dealt {
        Ok((line, first, at)) => {
            for (shopper, number) in group.drain(..).zip(first..) {
                // A shopper who has gone leaves a number that nobody claims.
                let _ = shopper.send(Ok((line.clone(), number, at)));
            }
        }
        Err(Unavailable::NotJoinable) => {
            group
                .drain(..)
                .for_each(|shopper| drop(shopper.send(Err(Unavailable::NotJoinable))));
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "could not deal numbers"
            );
            group
                .drain(..)
                .for_each(|shopper| drop(shopper.send(Err(Unavailable::Recovering))));
        }
    }
}

async fn deal_to(room: &Room, count: u32) -> Result<Dealt, Unavailable> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match try_deal(room, count).await {
            Err(error @ (Unavailable::Recovering | Unavailable::NotSeenYet)) => error,
            decided => return decided,
        };
        if Instant::now() >= deadline {
            return Err(last);
        }
        room.attention.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_deal(room: &Room, count: u32) -> Result<Dealt, Unavailable> {
    let Some(view) = room.view.load_full() else {
        return Err(Unavailable::NotSeenYet);
    };
    if !view.phase.may_join() {
        return Err(Unavailable::NotJoinable);
    }
    match room.store.join(&view.line, count, view.known()).await? {
        JoinOutcome::Dealt { first } => {
            view.memory.saw_number(first + u64::from(count) - 1);
            Ok((view.line.clone(), first, view.now()))
        }
        JoinOutcome::Resync => Err(Unavailable::Recovering),
    }
}
