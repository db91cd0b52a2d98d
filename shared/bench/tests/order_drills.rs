//! A short drill of the orders on servers of its own: each of the four is killed once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use serde_json::Value;
use std::process::Command;

#[test]
fn kills_lose_double_and_oversell_nothing() {
    // All reports of the provider are sent: about a lost one nobody asks within a minute.
    let drill = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["drill-kills", "--kills", "4", "--window-seconds", "6"])
        .args(["--shoppers", "8", "--lost-reports-percent", "0"])
        .output()
        .expect("run the drill");
    let told = String::from_utf8_lossy(&drill.stdout);
    let said = String::from_utf8_lossy(&drill.stderr);
    assert!(drill.status.success(), "{told}\n{said}");
    let line: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    for nothing in [
        "lost",
        "duplicated",
        "oversold",
        "holds_unresolved",
        "money_wrong",
    ] {
        assert_eq!(line[nothing], 0, "{nothing}: {line}");
    }
    assert_eq!(line["kills"], 4);
    assert!(line["confirmed"].as_u64().unwrap() > 0, "{line}");
}
