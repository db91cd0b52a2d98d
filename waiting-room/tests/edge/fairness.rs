//! The public log of a real edge, checked as a stranger would.

use crate::harness::{ConfigFile, Edge, SOON, origin};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::{Clock, SystemClock};
use fairness::{Audit, Leaf, Position, Receipt};
use serde_json::Value;
use testbed::eventually;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const LANES: &str = "lane = [{ name = \"members\", weight = 3 }, { name = \"everybody\", weight = 1 }]\n";

/// A room of this method whose doors open two seconds from now.
async fn edge(method: &str, more: &str, users_per_minute: u32) -> Edge {
    let now = i64::try_from(SystemClock.unix_ms() / 1000).unwrap();
    let date = |at: i64| {
        let at = OffsetDateTime::from_unix_timestamp(at).unwrap();
        at.format(&Rfc3339).unwrap()
    };
    let (early, opening, end) = (date(now - 60), date(now + 3), date(now + 3600));
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"drop\"\nmethod = \"{method}\"\nusers_per_minute = {users_per_minute}\nmax_active = 1000\n{more}\
         [[room.drop]]\nprequeue_opens = {early}\ndoors_open = {opening}\ndoors_close = {end}\n",
        origin().await
    ));
    Edge::with_config(&config).await
}

async fn log(edge: &Edge) -> String {
    let answer = edge.get("/.waiting-room/drop/log").send().await.unwrap();
    answer.text().await.unwrap()
}

/// What a shopper has in hand: the ticket's text, its id and the receipt.
struct Shopper {
    ticket: String,
    id: Leaf,
    receipt: Receipt,
}

async fn join(edge: &Edge) -> Shopper {
    let (ticket, place) = edge.join("drop").await;
    let receipt: Receipt = place["receipt"].as_str().unwrap().parse().unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
    let id = bytes[28..40].try_into().unwrap();
    Shopper { ticket, id, receipt }
}

async fn join_all(edge: &Edge, count: usize) -> Vec<Shopper> {
    futures::future::join_all((0..count).map(|_| join(edge))).await
}

/// The audit of the log, once the edge has read everybody's line of it again.
async fn audit_with_all(edge: &Edge, shoppers: &[Shopper]) -> Audit {
    let mut text = String::new();
    let all_are_in = async || {
        text = log(edge).await;
        let audit = Audit::of(&text);
        shoppers
            .iter()
            .all(|shopper| audit.includes(&shopper.receipt, &shopper.id))
    };
    eventually(SOON, "everybody is in the log", all_are_in).await;
    let audit = Audit::of(&text);
    assert_eq!(audit.problems, [], "{text}");
    audit
}

#[tokio::test]
async fn the_log_of_a_drop_tells_everybody_their_place() {
    let edge = edge("shuffle", "", 60).await;
    let shoppers = join_all(&edge, 40).await;
    let called = async || log(&edge).await.contains("\ncall ");
    eventually(SOON, "the line is drawn and called", called).await;
    let mut all = shoppers;
    all.push(join(&edge).await);
    let audit = audit_with_all(&edge, &all).await;
    assert_eq!(audit.lanes[&0].drawn, 40);
    let late = all.pop().unwrap();
    // Everybody's distance to their rank is how far was called, which is one more after a second.
    let mut called = Vec::new();
    for shopper in &all {
        let place = edge.status("drop", &shopper.ticket).await;
        let Position::Drawn { rank, .. } = audit.position(0, shopper.receipt.number()) else {
            panic!("{} is drawn", shopper.receipt)
        };
        if place["state"] == "waiting" {
            called.push(rank - place["ahead"].as_u64().unwrap());
        }
    }
    let (least, most) = (called.iter().min().unwrap(), called.iter().max().unwrap());
    assert!(called.len() > 20 && most - least <= 3, "{called:?}");
    assert_eq!(audit.position(0, late.receipt.number()), Position::InOrder);
    command_agrees(&edge, &late);
}

/// `waiting-room verify` with the receipt, against the running edge.
fn command_agrees(edge: &Edge, shopper: &Shopper) {
    let (log, receipt) = (edge.url("/.waiting-room/drop/log"), shopper.receipt.encode());
    let arguments = [
        "verify",
        "--log",
        &log,
        "--receipt",
        &receipt,
        "--ticket",
        &shopper.ticket,
    ];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_waiting-room"));
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("the receipt fits"), "{text}");
}

#[tokio::test]
async fn the_log_of_a_room_that_draws_in_rounds_is_clean_round_after_round() {
    let edge = edge("random", "", 600).await;
    let mut shoppers = join_all(&edge, 10).await;
    for round in 1..4 {
        let revealed = "\nreveal ";
        let drawn = async || log(&edge).await.matches(revealed).count() >= round;
        eventually(SOON, "a round is drawn", drawn).await;
        shoppers.extend(join_all(&edge, 7).await);
    }
    let everybody = async || {
        let numbers: Value = edge.numbers("drop").await;
        numbers["waiting"] == 0
    };
    eventually(SOON, "everybody is called", everybody).await;
    // Nobody waits: whoever comes walks in, and is passed over by the draw after.
    shoppers.extend(join_all(&edge, 2).await);
    shoppers.extend(join_all(&edge, 60).await);
    let drawn = async || log(&edge).await.matches("\nreveal ").count() >= 4;
    eventually(SOON, "the last are drawn", drawn).await;
    audit_with_all(&edge, &shoppers).await;
}

#[tokio::test]
async fn every_lane_is_drawn_for_itself() {
    let edge = edge("shuffle", LANES, 6).await;
    let shoppers = join_all(&edge, 20).await;
    let drawn = async || log(&edge).await.contains("\nreveal ");
    eventually(SOON, "the lanes are drawn", drawn).await;
    audit_with_all(&edge, &shoppers).await;
}

#[tokio::test]
async fn visitors_find_the_page_that_checks_the_draw() {
    let edge = edge("shuffle", "", 60).await;
    let log = edge.get("/.waiting-room/drop/log").send().await.unwrap();
    assert!(
        log.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    for (asset, contains) in [
        ("verify.js", "export async function audit"),
        ("fairness.js", "import { audit"),
    ] {
        let script = edge
            .get(&format!("/.waiting-room/assets/{asset}"))
            .send()
            .await
            .unwrap();
        assert!(script.text().await.unwrap().contains(contains), "{asset}");
    }
}
