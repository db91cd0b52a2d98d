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
