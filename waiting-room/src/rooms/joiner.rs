//! Joins, many at a time: while one round trip to the store is under way, those who come meanwhile gather for
//! the next. One shopper alone waits for nobody; a hundred thousand a second are a few hundred round trips.

use super::{Room, Unavailable};
use crate::store::LineKey;
use fairness::{Receipt, Tree};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use waiting_room_domain::{
    Held, Holder, HolderJoin, JoinGroup, JoinOutcome, LANES_MAX, LaneId, Ticket, TicketId,
};

/// Shoppers who may wait for their number at once; more are asked to try again.
const GATHERED_MAX: usize = 65_536;
/// Numbers dealt in one round trip at most; also the most that one line of the public log stands for.
const DEALT_MAX: usize = 8_192;
/// How long a group waits for a line that stands still or has not been seen yet.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// A line of the public log stands for so many joins, or for what came in so long: its length is bounded by time, not
/// by the number of people.
const LOGGED_AT_ONCE: usize = 64;
const LOGGED_EVERY: Duration = Duration::from_millis(50);

/// What somebody joins by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joining {
    /// The lane.
    pub lane: LaneId,
    /// Whoever can have one place only.
    pub holder: Option<Holder>,
    /// The place that they have and that is worth nothing any more.
    pub instead_of: Option<TicketId>,
    /// Whether they had a place in this line before. A line that is sold out is closed to newcomers, not to somebody
    /// who comes back to look after an order.
    pub returns: bool,
}

/// A place in line.
#[derive(Debug, Clone, PartialEq)]
pub struct Dealt {
    /// The ticket.
    pub ticket: Ticket,
    /// The proof that it is in the public log, if the line keeps one.
    pub receipt: Option<Receipt>,
    /// Whether it was dealt just now, not found.
    pub is_new: bool,
}

type Answer = Result<Dealt, Unavailable>;

/// Somebody who waits for a number.
pub(super) struct Shopper {
    joining: Joining,
    /// The identifier of the ticket to be. Drawn by whoever asks: one task deals for all.
    id: TicketId,
    answer: oneshot::Sender<Answer>,
}

/// Those who gather. Whoever deals has them: when a room's config changes, the next dealer waits until the one before
/// has answered the group at hand, and goes on with the rest.
pub(super) type Joins = Arc<Mutex<mpsc::Receiver<Shopper>>>;

/// Where shoppers ask for their number.
#[derive(Clone)]
pub(super) struct Joiner(mpsc::Sender<Shopper>);

impl Joiner {
    pub(super) fn new() -> (Self, Joins) {
        let (sender, joins) = mpsc::channel(GATHERED_MAX);
        (Self(sender), Arc::new(Mutex::new(joins)))
    }

    pub(super) async fn join(&self, joining: Joining) -> Answer {
        let (answer, answered) = oneshot::channel();
        let shopper = Shopper {
            joining,
            id: clock::random_bytes(),
            answer,
        };
        self.0.try_send(shopper).map_err(|_| Unavailable::Overloaded)?;
        answered.await.unwrap_or(Err(Unavailable::Overloaded))
    }
}

/// Deals numbers to those who gathered, group after group.
pub(super) async fn deal(room: Arc<Room>, joins: Joins, token: CancellationToken) -> anyhow::Result<()> {
    let mut joins = tokio::select! {
        joins = joins.lock() => joins,
        () = token.cancelled() => return Ok(()),
    };
    let mut gathered = Vec::with_capacity(DEALT_MAX);
    let mut logged_at = Instant::now();
    loop {
        tokio::select! {
            count = joins.recv_many(&mut gathered, DEALT_MAX) => if count == 0 { return Ok(()) },
            () = token.cancelled() => return Ok(()),
        }
        if room.config.keeps_log {
            if gathered.len() < LOGGED_AT_ONCE {
                tokio::time::sleep_until(logged_at + LOGGED_EVERY).await;
                while gathered.len() < DEALT_MAX
                    && let Ok(shopper) = joins.try_recv()
                {
                    gathered.push(shopper);
                }
            }
            logged_at = Instant::now();
        }
        // Who has gone away meanwhile needs no number.
        gathered.retain(|shopper| !shopper.answer.is_closed());
        for group in by_lane(&mut gathered) {
            deal_to(&room, group).await;
        }
    }
}

