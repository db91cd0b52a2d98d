//! The way into draws. While one group is being written the next gathers, so that a rush costs a few hundred
//! transactions and lines of the log a second instead of one each, and a lone member waits for nothing.

use crate::store::{DrawStore, Entrant, Entry, NotTaken};
use catalog_domain::limits::DRAW_GROUP_MAX;
use contract::{DrawId, MemberId};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::warn;

/// Members who may wait; beyond it they are told to try again.
const WAITING_MAX: usize = 20_000;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why somebody is not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    /// The draw does not take it.
    #[error("the draw does not take entries")]
    NotTaken(NotTaken),
    /// It is not known whether the entry was taken; asking again is safe.
    #[error("the entry was not confirmed in time")]
    Unconfirmed,
}

/// Takes entries.
#[derive(Debug, Clone)]
pub struct Entrance {
    wishes: mpsc::Sender<Wish>,
}

/// Somebody's wish to enter.
#[derive(Debug)]
pub struct Wish {
    draw: DrawId,
    entrant: Entrant,
    answer: oneshot::Sender<Result<Entry, EnterError>>,
}

impl Entrance {
    /// An entrance and the wishes that [`take_entries`] must answer.
    pub fn open() -> (Self, mpsc::Receiver<Wish>) {
        let (wishes, receiver) = mpsc::channel(WAITING_MAX);
        (Self { wishes }, receiver)
    }

    /// Enters a member, who may be in already.
    ///
    /// # Errors
    /// [`EnterError`].
    pub async fn enter(&self, draw: DrawId, member: MemberId) -> Result<Entry, EnterError> {
        let entrant = Entrant {
            member,
            entry_id: clock::random_bytes(),
        };
        let (answer, answered) = oneshot::channel();
        let wish = Wish {
            draw,
            entrant,
            answer,
        };
        self.wishes.try_send(wish).map_err(|_| EnterError::Unconfirmed)?;
        let answered = timeout(PATIENCE, answered).await;
        answered
            .ok()
            .and_then(Result::ok)
            .unwrap_or(Err(EnterError::Unconfirmed))
    }
}

/// Answers wishes until nobody can have any more.
pub async fn take_entries(store: DrawStore, mut wishes: mpsc::Receiver<Wish>) {
    let mut gathered = Vec::with_capacity(DRAW_GROUP_MAX);
    while wishes.recv_many(&mut gathered, DRAW_GROUP_MAX).await > 0 {
        let mut by_draw: HashMap<DrawId, Vec<Wish>> = HashMap::new();
        for wish in gathered.drain(..) {
            by_draw.entry(wish.draw.clone()).or_default().push(wish);
        }
        for (draw, group) in by_draw {
            enter(&store, &draw, group).await;
        }
    }
}

async fn enter(store: &DrawStore, draw: &DrawId, group: Vec<Wish>) {
    let entrants: Vec<Entrant> = group.iter().map(|wish| wish.entrant).collect();
    let entered = store.enter(draw, &entrants).await;
    if let Err(error) = &entered {
        warn!(%error, draw = %draw, "cannot take entries");
    }
    for Wish { entrant, answer, .. } in group {
        let answered = match &entered {
            Ok(Ok(entries)) => entries
                .get(&entrant.member)
                .cloned()
                .ok_or(EnterError::Unconfirmed),
            Ok(Err(refusal)) => Err(EnterError::NotTaken(*refusal)),
            Err(_) => Err(EnterError::Unconfirmed),
        };
        // It is no mistake that nobody listens any more.
        let _ = answer.send(answered);
    }
}
