//! The operator's main switch, the methods that know no line, and keys that change while people are in.

use crate::harness::{ConfigFile, Edge, SOON, origin, program};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use testbed::eventually;

async fn switch(edge: &Edge, switch: &str) {
    let request = edge.operate(Method::PUT, "/rooms/default/switch");
    let answer = request.json(&json!({ "switch": switch })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{switch}");
    eventually(SOON, "the switch is in force", async || {
        edge.numbers("default").await["switch"] == switch
    })
    .await;
}

async fn join(edge: &Edge, room: &str) -> Response {
    let path = format!("/.waiting-room/{room}/join");
    edge.post(&path).send().await.unwrap()
}

async fn claim(edge: &Edge, ticket: &str) -> StatusCode {
    let claim = edge.post("/.waiting-room/default/claim");
    let answer = claim.header("Waiting-Room-Ticket", ticket).send().await.unwrap();
    answer.status()
}

/// Each row: the switch, whether one can join, claim, come in with a pass, and come in with nothing.
#[tokio::test]
async fn every_switch_says_what_may_be_done() {
    let edge = Edge::in_front_of(origin().await, 6_000, 100).await;
    let (held, _) = edge.join("default").await;
    let pass = edge.claim("default", &held).await;
    let (called, _) = edge.join("default").await;
    eventually(SOON, "the second is called, too", async || {
        edge.status("default", &called).await["state"] == "called"
    })
    .await;
    let table = [
        (
            "closed",
            StatusCode::CONFLICT,
            StatusCode::CONFLICT,
            StatusCode::OK,
            false,
        ),
        (
            "maintenance",
            StatusCode::CONFLICT,
            StatusCode::CONFLICT,
            StatusCode::SERVICE_UNAVAILABLE,
            false,
        ),
        (
            "queue_all",
            StatusCode::CREATED,
            StatusCode::CONFLICT,
            StatusCode::OK,
            false,
        ),
        (
            "draining",
            StatusCode::CONFLICT,
            StatusCode::OK,
            StatusCode::OK,
            false,
        ),
        (
            "disabled",
            StatusCode::CREATED,
            StatusCode::OK,
            StatusCode::OK,
            true,
        ),
        (
            "paused",
            StatusCode::CREATED,
            StatusCode::OK,
            StatusCode::OK,
            false,
        ),
        ("open", StatusCode::CREATED, StatusCode::OK, StatusCode::OK, false),
    ];
    for (word, joins, claims, with_pass, with_nothing) in table {
        switch(&edge, word).await;
        assert_eq!(join(&edge, "default").await.status(), joins, "join while {word}");
        assert_eq!(claim(&edge, &called).await, claims, "claim while {word}");
        assert_eq!(
            edge.with_pass("/", &pass).await.status(),
            with_pass,
            "a pass while {word}"
        );
        let without = edge.get("/").send().await.unwrap().status();
        assert_eq!(without == StatusCode::OK, with_nothing, "nothing while {word}");
    }
}

#[tokio::test]
async fn whoever_was_called_finds_the_window_as_it_was_after_everybody_had_to_wait() {
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"default\"\nusers_per_minute = 6000\nmax_active = 100\nclaim_window_seconds = 5\n",
        origin().await
    ));
    let edge = Edge::with_config(&config).await;
    let (ticket, _) = edge.join("default").await;
    let place = async || edge.status("default", &ticket).await;
    eventually(SOON, "it is called", async || {
        place().await["claim_before_unix_ms"].is_u64()
    })
    .await;
    switch(&edge, "queue_all").await;
    assert_eq!(place().await["state"], "waiting");
    let before = place().await["server_time_unix_ms"].as_u64().unwrap();
    let window_is_over = async || place().await["server_time_unix_ms"].as_u64().unwrap() > before + 6_000;
    eventually(SOON, "longer than the window", window_is_over).await;
    switch(&edge, "scheduled").await;
    assert_eq!(claim(&edge, &ticket).await, StatusCode::OK, "it stood still");
}

