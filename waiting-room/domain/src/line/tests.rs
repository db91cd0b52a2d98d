use super::*;
use crate::{Doors, LaneId, Limits, Method, Policy, decide};
use proptest::prelude::*;
use std::collections::HashSet;

const RULE: SessionRule = SessionRule {
    length: Duration::from_secs(300),
    sliding: true,
    hard_cap: Duration::from_secs(900),
};
const WINDOW: Duration = Duration::from_secs(30);

fn at(ms: u64) -> Moment {
    Moment::from_unix_ms(ms)
}

fn session(number: u64) -> SessionId {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&number.to_be_bytes());
    SessionId::from(id)
}

const LANE: LaneId = LaneId(0);

fn claim(rank: u64) -> Claim {
    Claim {
        lane: LANE,
        rank,
        session: session(rank),
        delay_index: 0,
    }
}

fn join(line: &mut LineState, count: u32) -> u64 {
    let group = JoinGroup {
        count,
        ..JoinGroup::default()
    };
    match line.join(&group, 1, at(0)) {
        JoinOutcome::Dealt { first, .. } => first,
        other => panic!("{other:?}"),
    }
}

fn renewal(number: u64) -> Renewal {
    Renewal {
        session: session(number),
        since: at(0),
    }
}

fn tick(line: &mut LineState, now: Moment, limits: Limits) {
    let snapshot = line.observe(now);
    let policy = Policy {
        limits,
        weights: &[1],
        method: Method::Fifo,
        claim_window: WINDOW,
        doors: Doors::Open,
    };
    let decision = decide(&snapshot, &policy);
    assert_eq!(line.advance(snapshot.revision, &decision, now), Advance::Written);
}

#[test]
fn the_dealt_numbers_are_nobody_elses() {
    let mut line = LineState::new(1);
    assert_eq!((join(&mut line, 3), join(&mut line, 1)), (0, 3));
    let group = JoinGroup {
        count: 1,
        ..JoinGroup::default()
    };
    assert_eq!(
        line.join(&group, 8, at(0)),
        JoinOutcome::Resync,
        "another life of the store"
    );
}

#[test]
fn a_holder_has_one_place_wherever_they_ask() {
    let mut line = LineState::new(1);
    let holder = Holder([7; 16]);
    let group = |id: u8, instead_of| JoinGroup {
        count: 1,
        holders: vec![HolderJoin {
            holder,
            id: [id; 12],
            instead_of,
        }],
        ..JoinGroup::default()
    };
    assert_eq!(
        line.join(&group(1, None), 1, at(5)),
        JoinOutcome::Dealt { first: 0, at: at(5) }
    );
    assert_eq!(line.join(&group(2, None), 1, at(6)), JoinOutcome::Held);
    let held = line.held_by(&holder).unwrap();
    assert_eq!((held.number, held.id, held.issued_at), (0, [1; 12], at(5)));
    let again = line.join(&group(3, Some([1; 12])), 1, at(7));
    assert_eq!(
        again,
        JoinOutcome::Dealt { first: 1, at: at(7) },
        "the old one was worth nothing"
    );
    assert_eq!(line.observe(at(7)).issued(), 2);
}

#[test]
fn lanes_have_numbers_of_their_own() {
    let mut line = LineState::new(1);
    join(&mut line, 5);
    let group = JoinGroup {
        lane: LaneId(2),
        count: 1,
        ..JoinGroup::default()
    };
    assert_eq!(
        line.join(&group, 1, at(0)),
        JoinOutcome::Dealt { first: 0, at: at(0) }
    );
    assert_eq!(line.observe(at(0)).lanes.len(), 3);
    let nowhere = JoinGroup {
        lane: LaneId(200),
        ..group
    };
    assert_eq!(line.join(&nowhere, 1, at(0)), JoinOutcome::Resync);
}

