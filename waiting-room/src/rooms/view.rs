//! What this edge last saw of a line.

use super::{ledger::Ledger, steering::Course};
use crate::{
    config::RoomConfig,
    store::{Known, LineKey},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use waiting_room_domain::{
    Epoch, LANES_MAX, LaneId, LaneMarks, Limits, Marks, Moment, Phase, Policy, Rounds, Rules, Snapshot,
    Standing, Ticket,
};

/// A view older than this is from before the store went silent.
const STALE: Duration = Duration::from_secs(2);

/// A line as seen at one moment. Cheap to read, replaced ten times a second.
#[derive(Debug)]
pub struct View {
    /// Which line.
    pub line: LineKey,
    /// What the store said.
    pub snapshot: Snapshot,
    /// Where the schedule stands.
    pub phase: Phase,
    /// What may be done.
    pub rules: Rules,
    /// The limits in force: the operator's, or less while a drop begins or the shop is slow.
    pub limits: Limits,
    /// What the admission follows.
    pub course: Course,
    pub(super) memory: Arc<LineMemory>,
    pub(super) seen_at: Instant,
}

impl View {
    /// The time by the store's clock, counted on since it was last asked.
    pub fn now(&self) -> Moment {
        self.snapshot.taken_at.plus(self.seen_at.elapsed())
    }

    /// The same, and whether the store has been silent for a while: both by one look at the clock.
    pub fn now_and_stale(&self) -> (Moment, bool) {
        let age = self.seen_at.elapsed();
        (self.snapshot.taken_at.plus(age), age > STALE)
    }

    /// By which rules it is decided who comes next.
    pub fn policy<'a>(&self, room: &'a RoomConfig) -> Policy<'a> {
        Policy {
            limits: self.limits,
            weights: &room.lanes.weights,
            method: room.method,
            claim_window: room.claim_window,
            doors: self.rules.doors,
        }
    }

    /// Where a ticket of this line stands.
    pub fn standing(&self, room: &RoomConfig, ticket: &Ticket) -> Standing {
        self.snapshot
            .standing(room.method, ticket.lane, ticket.number, room.claim_window)
    }

    /// Whether the store has been silent for a while.
    pub fn is_stale(&self) -> bool {
        self.seen_at.elapsed() > STALE
    }

    /// What this edge believes of the numbers dealt in a lane.
    pub fn known(&self, lane: LaneId) -> Known {
        let memory = self.memory.lanes.get(lane.index());
        Known {
            incarnation: self.snapshot.incarnation,
            issued: memory.map_or(0, |lane| lane.issued.load(Ordering::Relaxed)),
        }
    }

    /// The public log, as far as this edge has it.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.memory.ledger()
    }
}

/// What this edge must not forget of a line, even if the store does.
#[derive(Debug)]
pub(super) struct LineMemory {
    pub(super) epoch: Epoch,
    lanes: [LaneMemory; LANES_MAX],
    /// How many lanes there are; there can be more later.
    width: AtomicUsize,
    drawn: Mutex<Drawn>,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct LaneMemory {
    issued: AtomicU64,
    called: AtomicU64,
    settled_below: AtomicU64,
}

#[derive(Debug, Default)]
struct Drawn {
    step: u64,
    rounds: Vec<Rounds>,
}

impl LineMemory {
    pub(super) fn new(line: &LineKey, lanes: usize) -> Self {
        Self {
            epoch: line.epoch,
            lanes: std::array::from_fn(|_| LaneMemory::default()),
            width: AtomicUsize::new(lanes),
            drawn: Mutex::default(),
            ledger: Mutex::new(Ledger::new(line.room.as_str(), line.epoch.0)),
        }
    }

    /// The room has so many lanes now.
    pub(super) fn widen(&self, lanes: usize) {
        self.width.fetch_max(lanes, Ordering::Relaxed);
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody holds this number.
    pub(super) fn saw_number(&self, lane: LaneId, number: u64) {
        let Some(lane) = self.lanes.get(lane.index()) else {
            return;
        };
        // Polls come by the ten thousand: look before writing to memory that every thread shares.
        if number >= lane.issued.load(Ordering::Relaxed) {
            lane.issued.fetch_max(number.saturating_add(1), Ordering::Relaxed);
        }
    }

    pub(super) fn saw(&self, snapshot: &Snapshot) {
        for (memory, lane) in self.lanes.iter().zip(&snapshot.lanes) {
            let marks = LaneMarks::from(lane);
            memory.issued.fetch_max(marks.issued, Ordering::Relaxed);
            memory.called.fetch_max(marks.called, Ordering::Relaxed);
            memory
                .settled_below
                .fetch_max(marks.settled_below, Ordering::Relaxed);
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.draw_step > drawn.step {
            drawn.step = snapshot.draw_step;
            drawn.rounds = snapshot.lanes.iter().map(|lane| lane.rounds.clone()).collect();
        }
    }

    pub(super) fn marks(&self) -> Marks {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let width = self.width.load(Ordering::Relaxed);
        let lanes = self.lanes.iter().take(width).map(|lane| LaneMarks {
            issued: lane.issued.load(Ordering::Relaxed),
            called: lane.called.load(Ordering::Relaxed),
            settled_below: lane.settled_below.load(Ordering::Relaxed),
        });
        Marks {
            lanes: lanes.collect(),
            draw_step: drawn.step,
            rounds: drawn.rounds.clone(),
            log_length: self.ledger().length(),
        }
    }
}
