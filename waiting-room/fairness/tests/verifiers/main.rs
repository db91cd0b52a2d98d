//! Three verifiers, written apart, say the same of the same logs: this crate, `docs/verify.py`, and the one that runs
//! in the visitor's browser. The logs are the recorded ones and hundreds that chance has spoiled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

#[path = "../vectors/samples.rs"]
mod samples;

use fairness::{Audit, Code, Leaf, Position, Receipt};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SPOILED: usize = 300;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// A log that chance has spoiled: lines lost, doubled, moved, cut, words changed for others.
fn spoil(lines: &[String], rng: &mut TestRng) -> Vec<String> {
    let mut lines = lines.to_vec();
    for _ in 0..=rng.random_range(0..3) {
        let (at, to) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
        match rng.random_range(0..6) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => lines[at] = spoil_character(&lines[at], rng),
            _ => lines[at] = spoil_word(&lines[at], rng),
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines
}

fn spoil_character(line: &str, rng: &mut TestRng) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let with = [
        '0', '9', ' ', 'f', ':', ',', 'A', '-', '\t', '\r', 'é', '\u{7f}', '\0',
    ];
    let with = with[rng.random_range(0..with.len())];
    match characters.len() {
        0 => characters.push(with),
        length => characters[rng.random_range(0..length)] = with,
    }
    characters.into_iter().collect()
}

fn spoil_word(line: &str, rng: &mut TestRng) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let with = [
        "0",
        "1",
        "2",
        "7",
        "24",
        "25",
        "255",
        "256",
        "8192",
        "8193",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "none",
        "missing",
        "00",
        "0:0:24",
        "0:24:26,1:16:16",
        "join",
        "call",
        "",
    ];
    let at = rng.random_range(0..words.len());
    words[at] = with[rng.random_range(0..with.len())];
    words.join(" ")
}

fn place(audit: &Audit, lane: u8, number: u64) -> String {
    match audit.position(lane, number) {
        Position::Drawn { draw, rank } => format!("{draw}.{rank}"),
        Position::ToBeDrawn => "later.-".to_owned(),
        Position::InOrder => format!("never.{number}"),
        Position::Unknown => "unknown.-".to_owned(),
    }
}

/// What all verifiers should say of a log: its head, its problems but for the beacon's signature, thirty places a lane.
fn say(name: &str, log: &str) -> String {
    let audit = Audit::of(log);
    let problems = audit.problems.iter();
    let problems = problems.filter(|problem| problem.code != Code::BeaconSignature);
    let problems: Vec<String> = problems
        .map(|problem| format!("{}:{}", problem.line, problem.code))
        .collect();
    let mut said = format!("{name} {} [{}]", audit.chain.head, problems.join(","));
    for (lane, number) in (0..3).flat_map(|lane| (0..30).map(move |number| (lane, number))) {
        write!(said, " {}", place(&audit, lane, number)).unwrap();
    }
    said
}

/// Writes the logs and the questions to a folder, and what the answers should be.
fn prepare(folder: &Path) -> String {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let honest = [samples::drop(), samples::beacon_drop(), samples::rounds()];
    let mut logs: Vec<(String, Vec<String>)> = Vec::new();
    for (name, lines, _) in samples::tampered() {
        logs.push((format!("tampered-{name}"), lines));
    }
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    for number in 0..SPOILED {
        let lines = spoil(&honest[number % honest.len()].lines, &mut rng);
        logs.push((format!("spoiled-{number:03}"), lines));
    }
    for (number, log) in honest.iter().enumerate() {
        logs.push((format!("honest-{number}"), log.lines.clone()));
    }
    logs.sort();
    let mut said = String::new();
    for (name, lines) in &logs {
        let ends = if name.ends_with('5') { "" } else { "\n" };
        let text = lines.join("\n") + ends;
        fs::write(folder.join(format!("{name}.log")), &text).unwrap();
        writeln!(said, "{}", say(name, &text)).unwrap();
    }
    said + &questions(folder, &honest[0].receipts)
}

/// Receipts that fit, receipts that do not, and texts that are none.
fn questions(folder: &Path, receipts: &[(Leaf, Receipt)]) -> String {
    let (mut asked, mut said) = (String::new(), String::new());
    for (index, (id, receipt)) in receipts.iter().enumerate() {
        let (other, _) = receipts[(index + 1) % receipts.len()];
        let text = receipt.encode();
        let cut = text[..text.len() - 1].to_owned();
        for (text, id) in [(&text, id), (&text, &other), (&cut, id)] {
            let log = ["honest-0", "honest-2", "tampered-erased"][index % 3];
            let audit = Audit::of(&fs::read_to_string(folder.join(format!("{log}.log"))).unwrap());
            let fits = Receipt::parse(text).map(|receipt| audit.includes(&receipt, id));
            let fits = fits.map_or_else(|_| "malformed".to_owned(), |fits| fits.to_string());
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(asked, "{log}.log {text} {id}").unwrap();
            writeln!(said, "{log}.log {text} {id} {fits}").unwrap();
        }
    }
    fs::write(folder.join("receipts"), asked).unwrap();
    said
}

fn agree(program: &str, driver: &str, verifier: &str) {
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("SKIPPED: {program} is not installed, so {verifier} was not compared");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fairness-{program}"));
    let expected = prepare(&folder);
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program)
        .arg(package.join("tests/verifiers").join(driver))
        .arg(root().join(verifier))
        .arg(&folder)
        .arg(package.join("test-vectors/shuffle.txt"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8(output.stdout).unwrap();
    for (said, expected) in said.lines().zip(expected.lines()) {
        assert_eq!(said, expected);
    }
    assert_eq!(said.lines().count(), expected.lines().count());
}

#[test]
fn the_one_in_python_agrees() {
    agree("python3", "check.py", "docs/verify.py");
}

#[test]
fn the_one_in_the_browser_agrees() {
    agree("node", "check.mjs", "waiting-room/src/pages/assets/verify.js");
}

/// As a person runs it: what it prints and how it ends.
#[test]
fn the_one_in_python_reports() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: python3 is not installed");
        return;
    }
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-vectors");
    let run = |log: &str, arguments: &[&str]| {
        let mut python = Command::new("python3");
        let python = python.arg(root().join("docs/verify.py")).arg(vectors.join(log));
        let output = python.args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (id, receipt) = &samples::drop().receipts[17];
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (code, text) = run(
        "sample-drop.log",
        &["--receipt", &receipt.encode(), "--ticket-id", &id],
    );
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("the receipt fits") && text.contains(" was drawn to place "),
        "{text}"
    );
    let (code, text) = run(
        "sample-rounds.log",
        &["--receipt", &receipt.encode(), "--ticket-id", &id],
    );
    assert_eq!((code, text.contains("does not fit")), (1, true), "{text}");
    let (code, text) = run("tampered/erased.log", &[]);
    assert_eq!((code, text.contains("line 5: ")), (1, true), "{text}");
    assert_eq!(
        run("sample-drop.log", &["--receipt", "x", "--ticket-id", &id]).0,
        64
    );
    assert_eq!(run("no-such.log", &[]).0, 64);
}