#[test]
fn a_draw_is_frozen_logged_and_revealed() {
    let mut line = LineState::new(1);
    join(&mut line, 5);
    let snapshot = line.observe(at(1_000));
    let policy = Policy {
        limits: Limits::new(6_000, 100).unwrap(),
        weights: &[1],
        method: Method::Shuffle,
        claim_window: WINDOW,
        doors: Doors::Open,
    };
    let decision = decide(&snapshot, &policy);
    join(&mut line, 2);
    line.advance(snapshot.revision, &decision, at(1_000));
    let frozen = line.observe(at(1_100));
    assert_eq!((frozen.draws, frozen.draw_step), (1, 1));
    assert_eq!(
        frozen.lanes[0].rounds.pending(),
        Some((0, 7)),
        "with those who came meanwhile"
    );
    assert_eq!(line.log_from(0).0, ["freeze 1000 0 0:0:7"]);
    let mut rounds = frozen.lanes[0].rounds.clone();
    rounds.reveal(fairness::Seed([3; 32]));
    let reveal = Decision {
        drawn: Some(vec![rounds.clone()]),
        log: vec!["reveal".to_owned()],
        ..decide(&frozen, &policy)
    };
    line.advance(frozen.revision, &reveal, at(1_100));
    let drawn = line.observe(at(1_200));
    assert_eq!((drawn.draw_step, &drawn.lanes[0].rounds), (2, &rounds));
    assert_eq!(line.log_from(1), (&["reveal".to_owned()][..], 2));
}

#[test]
fn a_claim_is_granted_once_called_and_the_same_when_repeated() {
    let mut line = LineState::new(1);
    join(&mut line, 2);
    assert_eq!(line.claim(claim(0), &RULE, at(0)), ClaimOutcome::NotCalled);
    tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
    let admitted = line.claim(claim(0), &RULE, at(2_000));
    assert_eq!(
        admitted,
        ClaimOutcome::Admitted {
            since: at(2_000),
            until: at(302_000)
        }
    );
    assert_eq!(line.claim(claim(0), &RULE, at(9_000)), admitted);
    assert_eq!(line.observe(at(9_000)).active, 1);
    assert_eq!(line.observe(at(302_000)).active, 0);
}

#[test]
fn a_session_that_ended_does_not_come_back() {
    let mut line = LineState::new(1);
    join(&mut line, 1);
    tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
    line.claim(claim(0), &RULE, at(1_000));
    assert!(line.end(session(0), at(2_000)));
    assert!(!line.end(session(0), at(2_000)));
    assert_eq!(line.claim(claim(0), &RULE, at(3_000)), ClaimOutcome::Missed);
    assert!(line.renew(&[renewal(0)], &RULE, at(3_000)).is_empty());
}

#[test]
fn renewing_slides_up_to_the_hard_cap() {
    let mut line = LineState::new(1);
    join(&mut line, 1);
    tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
    line.claim(claim(0), &RULE, at(0));
    let renewed = |line: &mut LineState, now| line.renew(&[renewal(0)], &RULE, at(now));
    assert_eq!(renewed(&mut line, 100_000), [(session(0), at(400_000))]);
    assert_eq!(renewed(&mut line, 390_000), [(session(0), at(690_000))]);
    assert_eq!(renewed(&mut line, 680_000), [(session(0), at(900_000))]);
    assert_eq!(renewed(&mut line, 900_000), []);
}

#[test]
fn an_unclaimed_place_is_missed_and_counted() {
    let mut line = LineState::new(1);
    join(&mut line, 2);
    tick(&mut line, at(1_000), Limits::new(6_000, 10).unwrap());
    line.claim(claim(1), &RULE, at(1_500));
    for second in 2..=31 {
        tick(&mut line, at(second * 1_000), Limits::new(6_000, 10).unwrap());
    }
    assert_eq!(line.claim(claim(0), &RULE, at(31_100)), ClaimOutcome::Missed);
    let known = line.observe(at(31_100));
    assert_eq!(
        (known.claimed, known.missed(), known.lanes[0].settled_below),
        (1, 1, 2)
    );
}

