//! The draw through two edges on one Redis: who was early gains nothing, and anybody can check it.

use crate::{
    harness::{ConfigFile, Edge, SOON, origin},
    two_edges::start,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fairness::{Audit, Chain, Receipt};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testbed::{RedisNamespace, eventually, eventually_some};

/// A room whose pre-queue is open, and whose doors an operator opens.
struct Drop {
    edges: [Edge; 2],
    redis: RedisNamespace,
    _config: ConfigFile,
}

async fn drop(extra: &str) -> Drop {
    let redis = RedisNamespace::fresh();
    let origin = origin().await;
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 60\nmax_active = 100\n{extra}\
         [[room.drop]]\nprequeue_opens = 2020-01-01T10:00:00Z\ndoors_open = 2100-01-01T10:00:00Z\n\
         doors_close = 2100-01-02T10:00:00Z\n"
    ));
    let edges = [
        start(&config, redis.url(), &redis).await,
        start(&config, redis.url(), &redis).await,
    ];
    Drop {
        edges,
        redis,
        _config: config,
    }
}

impl Drop {
    async fn switch(&self, switch: &str) {
        let request = self.edges[0].operate(Method::PUT, "/rooms/demo/switch");
        let request = request.header("Waiting-Room-Actor", "anna");
        let answer = request.json(&json!({ "switch": switch })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }

    async fn log(&self, edge: usize) -> String {
        let answer = self.edges[edge]
            .get("/.waiting-room/demo/log")
            .send()
            .await
            .unwrap();
        answer.text().await.unwrap()
    }

    /// The whole log, once both edges have so many joins of it.
    async fn log_with(&self, joins: u64) -> String {
        eventually_some(SOON, "both edges have the same log", async || {
            let (one, two) = (self.log(0).await, self.log(1).await);
            (one == two && Audit::of(&one).joins() == joins).then_some(one)
        })
        .await
    }

    async fn join(&self, count: usize) -> Vec<Value> {
        let joins = (0..count).map(async |shopper| self.edges[shopper % 2].join("demo").await.1);
        join_all(joins).await
    }
}

fn ticket_id(place: &Value) -> [u8; 12] {
    let ticket = URL_SAFE_NO_PAD.decode(place["ticket"].as_str().unwrap()).unwrap();
    ticket[28..40].try_into().unwrap()
}

#[tokio::test]
async fn everybody_in_the_pre_queue_is_drawn_and_can_check_it() {
    let drop = drop("").await;
    let early = drop.join(60).await;
    assert!(
        early.iter().all(|place| place["state"] == "to_be_drawn"),
        "{early:?}"
    );
    drop.switch("open").await;
    let drawn = async || {
        let ticket = early[0]["ticket"].as_str().unwrap();
        drop.edges[1].status("demo", ticket).await["state"] != "to_be_drawn"
    };
    eventually(SOON, "the draw is done", drawn).await;
    let late = drop.join(5).await;
    drop.switch("paused").await;

    let log = drop.log_with(65).await;
    let audit = Audit::of(&log);
    assert!(audit.is_clean(), "{:#?}\n{log}", audit.problems);
    assert_eq!(audit.draws.len(), 1);
    let called = audit.lanes[&0].called;
    for place in early.iter().chain(&late) {
        let receipt: Receipt = place["receipt"].as_str().unwrap().parse().unwrap();
        let number = place["number"].as_u64().unwrap();
        assert_eq!(receipt.number(), number);
        assert!(audit.includes(&receipt, &ticket_id(place)), "{place}");
    }

    // What the edges say and what the log says is one.
    let mut ranks = BTreeSet::new();
    for place in &early {
        let number = place["number"].as_u64().unwrap();
        let fairness::Position::Drawn { rank, .. } = audit.position(0, number) else {
            panic!("{number} was not drawn")
        };
        ranks.insert(rank);
        let stands = drop.edges[1]
            .status("demo", place["ticket"].as_str().unwrap())
            .await;
        if stands["state"] == "waiting" {
            assert_eq!(stands["ahead"].as_u64().unwrap(), rank - called, "{stands}");
        } else {
            assert!(rank < called, "{stands}");
        }
    }
    assert_eq!(
        ranks,
        (0..60).collect(),
        "everybody has a rank, nobody shares one"
    );
    let unmoved = early.iter().filter(|place| {
        let number = place["number"].as_u64().unwrap();
        matches!(audit.position(0, number), fairness::Position::Drawn { rank, .. } if rank == number)
    });
    assert!(unmoved.count() < 15, "being early has decided nothing");
}

#[tokio::test]
async fn a_wiped_redis_gets_its_log_and_its_draw_back() {
    let drop = drop("").await;
    drop.join(10).await;
    drop.switch("open").await;
    let revealed = async || {
        let log = drop.log(0).await;
        log.contains("\nreveal ").then_some(log)
    };
    let before = eventually_some(SOON, "the draw is done", revealed).await;
    let place = drop.join(1).await.remove(0);
    drop.switch("paused").await;
    let stands = drop.edges[1]
        .status("demo", place["ticket"].as_str().unwrap())
        .await;
    drop.redis.wipe();

    let back = async || {
        let log = drop.log(1).await;
        let lines = drop.redis.keys().iter().any(|key| key.ends_with(":log"));
        lines && log.starts_with(&before)
    };
    eventually(SOON, "the log is back", back).await;
    let late = drop.join(1).await.remove(0);
    assert_eq!(late["number"], 11, "numbers go on");
    let log = drop.log_with(12).await;
    let audit = Audit::of(&log);
    assert!(audit.is_clean(), "{:#?}\n{log}", audit.problems);
    let again = drop.edges[0]
        .status("demo", place["ticket"].as_str().unwrap())
        .await;
    assert_eq!(again["state"], stands["state"], "nobody has lost a place");
}

#[tokio::test]
async fn a_random_room_draws_again_and_again() {
    // Nobody claims, and nobody's place is given away during the test: so whoever may be in, and no more, is called. (The
    // longer the window, the longer the pause between two draws.)
    let drop = drop("method = \"random\"\nclaim_window_seconds = 60\n").await;
    let may_be_in = async |max_active: u32| {
        let limits = drop.edges[0].operate(Method::PATCH, "/rooms/demo/limits");
        let limits = limits.json(&json!({"users_per_minute": 6000, "max_active": max_active}));
        assert_eq!(limits.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    };
    may_be_in(5).await;
    let first = drop.join(5).await.remove(0);
    drop.switch("open").await;
    let state = async |place: &Value| {
        let ticket = place["ticket"].as_str().unwrap();
        drop.edges[1].status("demo", ticket).await["state"].take()
    };
    let called = async || state(&first).await == "called";
    eventually(SOON, "the first round is drawn and called", called).await;
    let (mut seen, mut joined) = (0, 5);
    for _ in 0..3 {
        let place = drop.join(6).await.remove(0);
        joined += 6;
        let drawn = async || state(&place).await != "to_be_drawn";
        assert!(!drawn().await, "there is no room for anybody else yet");
        may_be_in(joined).await;
        eventually(SOON, "the next round is drawn", drawn).await;
        seen += 1;
    }
    drop.switch("paused").await;
    let log = drop.log_with(5 + 3 * 6).await;
    let audit = Audit::of(&log);
    assert!(audit.is_clean(), "{:#?}\n{log}", audit.problems);
    assert!(
        audit.draws.iter().filter(|draw| draw.drawn.is_some()).count() > seen,
        "{log}"
    );
}

#[tokio::test]
async fn a_draw_without_its_beacon_says_so() {
    // A port where nothing listens.
    let nothing = testbed::free_address();
    let beacon = format!("beacon = {{ urls = [\"http://{nothing}\"], wait_seconds = 5 }}\n");
    let drop = drop(&beacon).await;
    drop.join(4).await;
    let log = drop.log_with(4).await;
    assert!(log.contains(" drand:52db9ba70e0cc0f6"), "{log}");
    assert!(log.contains(":8"), "a round at the opening in 2100: {log}");
    drop.switch("open").await;
    let frozen = async || drop.log(0).await.contains("\nfreeze ");
    eventually(SOON, "the pre-queue is frozen", frozen).await;
    assert!(
        !drop.log(0).await.contains("reveal"),
        "it waits for the beacon of the opening"
    );
}

#[tokio::test]
async fn the_log_is_served_in_parts_and_a_plain_room_has_none() {
    let drop = drop("").await;
    drop.join(3).await;
    let whole = drop.log_with(3).await;
    let get = async |path: &str| drop.edges[0].get(path).send().await.unwrap();
    let rest = get("/.waiting-room/demo/log?from=1").await.text().await.unwrap();
    let expected: Vec<_> = whole.lines().skip(2).collect();
    assert_eq!(rest.lines().collect::<Vec<_>>(), expected);
    let snapshot: Value = get("/.waiting-room/demo").await.json().await.unwrap();
    let mut lines = whole.lines();
    let mut chain = Chain::titled(lines.next().unwrap());
    lines.for_each(|line| chain.extend(line));
    assert_eq!(snapshot["log"]["head"], chain.head.to_string());
    assert_eq!(
        get("/.waiting-room/demo/log?from=x").await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        get("/.waiting-room/demo/log?epoch=7").await.status(),
        StatusCode::NOT_FOUND
    );
    let plain = Edge::in_front_of(origin().await, 60, 5).await;
    let none = plain.get("/.waiting-room/default/log").send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
}
