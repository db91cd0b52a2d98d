//! The rooms of this edge: each with its view of the line, which requests read without waiting for anything, and
//! the tasks that keep the view fresh.

mod beacon;
mod draw;
mod follower;
mod joiner;
mod ledger;
mod listeners;
mod running;
mod sessions;
mod steering;
mod view;

pub use joiner::{Dealt, Joining};
pub use ledger::Ledger;
pub use listeners::ListenerCount;
pub use running::{Ground, Rooms};
pub use sessions::Sessions;
pub use steering::{Course, StockAhead};
pub use view::View;

use crate::{
    config::RoomConfig,
    keys::DrawSecrets,
    signals::Ear,
    store::{LineStore, Note, StoreError},
};
use arc_swap::ArcSwapOption;
use beacon::BeaconRounds;
use contract::RoomId;
use follower::Followed;
use joiner::{Joiner, Joins};
use listeners::Listeners;
use metrics::Counter;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use view::LineMemory;
use waiting_room_domain::{
    Claim, ClaimOutcome, ControlChange, Holder, LaneId, PollPacing, SessionId, Standing, Ticket, WaitRange,
    delay_index, wait_range,
};

/// Why somebody cannot be served right now, though nothing is wrong with what they ask.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// This edge has not seen the line yet.
    #[error("the line is not known yet")]
    NotSeenYet,
    /// There is no lining up now: too early or over.
    #[error("nobody can join now")]
    NotJoinable,
    /// Nothing is left for whoever comes now, though something may come back.
    #[error("everything is sold out")]
    SoldOut,
    /// Too many wait for their number at this moment.
    #[error("too many join at once")]
    Overloaded,
    /// The store is being told what it forgot.
    #[error("the line is recovering")]
    Recovering,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A room as this edge runs it.
pub struct Room {
    /// Its configuration.
    pub config: RoomConfig,
    /// Its sessions, as far as this edge has to do with them.
    pub sessions: Sessions,
    /// How often shoppers may ask.
    pub pacing: PollPacing,
    /// What is heard of the shop behind it.
    pub ear: Arc<Ear>,
    store: Arc<dyn LineStore>,
    secrets: Arc<DrawSecrets>,
    counters: Counters,
    // What follows is handed on to the room that replaces this one when its config changes.
    view: Arc<ArcSwapOption<View>>,
    joiner: Joiner,
    joins: Joins,
    followed: Arc<tokio::sync::Mutex<Followed>>,
    /// Wakes the follower before its next tick.
    attention: Arc<Notify>,
    listeners: Arc<Listeners>,
    beacon: Arc<BeaconRounds>,
    /// The lines of earlier drops, as far as this edge was there.
    past: Arc<Mutex<VecDeque<Arc<LineMemory>>>>,
    /// Ends the tasks of this one.
    stop: CancellationToken,
}

/// Logs of past drops that can still be asked of an edge.
const PAST_LINES: usize = 4;

struct Counters {
    joins: Counter,
    polls: Counter,
    claims: Counter,
}

impl Counters {
    fn of(room: &RoomId) -> Self {
        let room = room.to_string();
        Self {
            joins: metrics::counter!("waiting_room_joins_total", "room" => room.clone()),
            polls: metrics::counter!("waiting_room_polls_total", "room" => room.clone()),
            claims: metrics::counter!("waiting_room_claims_total", "room" => room),
        }
    }
}

impl Room {
    /// The line as last seen; reading it waits for nothing.
    pub fn view(&self) -> arc_swap::Guard<Option<Arc<View>>> {
        self.view.load()
    }

    /// Where a ticket of this line stands, and how long that will take. A genuine ticket with a number that the
    /// store does not know is news: the store has forgotten it, and is told at the next look.
    pub fn standing(&self, view: &View, ticket: &Ticket) -> (Standing, Option<WaitRange>) {
        self.counters.polls.increment(1);
        view.memory.saw_number(ticket.lane, ticket.number);
        let standing = view.standing(&self.config, ticket);
        let wait = match standing {
            Standing::Waiting { ahead, .. } => {
                wait_range(&view.snapshot, &view.policy(&self.config), ticket.lane, ahead)
            }
            _ => None,
        };
        (standing, wait)
    }