#[test]
fn a_line_that_forgot_is_told_and_stands_still_meanwhile() {
    let mut line = LineState::new(2);
    let mut rounds = Rounds::default();
    rounds.freeze(0, 50);
    let marks = Marks {
        lanes: vec![LaneMarks {
            issued: 50,
            called: 20,
            settled_below: 10,
        }],
        draw_step: 1,
        rounds: vec![rounds],
        log_length: 0,
    };
    line.restore(&marks, at(1_000), Duration::from_secs(1));
    let known = line.observe(at(1_500));
    assert_eq!(Marks::from(&known), marks);
    assert!(known.is_recovering());
    assert!(!line.observe(at(2_000)).is_recovering());
    line.restore(&Marks::default(), at(9_000), Duration::from_secs(1));
    assert!(
        !line.observe(at(9_000)).is_recovering(),
        "an edge that knows less tells nothing new"
    );
}

#[test]
fn a_log_that_was_lost_is_written_again_in_its_order() {
    let mut line = LineState::new(2);
    let lines = ["a".to_owned(), "b".to_owned()];
    let marks = Marks {
        log_length: 2,
        ..Marks::default()
    };
    line.restore(&marks, at(0), Duration::from_secs(1));
    assert!(line.observe(at(0)).is_recovering(), "an edge has more of the log");
    assert!(
        !line.restore_log(1, &lines[1..]),
        "something is missing before it"
    );
    assert!(line.restore_log(0, &lines));
    assert!(!line.restore_log(0, &lines), "once");
    assert_eq!(line.log_from(0), (&lines[..], 2));
}

#[derive(Debug, Clone)]
enum Happening {
    Join(u32),
    Claim(u64),
    End(u64),
    Renew(u64),
    Tick(u64),
    Limits(u32, u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1u32..40).prop_map(Happening::Join),
        (0u64..400).prop_map(Happening::Claim),
        (0u64..400).prop_map(Happening::End),
        (0u64..400).prop_map(Happening::Renew),
        (50u64..40_000).prop_map(Happening::Tick),
        (0u32..100_000, 1u32..60).prop_map(|(rate, max)| Happening::Limits(rate, max)),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: numbers are dealt once, the called stay called, and claims never
    /// bring the sessions over the highest limit that was in force when their places were called.
    #[test]
    fn the_promises_hold(happenings in proptest::collection::vec(happening(), 1..200)) {
        let mut line = LineState::new(1);
        let mut now = at(1_000);
        let mut limits = Limits::new(6_000, 20).unwrap();
        let mut cap = u64::from(limits.max_active);
        let mut dealt = HashSet::new();
        for happening in happenings {
            let before = line.observe(now);
            match happening {
                Happening::Join(count) => {
                    let first = join(&mut line, count);
                    prop_assert!((first..first + u64::from(count)).all(|number| dealt.insert(number)));
                }
                Happening::Claim(number) => { line.claim(claim(number), &RULE, now); }
                Happening::End(number) => { line.end(session(number), now); }
                Happening::Renew(number) => { line.renew(&[renewal(number)], &RULE, now); }
                Happening::Tick(ms) => {
                    now = now.plus(Duration::from_millis(ms));
                    tick(&mut line, now, limits);
                }
                Happening::Limits(rate, max_active) => {
                    limits = Limits::new(rate, max_active).unwrap();
                    cap = cap.max(u64::from(max_active));
                }
            }
            let after = line.observe(now);
            let (before_lane, after_lane) = (&before.lanes[0], &after.lanes[0]);
            prop_assert!(after_lane.called.min(after_lane.issued) >= before_lane.called.min(before_lane.issued));
            prop_assert!(after_lane.settled_below >= before_lane.settled_below);
            prop_assert!(after_lane.settled_below <= after_lane.called.min(after_lane.issued));
            prop_assert!(after.active <= cap, "{} sessions, cap {cap}", after.active);
            prop_assert!(after.active + after.outstanding() <= cap.max(before.active + before.outstanding()));
        }
    }
}
