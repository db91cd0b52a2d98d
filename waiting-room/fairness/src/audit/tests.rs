use super::*;
use proptest::prelude::*;

const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

fn codes(lines: &[&str]) -> Vec<&'static str> {
    let log = format!("waiting-room/log/1 demo 1\n{}", lines.join("\n"));
    let problems = Audit::of(&log).problems;
    problems.iter().map(|problem| problem.code.name()).collect()
}

#[test]
fn a_log_may_be_empty() {
    let audit = Audit::of("waiting-room/log/1 demo 7\n");
    assert!(audit.is_clean());
    assert_eq!((audit.room.as_str(), audit.epoch), ("demo", 7));
    assert_eq!(audit.position(0, 0), Position::Unknown);
    assert!(!Audit::of("").is_clean());
}

#[test]
fn whoever_is_not_drawn_keeps_the_order() {
    let log = format!("waiting-room/log/1 demo 1\njoin 1 0 0 3 {HASH}\ncall 2 0 9 0 0\n");
    let audit = Audit::of(&log);
    assert!(audit.is_clean());
    assert_eq!(audit.position(0, 2), Position::InOrder);
    assert_eq!(audit.position(0, 3), Position::Unknown);
    assert_eq!(audit.position(1, 0), Position::Unknown);
}

#[test]
fn whoever_waits_for_the_draw_is_not_called() {
    let (commit, join) = (format!("commit 1 0 {HASH} none"), format!("join 1 0 0 3 {HASH}"));
    assert_eq!(codes(&[&commit, &join, "call 2 0 1 0 0"]), ["call-early"]);
    assert_eq!(
        codes(&[&commit, &join, "freeze 2 0 0:0:3", "call 2 0 1 0 0"]),
        ["call-early"]
    );
    let audit = Audit::of(&format!("waiting-room/log/1 demo 1\n{commit}\n{join}"));
    assert_eq!(audit.position(0, 1), Position::ToBeDrawn);
}

#[test]
fn no_number_overflows() {
    let (max, commit) = (u64::MAX, format!("commit 1 0 {HASH} none"));
    let lines = [
        commit.as_str(),
        &format!("join 1 0 {max} 8192 {HASH}"),
        &format!("freeze 1 0 0:0:{max},0:{max}:{max}"),
        &format!("reveal 1 0 {HASH} none"),
        &format!("call 1 0 {max} {max} {max}"),
    ];
    assert_eq!(
        codes(&lines),
        ["join-count", "freeze-range", "freeze-range", "secret"]
    );
}

proptest! {
    #[test]
    fn no_log_stops_the_audit(words in proptest::collection::vec(
        prop_oneof![
            Just("join"), Just("freeze"), Just("reveal"), Just("commit"), Just("call"), Just("\n"), Just("0"),
            Just("1"), Just("5"), Just("0:0:5"), Just("0:5:6,1:0:1"), Just("none"), Just(HASH),
        ],
        0..120,
    )) {
        let audit = Audit::of(&words.join(" ").replace(" \n ", "\n"));
        prop_assert!(!audit.is_clean());
    }

    #[test]
    fn no_text_stops_the_audit(text: String) {
        prop_assert!(!Audit::of(&text).is_clean());
    }
}
