//! The walk over a log's lines.

use super::{Audit, Code, Draw, Drawn, Frozen, Lane, Problem};
use crate::{
    Beacon, BeaconError, Chain, Entry, Network, Permutation, Range, Revealed, Root, Secret, commitment,
    receipt::GROUP_MAX, seed::seed, text::small,
};
use std::collections::{BTreeMap, HashMap};

/// The audit of a log.
pub(super) fn walk(log: &str) -> Audit {
    let log = log.strip_suffix('\n').unwrap_or(log);
    let mut lines = log.split('\n');
    let title = lines.next().unwrap_or_default();
    let mut walk = Walk::begin(title);
    for (index, line) in lines.enumerate() {
        walk.line = index + 2;
        walk.audit.chain.extend(line);
        walk.audit.heads.insert(walk.audit.chain.head, walk.line);
        match Entry::parse(line) {
            Ok(entry) => walk.entry(entry),
            Err(error) => walk.problem(Code::Malformed, error.to_string()),
        }
    }
    walk.audit
}

struct Walk {
    audit: Audit,
    /// The line that is looked at.
    line: usize,
}

/// The room and the epoch of a title.
fn read_title(title: &str) -> Option<(String, u32)> {
    let (room, epoch) = title.strip_prefix("waiting-room/log/1 ")?.split_once(' ')?;
    let fits = !room.is_empty() && room.bytes().all(|byte| byte.is_ascii_graphic());
    Some((room.to_owned(), small(epoch)?)).filter(|_| fits)
}

impl Walk {
    fn begin(title: &str) -> Self {
        let named = read_title(title);
        let is_title = named.is_some();
        let (room, epoch) = named.unwrap_or_default();
        let chain = Chain::titled(title);
        let audit = Audit {
            room,
            epoch,
            draws: Vec::new(),
            lanes: BTreeMap::new(),
            chain,
            operator_actions: 0,
            problems: Vec::new(),
            heads: HashMap::from([(chain.head, 1)]),
            groups: HashMap::new(),
        };
        let mut walk = Self { audit, line: 1 };
        walk.check(is_title, Code::Title, || {
            "this is not the title of a log".to_owned()
        });
        walk
    }

    fn problem(&mut self, code: Code, what: String) {
        let line = self.line;
        self.audit.problems.push(Problem { line, code, what });
    }

    /// Notes a problem unless everything is `well`.
    fn check(&mut self, well: bool, code: Code, what: impl FnOnce() -> String) {
        if !well {
            self.problem(code, what());
        }
    }

