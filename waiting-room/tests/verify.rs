//! `waiting-room verify`, as somebody uses it who trusts nobody: the real program on recorded logs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

use axum::{Router, routing::get};
use std::{
    path::PathBuf,
    process::{Command, Output},
};

fn vector(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fairness/test-vectors");
    root.join(name).to_str().unwrap().to_owned()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(vector(name)).unwrap()
}

fn verify(log: &str, arguments: &[&str]) -> (i32, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_waiting-room"));
    let program = program.args(["verify", "--log", log]).args(arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = program.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), text)
}

#[test]
fn an_honest_log_is_found_honest() {
    let (code, text) = verify(&vector("sample-beacon.log"), &["--lane", "1", "--number", "2"]);
    assert_eq!(code, 0, "{text}");
    for expected in [
        "room sneaker-drop, line 4: 16 joined",
        "13 of lane 0 and 3 of lane 1",
        "the secret fits its commitment; beacon round 1000, whose signature verifies",
        "number 2 of lane 1 was drawn to place ",
        "nothing is wrong",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn every_tampering_is_told_with_its_line() {
    let expected = read("tampered/expected.txt");
    for line in expected.lines().filter(|line| !line.starts_with('#')) {
        let (name, problems) = line.split_once(' ').unwrap();
        let (code, text) = verify(&vector(&format!("tampered/{name}.log")), &[]);
        assert_eq!(code, 1, "{name}: {text}");
        for problem in problems.split(',') {
            let (line, code) = problem.split_once(':').unwrap();
            let told = |told: &str| {
                told.starts_with(&format!("line {line}: ")) && told.ends_with(&format!("({code})"))
            };
            assert!(text.lines().any(told), "{name}: {problem} in {text}");
        }
    }
}

#[test]
fn every_receipt_is_found_in_its_own_log_only() {
    let receipts = read("sample-drop.receipts");
    for line in receipts
        .lines()
        .filter(|line| line.ends_with(|c: char| c.is_ascii_digit()))
        .step_by(7)
    {
        let fields: Vec<&str> = line.split(' ').collect();
        let [lane, number, id, receipt, _draw, rank] = fields[..] else {
            continue;
        };
        let place = rank.parse::<u64>().unwrap() + 1;
        let cookie = format!("{receipt}~{id}~{number}");
        for arguments in [
            vec!["--receipt", receipt, "--ticket", id],
            vec!["--receipt", &cookie],
        ] {
            let (code, text) = verify(&vector("sample-drop.log"), &arguments);
            assert_eq!(code, 0, "{text}");
            assert!(text.contains("the receipt fits"), "{text}");
            let told = text
                .lines()
                .find(|told| told.starts_with(&format!("number {number} of lane {lane} ")));
            assert!(
                told.unwrap().contains(&format!(" place {place}, ")),
                "{line} in {text}"
            );
        }
        let (code, text) = verify(&vector("sample-rounds.log"), &["--receipt", &cookie]);
        assert_eq!(
            (code, text.contains("does not fit (receipt)")),
            (1, true),
            "{text}"
        );
    }
}

/// The ticket of the first number of lane 1, with any signature: whoever asks about a ticket need not have the key.
#[test]
fn a_ticket_is_looked_up_by_itself() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};
    let mut ticket = [0u8; 72];
    ticket[0] = 1;
    ticket[3] = 1;
    ticket[4..8].copy_from_slice(&Sha256::digest("sneaker-drop")[..4]);
    ticket[11] = 3;
    let receipts = read("sample-drop.receipts");
    let line = receipts.lines().find(|line| line.starts_with("1 0 ")).unwrap();
    let fields: Vec<&str> = line.split(' ').collect();
    ticket[28..40].copy_from_slice(&fairness::hex::array::<12>(fields[2]).unwrap());
    let text = URL_SAFE_NO_PAD.encode(ticket);
    let (code, told) = verify(
        &vector("sample-drop.log"),
        &["--ticket", &text, "--receipt", fields[3]],
    );
    assert_eq!((code, told.contains("the receipt fits")), (0, true), "{told}");
    let (code, told) = verify(&vector("sample-rounds.log"), &["--ticket", &text]);
    assert_eq!((code, told.contains("of another room")), (1, true), "{told}");
    ticket[19] = 1;
    let other = URL_SAFE_NO_PAD.encode(ticket);
    assert_eq!(
        verify(
            &vector("sample-drop.log"),
            &["--ticket", &other, "--receipt", fields[3]]
        )
        .0,
        64
    );
}

#[test]
fn a_noted_head_tells_a_rewritten_log() {
    let receipts = read("sample-drop.receipts");
    let head = receipts.lines().last().unwrap().strip_prefix("head ").unwrap();
    let (code, text) = verify(&vector("sample-drop.log"), &["--head", head]);
    assert_eq!(
        (code, text.contains("the one after line 19")),
        (0, true),
        "{text}"
    );
    let (code, text) = verify(&vector("sample-beacon.log"), &["--head", head]);
    assert_eq!(
        (code, text.contains("the log was rewritten")),
        (1, true),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_fetched_from_its_address() {
    let log = read("sample-drop.log");
    let router = Router::new().route("/.waiting-room/sneaker-drop/log", get(async || log));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    let answers = tokio::task::spawn_blocking(move || {
        let there = format!("{address}/.waiting-room/sneaker-drop/log");
        (verify(&there, &[]), verify(&address, &[]))
    });
    let ((code, text), (missing, _)) = answers.await.unwrap();
    assert_eq!((code, missing), (0, 64), "{text}");
}

#[test]
fn bad_use_ends_with_64() {
    let log = vector("sample-drop.log");
    for arguments in [
        vec!["--receipt", "nonsense", "--ticket", "00112233445566778899aabb"],
        vec!["--receipt", "0.7.1.0."],
        vec!["--ticket", "00112233445566778899aabb"],
        vec!["--ticket", "0011223344556677889\u{e9}\u{e9}x"],
        vec!["--ticket", &"A".repeat(96)],
        vec!["--head", "00"],
        vec!["--number", "x"],
        vec!["--number", "1", "--ticket", "00112233445566778899aabb"],
        vec!["--what"],
    ] {
        let (code, text) = verify(&log, &arguments);
        assert_eq!(code, 64, "{arguments:?}: {text}");
    }
    assert_eq!(verify(&vector("no-such.log"), &[]).0, 64);
}
