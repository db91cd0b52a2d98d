//! What this edge last saw of a line.

use crate::store::{Known, LineKey};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use waiting_room_domain::{Doors, Limits, Marks, Moment, Phase, Snapshot};

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
    /// The limits in force.
    pub limits: Limits,
    pub(super) memory: Arc<LineMemory>,
    pub(super) seen_at: Instant,
}

impl View {
    /// The time by the store's clock, counted on since it was last asked.
    pub fn now(&self) -> Moment {
        self.snapshot.taken_at.plus(self.seen_at.elapsed())
    }

    /// Whether anybody is called.
    pub fn doors(&self) -> Doors {
        let shut = self.snapshot.control.paused || !matches!(self.phase, Phase::Open { .. });
        if shut { Doors::Shut } else { Doors::Open }
    }

    /// The same as a question.
    pub fn calls(&self) -> bool {
        self.doors() == Doors::Open
    }

    /// Whether the store has been silent for a while.
    pub fn is_stale(&self) -> bool {
        self.seen_at.elapsed() > STALE
    }

    /// What this edge believes of the numbers dealt.
    pub fn known(&self) -> Known {
        Known {
            incarnation: self.snapshot.incarnation,
            issued: self.memory.issued.load(Ordering::Relaxed),
        }
    }
}

/// What this edge must not forget of a line, even if the store does.
#[derive(Debug, Default)]
pub(super) struct LineMemory {
    issued: AtomicU64,
    called: AtomicU64,
    settled_below: AtomicU64,
}

impl LineMemory {
    /// Somebody holds this number.
    pub(super) fn saw_number(&self, number: u64) {
        // Polls come by the ten thousand: look before writing to memory that every thread shares.
        if number >= self.issued.load(Ordering::Relaxed) {
            self.issued.fetch_max(number.saturating_add(1), Ordering::Relaxed);
        }
    }

    pub(super) fn saw(&self, marks: Marks) {
        self.issued.fetch_max(marks.issued, Ordering::Relaxed);
        self.called.fetch_max(marks.called, Ordering::Relaxed);
        self.settled_below
            .fetch_max(marks.settled_below, Ordering::Relaxed);
    }

    pub(super) fn marks(&self) -> Marks {
        Marks {
            issued: self.issued.load(Ordering::Relaxed),
            called: self.called.load(Ordering::Relaxed),
            settled_below: self.settled_below.load(Ordering::Relaxed),
        }
    }
}
