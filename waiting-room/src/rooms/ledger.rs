//! This edge's copy of a line's public log. Every edge has all of it, so that shoppers read it without the store, and
//! a store that lost it is told.

use fairness::{Beacon, Chain, Commitment, Entry, Head, Range};
use std::collections::BTreeMap;
use tracing::warn;

/// The whole log, with what the leader needs to know of it.
#[derive(Debug)]
pub struct Ledger {
    title: String,
    lines: Vec<String>,
    chain: Chain,
    promises: BTreeMap<u32, Promise>,
    frozen: BTreeMap<u32, Frozen>,
    /// When each lane's calls were last noted, and what was.
    calls: BTreeMap<u8, NotedCall>,
}

/// What a draw was committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) commitment: Commitment,
    pub(super) beacon: Option<Beacon>,
}

/// A draw that was frozen: the head that goes into its seed, and the numbers.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) head: Head,
    pub(super) ranges: Vec<Range>,
}

/// What the log says of a lane's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotedCall {
    pub(super) at: u64,
    pub(super) called: u64,
    pub(super) claimed: u64,
    pub(super) missed: u64,
}

impl Ledger {
    pub(super) fn new(room: &str, epoch: u32) -> Self {
        Self {
            title: Chain::title(room, epoch),
            lines: Vec::new(),
            chain: Chain::new(room, epoch),
            promises: BTreeMap::new(),
            frozen: BTreeMap::new(),
            calls: BTreeMap::new(),
        }
    }

    /// How many lines there are, without the title.
    pub fn length(&self) -> u64 {
        self.chain.length
    }

    /// The hash of all of it.
    pub fn head(&self) -> Head {
        self.chain.head
    }

    /// The log as a file, from a line on; with its title if it is from the first.
    pub fn text(&self, from: u64) -> String {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.lines.len());
        let title = (from == 0).then_some(&self.title);
        let mut text = String::new();
        for line in title.into_iter().chain(&self.lines[from..]) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The lines that a store with only `length` of them has lost, as many as go in one round trip.
    pub(super) fn lost_by(&self, length: u64, at_most: usize) -> Vec<String> {
        let from = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.lines.len());
        self.lines[from..].iter().take(at_most).cloned().collect()
    }

    /// Takes in what followed.
    pub(super) fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            self.chain.extend(&line);
            match line.parse::<Entry>() {
                Ok(entry) => self.note(entry),
                Err(error) => {
                    warn!(line = self.chain.length, %error, "the public log has a line that makes no sense");
                }
            }
            self.lines.push(line);
        }
    }

    fn note(&mut self, entry: Entry) {
        match entry {
            Entry::Commit {
                draw,
                commitment,
                beacon,
                ..
            } => {
                self.promises
                    .entry(draw)
                    .or_insert(Promise { commitment, beacon });
            }
            Entry::Freeze { draw, ranges, .. } => {
                let head = self.chain.head;
                self.frozen.entry(draw).or_insert(Frozen { head, ranges });
            }
            Entry::Call {
                at,
                lane,
                called,
                claimed,
                missed,
            } => {
                let noted = NotedCall {
                    at,
                    called,
                    claimed,
                    missed,
                };
                self.calls.insert(lane, noted);
            }
            Entry::Join { .. } | Entry::Reveal { .. } | Entry::Operator { .. } | Entry::Edge { .. } => {}
        }
    }

    pub(super) fn commitment(&self, draw: u32) -> Option<&Promise> {
        self.promises.get(&draw)
    }

    pub(super) fn frozen(&self, draw: u32) -> Option<&Frozen> {
        self.frozen.get(&draw)
    }

    pub(super) fn noted_call(&self, lane: u8) -> Option<&NotedCall> {
        self.calls.get(&lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn it_knows_what_was_committed_frozen_and_called() {
        let commitment = Commitment([7; 32]);
        let mut ledger = Ledger::new("demo", 5);
        ledger.extend(lines(&format!("commit 1 0 {commitment} none\nnonsense")));
        ledger.extend(lines("freeze 2 0 0:0:9\ncall 3 0 4 2 1"));
        assert_eq!(ledger.commitment(0).unwrap().commitment, commitment);
        assert_eq!(ledger.commitment(1), None);
        let mut chain = Chain::new("demo", 5);
        let text = ledger.text(0);
        text.lines().skip(1).take(3).for_each(|line| chain.extend(line));
        assert_eq!(ledger.frozen(0).unwrap().head, chain.head);
        assert_eq!(ledger.noted_call(0).unwrap().called, 4);
        assert_eq!(ledger.length(), 4);
        assert!(text.starts_with("waiting-room/log/1 demo 5\ncommit 1"));
        assert_eq!(ledger.text(3), "call 3 0 4 2 1\n");
        assert_eq!(ledger.text(99), "");
    }

    #[test]
    fn it_knows_what_a_store_has_lost() {
        let mut ledger = Ledger::new("demo", 5);
        ledger.extend(lines("edge 1 a\nedge 2 b\nedge 3 c"));
        assert_eq!(ledger.lost_by(1, 10), ["edge 2 b", "edge 3 c"]);
        assert_eq!(ledger.lost_by(1, 1), ["edge 2 b"]);
        assert!(ledger.lost_by(9, 10).is_empty());
    }
}
