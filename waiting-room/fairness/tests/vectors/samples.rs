//! Logs as an honest edge writes them, and what somebody could make of them afterwards.

use fairness::{
    Beacon, Chain, Entry, Leaf, Range, Receipt, Revealed, Secret, Text, Tree, beacon::QUICKNET, commitment,
    hex,
};
use sha2::{Digest, Sha256};

/// A log that is being written, and the receipts that its shoppers hold.
pub struct Log {
    pub lines: Vec<String>,
    pub receipts: Vec<(Leaf, Receipt)>,
    at: u64,
    pub joined: [u64; 2],
    pub frozen: [u64; 2],
    pub called: [u64; 2],
}

/// The signature of quicknet's round 1000, of the 23rd of August 2023.
pub const ROUND: u64 = 1000;
pub const SIGNATURE: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

pub fn secret(draw: u32) -> Secret {
    Secret(Sha256::digest(format!("sample secret {draw}")).into())
}

fn id(lane: u8, number: u64) -> Leaf {
    let digest = Sha256::digest(format!("sample ticket {lane} {number}"));
    digest[..12].try_into().unwrap()
}

fn beacon() -> Beacon {
    Beacon {
        chain: QUICKNET.chain,
        round: ROUND,
    }
}

impl Log {
    pub fn begin(room: &str, epoch: u32, at: u64) -> Self {
        Self {
            lines: vec![Chain::title(room, epoch)],
            receipts: Vec::new(),
            at,
            joined: [0; 2],
            frozen: [0; 2],
            called: [0; 2],
        }
    }

    fn push(&mut self, entry: impl FnOnce(u64) -> Entry) {
        self.at += 250;
        self.lines.push(entry(self.at).to_string());
    }

    pub fn commit(&mut self, draw: u32, beacon: Option<Beacon>) {
        let commitment = commitment(&secret(draw));
        self.push(|at| Entry::Commit {
            at,
            draw,
            commitment,
            beacon,
        });
    }

    pub fn join(&mut self, lane: u8, count: u32) {
        let joined = &mut self.joined[usize::from(lane)];
        let first = *joined;
        *joined += u64::from(count);
        let ids: Vec<Leaf> = (first..*joined).map(|number| id(lane, number)).collect();
        let tree = Tree::new(&ids);
        let receipts = (0..count).map(|index| Receipt::of(&tree, lane, first, count, index));
        self.receipts.extend(ids.iter().copied().zip(receipts));
        let root = tree.root();
        self.push(|at| Entry::Join {
            at,
            lane,
            first,
            count,
            root,
        });
    }

    pub fn freeze(&mut self, draw: u32, lanes: &[u8]) {
        let range = |lane: &u8| {
            let lane = usize::from(*lane);
            let (frozen, called, to) = (self.frozen[lane], self.called[lane], self.joined[lane]);
            Range {
                lane: u8::try_from(lane).unwrap(),
                from: frozen.max(called.min(to)),
                to,
            }
        };
        let ranges: Vec<Range> = lanes.iter().map(range).collect();
        for range in &ranges {
            self.frozen[usize::from(range.lane)] = range.to;
        }
        self.push(|at| Entry::Freeze { at, draw, ranges });
    }

    pub fn reveal(&mut self, draw: u32, beacon: Revealed) {
        let secret = secret(draw);
        self.push(|at| Entry::Reveal {
            at,
            draw,
            secret,
            beacon,
        });
    }

    pub fn call(&mut self, lane: u8, called: u64, claimed: u64, missed: u64) {
        self.called[usize::from(lane)] = called;
        self.push(|at| Entry::Call {
            at,
            lane,
            called,
            claimed,
            missed,
        });
    }

    /// Some who come when nobody waits: they are called as they join, and that is noted later.
    pub fn walk_in(&mut self, lane: u8, count: u32) {
        self.join(lane, count);
        self.called[usize::from(lane)] = self.joined[usize::from(lane)];
    }

    pub fn operator(&mut self, text: &str) {
        let (actor, text) = (fairness::Actor::parse("anna").unwrap(), Text::new(text));
        self.push(|at| Entry::Operator { at, actor, text });
    }

