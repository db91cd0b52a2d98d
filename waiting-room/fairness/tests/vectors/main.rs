//! The recorded logs: honest ones and tampered ones, and what each verifier says of them.
//!
//! `FAIRNESS_WRITE_VECTORS=1` writes the files anew. Only for new ones: what is frozen is frozen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod samples;

use fairness::{Audit, Position};
use proptest::prelude::*;
use samples::Log;
use std::{fmt::Write, path::PathBuf};

fn vector(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("test-vectors")
        .join(name)
}

fn honest() -> [(&'static str, Log); 3] {
    [
        ("sample-drop", samples::drop()),
        ("sample-beacon", samples::beacon_drop()),
        ("sample-rounds", samples::rounds()),
    ]
}

fn file(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn tampered_file(name: &str) -> PathBuf {
    vector("tampered").join(format!("{name}.log"))
}

/// Whether the file is as it was, or, when it is to be written, writes it.
fn same(path: PathBuf, text: &str) {
    if std::env::var_os("FAIRNESS_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    } else {
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            text,
            "{}",
            path.display()
        );
    }
}

/// What a number was drawn to, as the files say it.
fn place(audit: &Audit, lane: u8, number: u64) -> String {
    match audit.position(lane, number) {
        Position::Drawn { draw, rank } => format!("{draw} {rank}"),
        Position::ToBeDrawn => "later -".to_owned(),
        Position::InOrder => format!("never {number}"),
        Position::Unknown => "unknown -".to_owned(),
    }
}

#[test]
fn honest_logs_are_as_ever_and_have_no_problems() {
    for (name, log) in honest() {
        let text = file(&log.lines);
        same(vector(&format!("{name}.log")), &text);
        let audit = Audit::of(&text);
        assert_eq!(audit.problems, [], "{name}");
        let mut receipts =
            "# lane number ticket-id receipt draw rank; at the end the log's head\n".to_owned();
        for (id, receipt) in &log.receipts {
            assert!(audit.includes(receipt, id));
            assert!(!audit.includes(receipt, &[0; 12]));
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            let (lane, number) = (receipt.lane, receipt.number());
            let place = place(&audit, lane, number);
            writeln!(receipts, "{lane} {number} {id} {receipt} {place}").unwrap();
        }
        writeln!(receipts, "head {}", audit.chain.head).unwrap();
        same(vector(&format!("{name}.receipts")), &receipts);
    }
}

#[test]
fn every_tampering_is_found() {
    let mut expected = "# file, then what is to be found: line of the file and code\n".to_owned();
    for (name, lines, problems) in samples::tampered() {
        let text = file(&lines);
        same(tampered_file(name), &text);
        let audit = Audit::of(&text);
        let found: Vec<(usize, &str)> = audit
            .problems
            .iter()
            .map(|problem| (problem.line, problem.code.name()))
            .collect();
        assert_eq!(found, problems, "{name}");
        let problems: Vec<String> = problems
            .iter()
            .map(|(line, code)| format!("{line}:{code}"))
            .collect();
        writeln!(expected, "{name} {}", problems.join(",")).unwrap();
    }
    same(vector("tampered/expected.txt"), &expected);
}

/// The heads that were noted of the honest log are gone from one that was rewritten, even where the rewriting leaves
/// no contradiction.
#[test]
fn whoever_noted_a_head_sees_that_the_log_was_rewritten() {
    let log = samples::drop().lines;
    let noted = Audit::of(&file(&log[..9])).chain.head;
    assert_eq!(Audit::of(&file(&log)).line_of(&noted), Some(9));
    let mut rewritten = log.clone();
    let end = log[4].len() - 2;
    rewritten[4].replace_range(end.., "00");
    assert_ne!(rewritten, log);
    let audit = Audit::of(&file(&rewritten));
    assert_eq!(audit.line_of(&noted), None);
    assert!(audit.is_clean());
}

/// A ticket whose line was swapped for another has a receipt that says so.
#[test]
fn a_swapped_ticket_is_not_in_the_log() {
    let log = samples::drop();
    let (id, receipt) = &log.receipts[8];
    let mut lines = log.lines.clone();
    let line = lines
        .iter()
        .position(|line| line.starts_with("join") && line.contains(" 1 0 5 "))
        .unwrap();
    let end = lines[line].len() - 2;
    lines[line].replace_range(end.., "00");
    assert!(Audit::of(&file(&log.lines)).includes(receipt, id));
    assert!(!Audit::of(&file(&lines)).includes(receipt, id));
}

/// What happens to a room that draws in rounds.
#[derive(Debug, Clone)]
enum Step {
    Join(u8, u32),
    WalkIn(u8, u32),
    Draw,
    Call(u8, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..2u8, 1..40u32).prop_map(|(lane, count)| Step::Join(lane, count)),
        1 => (0..2u8, 1..9u32).prop_map(|(lane, count)| Step::WalkIn(lane, count)),
        1 => Just(Step::Draw),
        1 => (0..2u8, 1..30u64).prop_map(|(lane, more)| Step::Call(lane, more)),
    ];
    proptest::collection::vec(step, 0..40)
}

/// The log of an edge to which all this happens.
fn lived(steps: &[Step]) -> Log {
    let mut log = Log::begin("lived", 1, 1_800_000_000_000);
    let mut draw = 0;
    log.commit(0, None);
    log.commit(1, None);
    for step in steps {
        match *step {
            Step::Join(lane, count) => log.join(lane, count),
            Step::WalkIn(lane, count) => {
                let index = usize::from(lane);
                if log.joined[index] == log.frozen[index].max(log.called[index]) {
                    log.walk_in(lane, count);
                }
            }
            Step::Draw => {
                log.freeze(draw, &[0, 1]);
                log.commit(draw + 2, None);
                log.join(0, 1);
                log.reveal(draw, fairness::Revealed::None);
                draw += 1;
            }
            Step::Call(lane, more) => {
                let index = usize::from(lane);
                let called = log.called[index];
                let called = called.max(log.frozen[index].min(called + more));
                log.call(lane, called, called / 2, 0);
            }
        }
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_happens_an_honest_log_is_clean_and_everybody_has_a_place_of_their_own(steps in steps()) {
        let log = lived(&steps);
        let audit = Audit::of(&file(&log.lines));
        prop_assert_eq!(&audit.problems, &[]);
        for lane in 0..2u8 {
            let place = |number| match audit.position(lane, number) {
                Position::Drawn { rank, .. } => Some(rank),
                Position::InOrder => Some(number),
                _ => None,
            };
            let placed = log.frozen[usize::from(lane)];
            let mut places: Vec<u64> = (0..placed).filter_map(place).collect();
            places.sort_unstable();
            prop_assert_eq!(places, (0..placed).collect::<Vec<_>>());
        }
        for (id, receipt) in &log.receipts {
            prop_assert!(audit.includes(receipt, id));
        }
    }

    /// Erasing a group cannot be hidden: somebody has joined after it, or the freeze counted it.
    #[test]
    fn nobody_is_erased_unseen(steps in steps(), which: prop::sample::Index) {
        let mut lines = lived(&[steps, vec![Step::Join(0, 3), Step::Join(1, 1), Step::Draw]].concat()).lines;
        // Not the last, which joined after the last freeze.
        let joins: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("join ")).collect();
        lines.remove(joins[which.index(joins.len() - 1)]);
        prop_assert!(!Audit::of(&file(&lines)).is_clean());
    }
}