#[tokio::test]
async fn what_the_operator_says_is_shown_and_taken_away_again() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let (ticket, _) = edge.join("default").await;
    let say = async |text: &str| {
        let request = edge.operate(Method::PUT, "/rooms/default/message");
        request
            .json(&json!({ "text": text }))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(
        say("Size 42 is gone. 42 사이즈는 품절입니다.").await,
        StatusCode::NO_CONTENT
    );
    let told = async || edge.status("default", &ticket).await["message"].clone();
    eventually(Duration::from_secs(1), "everybody is told", async || {
        told().await.is_string()
    })
    .await;
    let snapshot: Value = edge.read("/.waiting-room/default").await;
    assert_eq!(snapshot["message"], "Size 42 is gone. 42 사이즈는 품절입니다.");
    assert_eq!(say("").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(say(&"x".repeat(501)).await, StatusCode::UNPROCESSABLE_ENTITY);
    let taken = edge
        .operate(Method::DELETE, "/rooms/default/message")
        .send()
        .await
        .unwrap();
    assert_eq!(taken.status(), StatusCode::NO_CONTENT);
    eventually(Duration::from_secs(1), "it is gone", async || {
        told().await.is_null()
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_no_switch_and_no_actor() {
    let edge = Edge::in_front_of(origin().await, 60, 1).await;
    let off = edge
        .operate(Method::PUT, "/rooms/default/switch")
        .json(&json!({"switch": "off"}));
    assert_eq!(
        off.send().await.unwrap().status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let named = edge.operate(Method::POST, "/rooms/default/pause");
    let named = named
        .header("Waiting-Room-Actor", "Anna Smith")
        .send()
        .await
        .unwrap();
    assert_eq!(named.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_room_without_a_line_lets_everybody_through_or_nobody() {
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"free\"\npath = \"/free\"\nmethod = \"passthrough\"\nusers_per_minute = 0\nmax_active = 1\n\
         [[room]]\nid = \"shut\"\npath = \"/shut\"\nmethod = \"reject\"\nusers_per_minute = 60\nmax_active = 1\n",
        origin().await
    ));
    let edge = Edge::with_config(&config).await;
    for _ in 0..3 {
        assert_eq!(edge.get("/free/x").send().await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(
        edge.get("/shut/x").send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(edge.visit("/shut").await.status(), StatusCode::FORBIDDEN);
}

/// Keys change edge by edge: the new one first, the old one kept.
#[tokio::test]
async fn nobody_is_logged_out_when_the_keys_change() {
    const OLD: &str = "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "2 HxwdHh8cHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQ=";
    let redis = testbed::RedisNamespace::fresh();
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"default\"\nusers_per_minute = 6000\nmax_active = 100\n",
        origin().await
    ));
    let start = async |keys: &str| {
        let program = program().arg("--config").arg(config.path());
        let program = program
            .env("WAITING_ROOM_KEYS", keys)
            .env("WAITING_ROOM_REDIS_URL", redis.url())
            .env("WAITING_ROOM_NAMESPACE", redis.prefix());
        Edge::start(program).await
    };
    let before = start(OLD).await;
    let (ticket, _) = before.join("default").await;
    let pass = before.claim("default", &ticket).await;
    let after = start(&format!("{NEW}\n{OLD}")).await;
    assert_eq!(after.with_pass("/", &pass).await.status(), StatusCode::OK);
    assert_eq!(
        claim(&after, &ticket).await,
        StatusCode::OK,
        "the ticket counts as well"
    );
    let (newer, _) = after.join("default").await;
    let newer = after.claim("default", &newer).await;
    assert_eq!(after.with_pass("/", &newer).await.status(), StatusCode::OK);
    let only_new = start(NEW).await;
    assert_ne!(
        only_new.with_pass("/", &pass).await.status(),
        StatusCode::OK,
        "a removed key opens nothing"
    );
}