    pub fn edge(&mut self, text: &str) {
        self.push(|at| Entry::Edge {
            at,
            text: Text::new(text),
        });
    }
}

/// A drop: everybody who is there at the opening is drawn, whoever comes later lines up.
pub fn drop() -> Log {
    let mut log = Log::begin("sneaker-drop", 3, 1_800_000_000_000);
    log.commit(0, None);
    for (lane, count) in [(0, 7), (1, 5), (0, 1), (0, 12), (1, 8), (0, 4), (1, 3)] {
        log.join(lane, count);
    }
    log.operator("limits: 60 a minute, 25 at once");
    log.freeze(0, &[0, 1]);
    log.reveal(0, Revealed::None);
    log.call(0, 10, 0, 0);
    log.call(1, 5, 0, 0);
    log.join(0, 2);
    log.edge("store recovered");
    log.call(0, 24, 9, 1);
    log.operator("paused");
    log.call(1, 12, 5, 0);
    log
}

/// A drop whose draw waited for the beacon.
pub fn beacon_drop() -> Log {
    let mut log = Log::begin("sneaker-drop", 4, QUICKNET.published_at(ROUND) - 2500);
    log.commit(0, Some(beacon()));
    for (lane, count) in [(0, 9), (1, 1), (0, 4), (1, 2)] {
        log.join(lane, count);
    }
    log.freeze(0, &[0, 1]);
    log.edge("waiting for the beacon");
    let signature = hex::bytes(SIGNATURE).unwrap();
    log.reveal(0, Revealed::Signature(signature));
    log.call(0, 3, 0, 0);
    log
}

/// A room that draws round by round, and commits to a draw before the joins of the one before it are frozen. The
/// first five find nobody waiting and walk in, two more are called before that is noted.
pub fn rounds() -> Log {
    let mut log = Log::begin("gallery", 1, 1_800_100_000_000);
    log.commit(0, None);
    log.commit(1, None);
    log.walk_in(0, 5);
    log.call(0, 5, 0, 0);
    log.walk_in(0, 2);
    for draw in 0..3 {
        log.join(0, 5 + draw);
        log.join(1, 2);
        log.freeze(draw, &[0, 1]);
        log.commit(draw + 2, None);
        log.join(0, 1);
        if draw == 0 {
            log.call(0, 7, 3, 0);
        }
        log.reveal(draw, Revealed::None);
        let drawn = log.frozen[0];
        log.call(0, drawn, 3 + u64::from(draw), 0);
    }
    log
}

/// A log that somebody changed: its name, its lines, and the problems (line of the file, code) that are to be found.
pub type Tampered = (&'static str, Vec<String>, Vec<(usize, &'static str)>);

fn change(lines: &[String], line: usize, from: &str, to: &str) -> Vec<String> {
    let mut lines = lines.to_vec();
    assert!(
        lines[line - 1].contains(from),
        "{from} is not in {}",
        lines[line - 1]
    );
    lines[line - 1] = lines[line - 1].replacen(from, to, 1);
    lines
}

fn without(lines: &[String], line: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.remove(line - 1);
    lines
}

fn twice(lines: &[String], line: usize, at: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.insert(at - 1, lines[line - 1].clone());
    lines
}

fn moved(lines: &[String], line: usize, to: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    let moved = lines.remove(line - 1);
    lines.insert(to - 1, moved);
    lines
}

/// The drop's lines: 1 title, 2 commit, 3 to 9 joins, 10 operator, 11 freeze, 12 reveal, 13 and 14 calls, 15 join,
/// 16 edge, 17 call, 18 operator, 19 call. The beacon's: 1 title, 2 commit, 3 to 6 joins, 7 freeze, 8 edge, 9 reveal.
/// The rounds': 1 title, 2 and 3 commits, 4 five walk in, 5 call, 6 two walk in, 7 and 8 joins, 9 freeze, 10 commit,
/// 11 join, 12 call, 13 reveal, 14 call.
pub fn tampered() -> Vec<Tampered> {
    let (drop, beacon, rounds) = (drop().lines, beacon_drop().lines, rounds().lines);
    [
        joins(&drop),
        draws(&drop),
        calls(&drop),
        walk_ins(&rounds),
        beacons(&beacon),
    ]
    .concat()
}