fn by_lane(gathered: &mut Vec<Shopper>) -> Vec<Vec<Shopper>> {
    let first = gathered.first().map(|shopper| shopper.joining.lane);
    if gathered.iter().all(|shopper| Some(shopper.joining.lane) == first) {
        return vec![std::mem::take(gathered)];
    }
    let mut lanes: Vec<Vec<Shopper>> = Vec::new();
    lanes.resize_with(LANES_MAX, Vec::new);
    for shopper in gathered.drain(..) {
        if let Some(lane) = lanes.get_mut(shopper.joining.lane.index()) {
            lane.push(shopper);
        }
    }
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

/// Deals to everybody of a lane, as soon as the line can; or says to each why not.
async fn deal_to(room: &Room, mut group: Vec<Shopper>) {
    let deadline = Instant::now() + PATIENCE;
    while !group.is_empty() {
        match try_deal(room, &mut group).await {
            Ok(()) => {}
            Err(Unavailable::Recovering | Unavailable::NotSeenYet) if Instant::now() < deadline => {
                room.attention.notify_one();
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => refuse(group.drain(..), &error),
        }
    }
}

fn refuse(group: impl Iterator<Item = Shopper>, why: &Unavailable) {
    let expected = matches!(why, Unavailable::NotJoinable | Unavailable::SoldOut);
    if !expected {
        tracing::warn!(error = format!("{why:#}"), "could not deal numbers");
    }
    for shopper in group {
        let why = match why {
            Unavailable::NotJoinable => Unavailable::NotJoinable,
            Unavailable::SoldOut => Unavailable::SoldOut,
            _ => Unavailable::Recovering,
        };
        // A shopper who has gone needs no answer.
        let _ = shopper.answer.send(Err(why));
    }
}

/// Answers everybody of `group` who can be answered in one go, and takes them out of it.
async fn try_deal(room: &Room, group: &mut Vec<Shopper>) -> Result<(), Unavailable> {
    let view = room.view.load_full().ok_or(Unavailable::NotSeenYet)?;
    if !view.rules.joins {
        return Err(Unavailable::NotJoinable);
    }
    let draws_next = room.config.method.draws() && view.snapshot.draws == 0;
    if draws_next && view.ledger().commitment(0).is_none() {
        // Nobody joins a draw that was not committed to.
        return Err(Unavailable::NotSeenYet);
    }
    if group.iter().any(|shopper| shopper.joining.holder.is_some()) {
        answer_holders(room, &view.line, group).await?;
    }
    // Who has a place keeps it; a new one would be worth nothing.
    if view.is_sold_out(&room.config) {
        let newcomers = group.extract_if(.., |shopper| !shopper.joining.returns);
        refuse(newcomers, &Unavailable::SoldOut);
    }
    let mut dealing = take_one_of_each(group);
    let tree = room.config.keeps_log.then(|| {
        let ids: Vec<TicketId> = dealing.iter().map(|shopper| shopper.id).collect();
        Tree::new(&ids)
    });
    let Some(lane) = dealing.first().map(|shopper| shopper.joining.lane) else {
        return Ok(());
    };
    let count = u32::try_from(dealing.len()).unwrap_or(u32::MAX);
    let join = JoinGroup {
        lane,
        count,
        root: tree.as_ref().map(|tree| tree.root().to_string()),
        holders: holders(&dealing),
    };
    let joined = room.store.join(&view.line, &join, view.known(lane)).await;
    let (first, at) = match joined {
        Ok(JoinOutcome::Dealt { first, at }) => (first, at),
        // Somebody has got their place elsewhere: once more, and they are found.
        Ok(JoinOutcome::Held) => {
            group.append(&mut dealing);
            return Ok(());
        }
        Ok(JoinOutcome::Resync) => {
            group.append(&mut dealing);
            return Err(Unavailable::Recovering);
        }
        Err(error) => {
            group.append(&mut dealing);
            return Err(error.into());
        }
    };
    view.memory.saw_number(lane, first + u64::from(count) - 1);
    for (shopper, index) in dealing.into_iter().zip(0u32..) {
        let held = Held {
            lane,
            number: first + u64::from(index),
            issued_at: at,
            id: shopper.id,
        };
        let dealt = Dealt {
            ticket: ticket(room, &view.line, &held),
            receipt: tree
                .as_ref()
                .map(|tree| Receipt::of(tree, lane.0, first, count, index)),
            is_new: true,
        };
        // A shopper who has gone leaves a number that nobody claims.
        let _ = shopper.answer.send(Ok(dealt));
    }
    Ok(())
}

/// Holders come first, as the store pairs them with the first numbers; each of them once.
fn take_one_of_each(group: &mut Vec<Shopper>) -> Vec<Shopper> {
    let mut seen = HashSet::new();
    let (mut dealing, again): (Vec<_>, Vec<_>) = group.drain(..).partition(|shopper| {
        let holder = shopper.joining.holder;
        holder.is_none_or(|holder| seen.insert(holder))
    });
    *group = again;
    if !seen.is_empty() {
        dealing.sort_by_key(|shopper| shopper.joining.holder.is_none());
    }
    dealing
}

fn holders(dealing: &[Shopper]) -> Vec<HolderJoin> {
    let joins = dealing.iter().filter_map(|shopper| {
        Some(HolderJoin {
            holder: shopper.joining.holder?,
            id: shopper.id,
            instead_of: shopper.joining.instead_of,
        })
    });
    joins.collect()
}

/// Answers those who have a place already.
async fn answer_holders(room: &Room, line: &LineKey, group: &mut Vec<Shopper>) -> Result<(), Unavailable> {
    let asked: Vec<Holder> = group
        .iter()
        .filter_map(|shopper| shopper.joining.holder)
        .collect();
    let mut held = room.store.held_by(line, &asked).await?.into_iter();
    for mut shopper in std::mem::take(group) {
        let place = shopper.joining.holder.and_then(|_| held.next().flatten());
        match place {
            Some(place) if shopper.joining.instead_of != Some(place.id) => {
                let _ = shopper.answer.send(Ok(found(room, line, &place)));
            }
            place => {
                // Nothing is replaced but what is there.
                shopper.joining.instead_of = place.map(|place| place.id);
                group.push(shopper);
            }
        }
    }
    Ok(())
}

fn found(room: &Room, line: &LineKey, held: &Held) -> Dealt {
    Dealt {
        ticket: ticket(room, line, held),
        receipt: None,
        is_new: false,
    }
}

fn ticket(room: &Room, line: &LineKey, held: &Held) -> Ticket {
    Ticket {
        room: room.config.tag,
        epoch: line.epoch,
        lane: held.lane,
        number: held.number,
        issued_at: held.issued_at,
        id: held.id,
    }
}
