//! An edge's copy of the public log, as far as a draw needs it.

use fairness::{Beacon, Chain, Entry, Head, Range, Revealed, Secret, commitment, seed::seed};
use std::collections::BTreeMap;
use waiting_room_domain::{Decision, Method, Rounds, Snapshot};

/// As `waiting_room::store::LOG_LINES_AT_ONCE`.
pub(crate) const LOG_LINES_AT_ONCE: usize = 2_000;

/// The whole log, and what the leader needs to know of it.
pub(crate) struct Ledger {
    lines: Vec<String>,
    chain: Chain,
    committed: u32,
    frozen: BTreeMap<u32, (Head, Vec<Range>)>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            chain: Chain::new("drop", 1),
            committed: 0,
            frozen: BTreeMap::new(),
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.chain.length
    }

    pub(crate) fn head(&self) -> Head {
        self.chain.head
    }

    /// What a store with only `length` lines has lost.
    pub(crate) fn lost_by(&self, length: u64) -> &[String] {
        let from = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(self.lines.len());
        let to = self.lines.len().min(from + LOG_LINES_AT_ONCE);
        &self.lines[from..to]
    }

    pub(crate) fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            self.chain.extend(&line);
            match line.parse::<Entry>() {
                Ok(Entry::Commit { draw, .. }) => self.committed = self.committed.max(draw + 1),
                Ok(Entry::Freeze { draw, ranges, .. }) => {
                    self.frozen.entry(draw).or_insert((self.chain.head, ranges));
                }
                _ => {}
            }
            self.lines.push(line);
        }
    }

    /// The numbers of the first draw, in every lane.
    pub(crate) fn first_draw(&self) -> Option<&[Range]> {
        self.frozen.get(&0).map(|(_, ranges)| &**ranges)
    }

    /// Whether the draw was committed to. Nobody joins a draw that was not.
    pub(crate) fn has_committed(&self, draw: u32) -> bool {
        draw < self.committed
    }

    /// Puts into `decision` what is due for the draws: as the edge's own `draw` does.
    pub(crate) fn write(&self, method: Method, secrets: u64, snapshot: &Snapshot, decision: &mut Decision) {
        if !method.draws() {
            return;
        }
        let next = snapshot.draws;
        // The next, and in rounds also the one after it: whoever joins right after a freeze joins a draw, too.
        let ahead = match method {
            Method::Random => next..next + 2,
            _ if next == 0 => 0..1,
            _ => next..next,
        };
        decision.freeze &= ahead.clone().all(|draw| self.has_committed(draw));
        let at = decision.decided_at.unix_ms();
        self.reveal(secrets, snapshot, at, decision);
        for draw in ahead.filter(|draw| !self.has_committed(*draw)) {
            let entry = Entry::Commit {
                at,
                draw,
                commitment: commitment(&secret(secrets, draw)),
                beacon: None::<Beacon>,
            };
            decision.log.push(entry.to_string());
        }
    }

    fn reveal(&self, secrets: u64, snapshot: &Snapshot, at: u64, decision: &mut Decision) {
        let is_pending = snapshot.draw_step % 2 == 1;
        let draw = snapshot.draws.checked_sub(1).filter(|_| is_pending);
        let Some((draw, (head, ranges))) = draw.and_then(|draw| Some((draw, self.frozen.get(&draw)?))) else {
            return;
        };
        let secret = secret(secrets, draw);
        let mut lanes: Vec<Rounds> = snapshot.lanes.iter().map(|lane| lane.rounds.clone()).collect();
        for range in ranges {
            if let Some(rounds) = lanes.get_mut(usize::from(range.lane))
                && rounds.pending() == Some((range.from, range.to))
            {
                rounds.reveal(seed(&secret, head, range, None));
            }
        }
        for (rounds, lane) in lanes.iter_mut().zip(&snapshot.lanes) {
            rounds.forget(lane.settled_below);
        }
        let entry = Entry::Reveal {
            at,
            draw,
            secret,
            beacon: Revealed::None,
        };
        decision.log.push(entry.to_string());
        decision.drawn = Some(lanes);
    }
}

/// The secret of a draw. Real ones are derived from a key; what counts is that every edge derives the same.
fn secret(secrets: u64, draw: u32) -> Secret {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&secrets.to_be_bytes());
    bytes[8..12].copy_from_slice(&draw.to_be_bytes());
    Secret(bytes)
}