fn joins(drop: &[String]) -> Vec<Tampered> {
    vec![
        (
            "title",
            change(drop, 1, "sneaker-drop 3", "sneaker-drop 03"),
            vec![(1, "title")],
        ),
        (
            "malformed",
            change(drop, 5, " 0 7 1 ", " 0 07 1 "),
            vec![(5, "malformed"), (6, "join-gap")],
        ),
        ("erased", without(drop, 5), vec![(5, "join-gap")]),
        ("padded", twice(drop, 5, 6), vec![(6, "join-twice")]),
        (
            "nobody",
            change(drop, 5, " 0 7 1 ", " 0 7 0 "),
            vec![(5, "join-count"), (6, "join-gap")],
        ),
    ]
}

fn draws(drop: &[String]) -> Vec<Tampered> {
    let (secret, other) = (secret(0).to_string(), secret(1).to_string());
    vec![
        (
            "commit-order",
            change(drop, 2, " 0 ", " 1 "),
            vec![(2, "commit-order"), (11, "freeze-order"), (12, "reveal-order")],
        ),
        ("commit-late", moved(drop, 2, 3), vec![(11, "commit-late")]),
        ("frozen-twice", twice(drop, 11, 12), vec![(12, "freeze-order")]),
        (
            "short-draw",
            change(drop, 11, "0:0:24", "0:0:23"),
            vec![(11, "freeze-range")],
        ),
        (
            "lane-left-out",
            change(drop, 11, ",1:0:16", ""),
            vec![(11, "freeze-lane")],
        ),
        ("revealed-twice", twice(drop, 12, 13), vec![(13, "reveal-order")]),
        (
            "other-secret",
            change(drop, 12, &secret, &other),
            vec![(12, "secret")],
        ),
    ]
}

fn calls(drop: &[String]) -> Vec<Tampered> {
    vec![
        (
            "no-reveal",
            without(drop, 12),
            [12, 13, 16, 18].map(|line| (line, "call-early")).to_vec(),
        ),
        (
            "called-early",
            moved(drop, 13, 11),
            vec![(11, "call-early"), (12, "freeze-range")],
        ),
        (
            "called-back",
            change(drop, 17, " 24 9 1", " 9 9 1"),
            vec![(17, "call-back")],
        ),
        (
            "too-many-came",
            change(drop, 17, " 24 9 1", " 24 25 1"),
            vec![(17, "call-count")],
        ),
    ]
}

fn walk_ins(rounds: &[String]) -> Vec<Tampered> {
    vec![
        (
            "passed-over",
            change(rounds, 12, " 0 7 3 ", " 0 6 3 "),
            vec![(12, "passed-over")],
        ),
        (
            "drawn-though-called",
            change(rounds, 9, " 0:7:12", " 0:4:12"),
            vec![(9, "freeze-range"), (12, "call-early")],
        ),
        (
            "called-in-a-draw",
            change(rounds, 12, " 0 7 3 ", " 0 8 3 "),
            vec![(12, "call-early")],
        ),
    ]
}

fn beacons(beacon: &[String]) -> Vec<Tampered> {
    vec![
        (
            "beacon-missing",
            change(beacon, 9, SIGNATURE, "missing"),
            vec![(9, "beacon-missing")],
        ),
        (
            "beacon-left-out",
            change(beacon, 9, SIGNATURE, "none"),
            vec![(9, "beacon-changed")],
        ),
        (
            "beacon-early",
            change(beacon, 2, ":1000", ":999"),
            vec![(7, "beacon-early"), (9, "beacon-signature")],
        ),
        (
            "beacon-unknown",
            change(beacon, 2, "drand:52", "drand:53"),
            vec![(7, "beacon-unknown")],
        ),
        (
            "beacon-forged",
            change(beacon, 9, "5e39", "5e38"),
            vec![(9, "beacon-signature")],
        ),
    ]
}