    fn lane(&mut self, lane: u8) -> &mut Lane {
        self.audit.lanes.entry(lane).or_default()
    }

    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Commit {
                draw,
                commitment,
                beacon,
                ..
            } => {
                let joined = self.audit.lanes.iter();
                let joined = joined.map(|(lane, known)| (*lane, known.joined)).collect();
                self.commit(
                    draw,
                    Draw {
                        commitment,
                        beacon,
                        joined,
                        frozen: None,
                        drawn: None,
                    },
                );
            }
            Entry::Join {
                lane,
                first,
                count,
                root,
                ..
            } => self.join(lane, first, count, root),
            Entry::Freeze { at, draw, ranges } => self.freeze(at, draw, ranges),
            Entry::Reveal {
                draw, secret, beacon, ..
            } => self.reveal(draw, &secret, &beacon),
            Entry::Call {
                lane,
                called,
                claimed,
                missed,
                ..
            } => self.call(lane, called, claimed, missed),
            Entry::Operator { .. } => self.audit.operator_actions += 1,
            Entry::Edge { .. } => {}
        }
    }

    fn join(&mut self, lane: u8, first: u64, count: u32, root: Root) {
        let Some(end) = first
            .checked_add(count.into())
            .filter(|_| (1..=GROUP_MAX).contains(&count))
        else {
            return self.problem(Code::JoinCount, format!("{count} cannot have joined at once"));
        };
        let known = self.lane(lane).joined;
        self.check(first <= known, Code::JoinGap, || {
            format!(
                "the numbers {known} to {} of lane {lane} are missing",
                first.saturating_sub(1)
            )
        });
        self.check(first >= known, Code::JoinTwice, || {
            format!("lane {lane} had its numbers below {known} already, and {first} is dealt again")
        });
        self.lane(lane).joined = end.max(known);
        self.audit.groups.entry((lane, first, count)).or_insert(root);
    }

    fn commit(&mut self, number: u32, draw: Draw) {
        let next = self.audit.draws.len();
        let is_next = usize::try_from(number) == Ok(next);
        self.check(is_next, Code::CommitOrder, || {
            format!("draw {number} is committed to where draw {next} is due")
        });
        if is_next {
            self.audit.draws.push(draw);
        }
    }

    fn freeze(&mut self, at: u64, number: u32, ranges: Vec<Range>) {
        let open = self.audit.draws.iter().position(|draw| draw.frozen.is_none());
        let due = open.filter(|due| usize::try_from(number) == Ok(*due));
        let Some(index) = due else {
            return self.problem(
                Code::FreezeOrder,
                format!("draw {number} is not the one to be frozen"),
            );
        };
        if index == 0 {
            self.check_lanes(&ranges);
        }
        for range in &ranges {
            self.freeze_range(index, range);
        }
        let round = self.audit.draws[index].beacon;
        self.check_round(round, at);
        let head = self.audit.chain.head;
        self.audit.draws[index].frozen = Some(Frozen { at, head, ranges });
    }

    fn check_lanes(&mut self, ranges: &[Range]) {
        let joined = self.audit.lanes.iter().filter(|(_, known)| known.joined > 0);
        let left_out = joined.map(|(lane, _)| *lane);
        let left_out: Vec<u8> = left_out
            .filter(|lane| ranges.iter().all(|range| range.lane != *lane))
            .collect();
        for lane in left_out {
            self.problem(
                Code::FreezeLane,
                format!("lane {lane} is left out of the first draw"),
            );
        }
    }

    fn freeze_range(&mut self, index: usize, range: &Range) {
        let Range { lane, from, to } = *range;
        let rounds = self.audit.has_rounds();
        let known = *self.lane(lane);
        let begins = known.frozen.max(known.called.min(known.joined));
        let fits = to == known.joined && (from == begins || rounds && from > begins);
        self.check(fits, Code::FreezeRange, || {
            let joined = known.joined;
            format!("lane {lane} is drawn from {from} to {to}, but joined from {begins} to {joined}")
        });
        if from > begins {
            self.lane(lane).passed_over = from;
        }
        let before = self.audit.draws[index].joined.get(&lane).copied().unwrap_or(0);
        self.check(from == to || before <= from, Code::CommitLate, || {
            format!("the commit of draw {index} came after the number {from} of lane {lane} had joined")
        });
        self.lane(lane).frozen = known.frozen.max(to);
    }

    /// Whoever freezes the joins must not know the beacon yet.
    fn check_round(&mut self, round: Option<Beacon>, frozen_at: u64) {
        let Some(beacon) = round else { return };
        match Network::named(&beacon.chain) {
            Ok(network) => {
                let early = network.published_at(beacon.round) <= frozen_at;
                self.check(!early, Code::BeaconEarly, || {
                    format!(
                        "round {} of the beacon was public when the joins were frozen",
                        beacon.round
                    )
                });
            }
            Err(error) => self.problem(Code::BeaconUnknown, error.to_string()),
        }
    }

    fn reveal(&mut self, number: u32, secret: &Secret, beacon: &Revealed) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let draw = self.audit.draws.get(index).filter(|draw| draw.drawn.is_none());
        let Some((draw, frozen)) = draw.and_then(|draw| Some((draw.clone(), draw.frozen.clone()?))) else {
            return self.problem(
                Code::RevealOrder,
                format!("draw {number} is not the one to be revealed"),
            );
        };
        let secret_fits = commitment(secret) == draw.commitment;
        self.check(secret_fits, Code::Secret, || {
            format!("the secret of draw {number} is not the one that was committed to")
        });
        let beacon_fits = self.check_beacon(draw.beacon, beacon);
        let orders = frozen.ranges.iter().map(|range| {
            let seed = seed(secret, &frozen.head, range, beacon.signature());
            (*range, Permutation::new(&seed, range.to - range.from))
        });
        self.audit.draws[index].drawn = Some(Drawn {
            orders: orders.collect(),
            secret_fits,
            beacon_fits,
        });
        for range in &frozen.ranges {
            let lane = self.lane(range.lane);
            lane.drawn = lane.drawn.saturating_add(range.to - range.from);
            lane.drawn_below = lane.drawn_below.max(range.to);
        }
    }

    fn check_beacon(&mut self, committed: Option<Beacon>, revealed: &Revealed) -> bool {
        let refused = match (committed, revealed) {
            (None, Revealed::None) => return true,
            (Some(beacon), Revealed::Signature(signature)) => match beacon.verify(signature) {
                Ok(()) => return true,
                // Said once already, at the freeze.
                Err(BeaconError::Network) => return false,
                Err(error) => (Code::BeaconSignature, error.to_string()),
            },
            (Some(beacon), Revealed::Missing) => {
                let what = format!("round {} of the beacon was left out", beacon.round);
                (Code::BeaconMissing, what)
            }
            (Some(_), Revealed::None) | (None, Revealed::Missing | Revealed::Signature(_)) => {
                (Code::BeaconChanged, "the beacon is not as committed".to_owned())
            }
        };
        self.problem(refused.0, refused.1);
        false
    }

    fn call(&mut self, lane: u8, called: u64, claimed: u64, missed: u64) {
        let before = *self.lane(lane);
        let callable = self.callable(lane);
        let known = self.lane(lane);
        (known.called, known.claimed, known.missed) = (called, claimed, missed);
        known.passed_over = 0;
        let grows = called >= before.called && claimed >= before.claimed && missed >= before.missed;
        self.check(grows, Code::CallBack, || {
            format!("the calls of lane {lane} went back")
        });
        self.check(claimed <= called && missed <= called, Code::CallCount, || {
            format!("{claimed} came and {missed} did not, of {called} called")
        });
        self.check(called <= callable, Code::CallEarly, || {
            format!("{called} of lane {lane} were called when {callable} could be")
        });
        self.check(called >= before.passed_over, Code::PassedOver, || {
            format!(
                "the draw passed over numbers below {} of lane {lane} as called, and they were not",
                before.passed_over
            )
        });
    }

    /// While a draw is to come, nobody is called whose rank it decides.
    fn callable(&self, lane: u8) -> u64 {
        let known = self.audit.lanes.get(&lane).copied().unwrap_or_default();
        let pending = self
            .audit
            .draws
            .iter()
            .find(|draw| draw.frozen.is_some() && draw.drawn.is_none());
        let ranges = pending
            .and_then(|draw| draw.frozen.as_ref())
            .map(|frozen| &frozen.ranges);
        let range = ranges.and_then(|ranges| {
            ranges
                .iter()
                .find(|range| range.lane == lane && range.from < range.to)
        });
        match range {
            Some(range) => range.from,
            None if self.audit.is_waiting() && !self.audit.has_rounds() => known.drawn_below,
            None => u64::MAX,
        }
    }
}