    /// A place at the end of the line, or the one that the holder has.
    ///
    /// # Errors
    /// [`Unavailable`]; nobody has lost anything, and trying again is right.
    pub async fn join(&self, joining: Joining) -> Result<Dealt, Unavailable> {
        let dealt = self.joiner.join(joining).await?;
        if dealt.is_new {
            self.counters.joins.increment(1);
        }
        Ok(dealt)
    }

    /// Whether this holder has a place in the line, be it waiting, called or missed.
    ///
    /// # Errors
    /// [`Unavailable`]; trying again is right.
    pub async fn has_place(&self, view: &View, holder: Holder) -> Result<bool, Unavailable> {
        let held = self.store.held_by(&view.line, &[holder]).await?;
        Ok(held.first().is_some_and(Option::is_some))
    }

    /// Uses something that can be used once in this room; answers whether it was unused.
    ///
    /// # Errors
    /// [`Unavailable`]; it may be used all the same.
    pub async fn spend(&self, what: &str, keep: Duration) -> Result<bool, Unavailable> {
        Ok(self.store.spend(&self.config.id, what, keep).await?)
    }

    /// Lets a called ticket in.
    ///
    /// # Errors
    /// [`Unavailable`]; trying again is right.
    pub async fn claim(&self, view: &View, ticket: &Ticket) -> Result<ClaimOutcome, Unavailable> {
        let session = SessionId::from(ticket.id);
        if !view.rules.claims {
            return Ok(ClaimOutcome::NotCalled);
        }
        let Some(rank) = view.snapshot.rank(self.config.method, ticket.lane, ticket.number) else {
            return Ok(ClaimOutcome::NotCalled);
        };
        let claim = Claim {
            lane: ticket.lane,
            rank,
            session,
            delay_index: delay_index(since_call(view, ticket.lane, rank)),
        };
        let incarnation = view.snapshot.incarnation;
        let outcome = self
            .store
            .claim(&view.line, claim, &self.config.session, incarnation)
            .await?;
        match outcome {
            ClaimOutcome::Resync => {
                self.attention.notify_one();
                return Err(Unavailable::Recovering);
            }
            ClaimOutcome::Admitted { .. } => self.counters.claims.increment(1),
            // Its window has passed or its session is over: remembered, so that joining again gives a new place.
            ClaimOutcome::Missed => self.sessions.mark_ended(session),
            ClaimOutcome::NotCalled => {}
        }
        Ok(outcome)
    }

    /// Ends a session, here at once and on every edge within a tick.
    ///
    /// # Errors
    /// [`Unavailable`]; the session is over on this edge all the same.
    pub async fn end(&self, view: &View, session: SessionId) -> Result<bool, Unavailable> {
        self.sessions.mark_ended(session);
        let keep = self.config.session.length.max(self.config.session.hard_cap);
        Ok(self.store.end(&view.line, session, keep).await?)
    }

    /// Changes what operators can change, on every edge, and notes who did; in the public log, too, if the line keeps one.
    ///
    /// # Errors
    /// [`Unavailable`]; nothing was changed, or it is not known.
    pub async fn change_control(
        &self,
        view: &View,
        change: &ControlChange,
        note: Note,
    ) -> Result<(), Unavailable> {
        let note = Note {
            in_log: self.config.keeps_log,
            ..note
        };
        self.store.change_control(&view.line, change, &note).await?;
        self.attention.notify_one();
        Ok(())
    }

    /// Is cancelled when it is replaced or removed, or the process stops.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether the config has changed since, and another room stands in its place, or none.
    pub fn is_replaced(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Counts one more who listens to events, if this edge can have more of them.
    pub fn count_listener(&self) -> Option<ListenerCount> {
        self.listeners.count()
    }

    /// Changes when something has changed for everybody.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.listeners.changes()
    }

    /// The public log of a past line, from a line on, if this edge has it.
    pub fn past_log(&self, epoch: u64, from: u64) -> Option<String> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = past.iter().find(|memory| u64::from(memory.epoch.0) == epoch)?;
        Some(memory.ledger().text(from))
    }

    fn is_past(&self, memory: Arc<LineMemory>) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_back(memory);
        while past.len() > PAST_LINES {
            past.pop_front();
        }
    }
}

/// How long ago a place was called.
fn since_call(view: &View, lane: LaneId, rank: u64) -> Duration {
    let called_at = view
        .snapshot
        .lane(lane)
        .and_then(|lane| lane.call_log.called_at(rank));
    called_at.map_or(Duration::ZERO, |at| view.now().since(at))
}
