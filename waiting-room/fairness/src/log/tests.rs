use super::*;
use proptest::prelude::*;

const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

#[test]
fn every_kind_of_line_means_what_it_says() {
    let lines = [
        format!("commit 1 0 {HASH} none"),
        format!("commit 1 0 {HASH} drand:{HASH}:4242"),
        format!("join 2 1 40 3 {HASH}"),
        "freeze 3 0 0:0:40".to_owned(),
        "freeze 3 0 0:0:40,1:5:5".to_owned(),
        format!("reveal 4 0 {HASH} none"),
        format!("reveal 4 0 {HASH} missing"),
        format!("reveal 4 0 {HASH} abcd"),
        "call 5 0 12 10 1".to_owned(),
        "operator 6 anna-2 paused the room: two  spaces".to_owned(),
        "edge 7 store recovered".to_owned(),
    ];
    for line in lines {
        let entry = Entry::parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(entry.to_string(), line);
    }
}

#[test]
fn what_is_malformed_is_named() {
    use LineError::{Fields, Kind, Malformed};
    let cases = [
        (String::new(), Kind),
        ("leave 1".to_owned(), Kind),
        ("JOIN 1".to_owned(), Kind),
        ("join".to_owned(), Fields),
        ("join x".to_owned(), Malformed("time")),
        (format!("join 1 256 0 1 {HASH}"), Malformed("lane")),
        (format!("join 1 0 01 1 {HASH}"), Malformed("first number")),
        (format!("join 1 0 0 1 {HASH} "), Fields),
        (format!("join 1  0 0 1 {HASH}"), Malformed("lane")),
        (format!("join 1 0 0 1 {}", HASH.to_uppercase()), Malformed("root")),
        (format!("commit 1 0 {HASH}"), Fields),
        (format!("commit 1 0 {HASH} drand:{HASH}"), Malformed("beacon")),
        ("freeze 1 0 0:5:4".to_owned(), Malformed("ranges")),
        ("freeze 1 0 0:0:4,".to_owned(), Malformed("ranges")),
        (format!("reveal 1 0 {HASH} "), Malformed("signature")),
        (
            format!("reveal 1 0 {HASH} {}", "00".repeat(97)),
            Malformed("signature"),
        ),
        ("operator 1 Anna paused".to_owned(), Malformed("actor")),
        ("operator 1 anna".to_owned(), Fields),
        ("operator 1 anna  paused".to_owned(), Malformed("text")),
        ("edge 1 \u{e9}".to_owned(), Malformed("text")),
        ("edge 1 a\r".to_owned(), Malformed("text")),
    ];
    for (line, error) in cases {
        assert_eq!(Entry::parse(&line), Err(error), "{line:?}");
    }
}

#[test]
fn text_cannot_forge_a_line() {
    let text = Text::new(" limits: 5\ncall 9 0 99 0 0\u{7f}\u{e9} ");
    assert_eq!(text.as_str(), "limits: 5?call 9 0 99 0 0??");
    assert_eq!(Text::new(" \n ").as_str(), "?");
    assert_eq!(Text::new(&"x".repeat(1000)).as_str().len(), TEXT_MAX);
    assert_eq!(Actor::parse("a b"), None);
}

proptest! {
    #[test]
    fn any_text_can_be_logged(text: String) {
        let entry = Entry::Edge { at: 1, text: Text::new(&text) };
        prop_assert_eq!(Entry::parse(&entry.to_string()), Ok(entry));
    }

    #[test]
    fn what_is_read_is_written_again(line in "(join|call|freeze|commit|operator|edge|reveal)( [0-9a-z:,]{1,4}){1,6}") {
        if let Ok(entry) = Entry::parse(&line) {
            prop_assert_eq!(entry.to_string(), line);
        }
    }
}
