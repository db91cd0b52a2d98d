//! Checking a whole log: everything that can be told from its text alone.

mod problem;
mod walk;

pub use problem::{Code, Problem};

use crate::{Beacon, Chain, Commitment, Head, Leaf, Permutation, Range, Receipt, Root};
use std::collections::{BTreeMap, HashMap};

/// What a log says, and what is wrong with it.
#[derive(Debug)]
pub struct Audit {
    /// The room, by the title.
    pub room: String,
    /// Which line of that room, by the title.
    pub epoch: u32,
    /// The draws, in their order.
    pub draws: Vec<Draw>,
    /// The lanes that were joined or called.
    pub lanes: BTreeMap<u8, Lane>,
    /// The hash and the length of the whole log.
    pub chain: Chain,
    /// How many lines say that an operator took a hand in it.
    pub operator_actions: u64,
    /// Everything that an honest log does not have, in the order of the lines.
    pub problems: Vec<Problem>,
    /// The head after each line, with the line's number in the file.
    heads: HashMap<Head, usize>,
    /// The groups: lane, first number, count.
    groups: HashMap<(u8, u64, u32), Root>,
}

/// One draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// What was committed to.
    pub commitment: Commitment,
    /// The beacon that was committed to.
    pub beacon: Option<Beacon>,
    /// How far each lane had been joined when the commit was written.
    joined: BTreeMap<u8, u64>,
    /// What is drawn, once it is frozen.
    pub frozen: Option<Frozen>,
    /// The order, once the secret is revealed.
    pub drawn: Option<Drawn>,
}

/// What a reveal told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The order of each range.
    pub orders: Vec<(Range, Permutation)>,
    /// The secret is the one that was committed to.
    pub secret_fits: bool,
    /// The beacon is the one that was committed to, and genuine; or there was none to be had.
    pub beacon_fits: bool,
}

/// What a freeze fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// When, in Unix milliseconds.
    pub at: u64,
    /// The log's head after the freeze.
    pub head: Head,
    /// What is drawn.
    pub ranges: Vec<Range>,
}

/// One lane, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lane {
    /// How many numbers were dealt.
    pub joined: u64,
    /// Numbers below this are frozen in a draw, or were called before it.
    pub frozen: u64,
    /// How many have a place from a draw.
    pub drawn: u64,
    /// Nobody below this is in a draw that is to come.
    drawn_below: u64,
    /// A draw passed these numbers over as already called: the next count of the calls must have them.
    passed_over: u64,
    /// Ranks below this were called.
    pub called: u64,
    /// How many of them came.
    pub claimed: u64,
    /// How many of them did not.
    pub missed: u64,
}

/// Where a number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It was drawn to this rank.
    Drawn {
        /// By which draw.
        draw: usize,
        /// Ranks count from 0.
        rank: u64,
    },
    /// It is in a draw that is not done.
    ToBeDrawn,
    /// It is in no draw, because it came after the last, or was called when nobody waited: its rank is its number.
    InOrder,
    /// The log has no such number.
    Unknown,
}

impl Audit {
    /// Checks a log: its title, then its lines.
    pub fn of(log: &str) -> Self {
        walk::walk(log)
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many joined, in all lanes.
    pub fn joins(&self) -> u64 {
        self.lanes.values().map(|lane| lane.joined).sum()
    }

    /// Where a number stands.
    pub fn position(&self, lane: u8, number: u64) -> Position {
        let Some(known) = self.lanes.get(&lane).filter(|known| number < known.joined) else {
            return Position::Unknown;
        };
        let mut ranks = self.draws.iter().map(|draw| draw.rank(lane, number)).enumerate();
        if let Some((draw, Some(rank))) = ranks.find(|(_, rank)| rank.is_some()) {
            return Position::Drawn { draw, rank };
        }
        let is_frozen = self.draws.iter().any(|draw| draw.is_pending_for(lane, number));
        let is_to_come = self.is_waiting() && number >= known.frozen.max(known.called);
        if is_frozen || is_to_come {
            Position::ToBeDrawn
        } else {
            Position::InOrder
        }
    }

    /// Whether the log has the ticket `id` where `receipt` says.
    pub fn includes(&self, receipt: &Receipt, id: &Leaf) -> bool {
        let group = (receipt.lane, receipt.first, receipt.count);
        self.groups
            .get(&group)
            .is_some_and(|root| receipt.proves(id, root))
    }

    /// The line of the file after which the log had this head. A head that somebody noted and that is not found was
    /// rewritten.
    pub fn line_of(&self, head: &Head) -> Option<usize> {
        self.heads.get(head).copied()
    }

    /// A draw is committed to and its secret is not revealed.
    fn is_waiting(&self) -> bool {
        self.draws.iter().any(|draw| draw.drawn.is_none())
    }

    /// The room draws in rounds: it commits to one draw more than it is about to do. When nobody waits in such a
    /// room, whoever comes walks in without a draw.
    fn has_rounds(&self) -> bool {
        self.draws.len() > 1
    }
}

impl Draw {
    fn is_pending_for(&self, lane: u8, number: u64) -> bool {
        let ranges = self.frozen.as_ref().filter(|_| self.drawn.is_none());
        let mut ranges = ranges.into_iter().flat_map(|frozen| &frozen.ranges);
        ranges.any(|range| range.lane == lane && (range.from..range.to).contains(&number))
    }

    fn rank(&self, lane: u8, number: u64) -> Option<u64> {
        let orders = &self.drawn.as_ref()?.orders;
        let holds = |(range, _): &&(Range, Permutation)| {
            range.lane == lane && (range.from..range.to).contains(&number)
        };
        let (range, order) = orders.iter().find(holds)?;
        Some(range.from + order.apply(number - range.from))
    }
}

#[cfg(test)]
mod tests;
