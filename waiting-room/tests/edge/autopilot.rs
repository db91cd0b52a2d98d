//! The rate follows the shop: fewer while it is slow, all again when it has recovered.

use crate::{
    fake_shop::FakeShop,
    harness::{ConfigFile, Edge, SOON},
    two_edges::start,
};
use clock::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testbed::{RedisNamespace, eventually};

/// Steps are a second apart here, and some tests need a good number of them.
const LATER: Duration = Duration::from_secs(60);

fn config(shop: &FakeShop, more: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        r#"
        [[origin]]
        name = "shop"
        addresses = ["http://{}"]
        health_path = "/health"
        [[room]]
        id = "demo"
        users_per_minute = 6000
        max_active = 1000
        {more}
        "#,
        shop.address
    ))
}

fn autopilot(shop: &FakeShop, targets: &str) -> ConfigFile {
    let more = format!(
        "signals = {{ urls = [\"{}\"] }}
        [room.autopilot]
        min_users_per_minute = 600
        step_seconds = 1
        blind_seconds = 5
        {targets}",
        shop.url()
    );
    config(shop, &more)
}

/// The rate; without bounds before the first step.
async fn rate(edge: &Edge) -> u64 {
    let rate = &edge.numbers("demo").await["autopilot"]["rate"];
    rate.as_u64().unwrap_or(u64::MAX)
}

async fn reason(edge: &Edge) -> String {
    let numbers = edge.numbers("demo").await;
    numbers["autopilot"]["reason"].as_str().unwrap().to_owned()
}

async fn rate_is(edge: &Edge, what: &str, is_so: impl Fn(u64) -> bool) {
    eventually(LATER, what, async || is_so(rate(edge).await)).await;
}

#[tokio::test]
async fn a_backlog_lowers_the_rate_and_its_end_gives_it_back() {
    let shop = FakeShop::open().await;
    let edge = Edge::with_config(&autopilot(&shop, "backlog_max = 100")).await;
    eventually(SOON, "nothing is held back", async || {
        rate(&edge).await == 6_000 && edge.numbers("demo").await["autopilot"]["signals"]["backlog"] == 0
    })
    .await;
    shop.has(500);
    rate_is(&edge, "fewer are let in", |rate| rate <= 3_000).await;
    assert!(
        reason(&edge).await.contains("backlog 500 over 100"),
        "{}",
        reason(&edge).await
    );
    let (ticket, place) = edge.join("demo").await;
    assert!(
        place["users_per_minute"].as_u64().unwrap() <= 3_000,
        "shoppers are told: {place}"
    );
    drop(ticket);
    let public: Value = edge.read("/.waiting-room/demo").await;
    assert!(public["users_per_minute"].as_u64().unwrap() <= 3_000, "{public}");

    shop.has(0);
    rate_is(&edge, "as many as before", |rate| rate == 6_000).await;
    eventually(SOON, "and nothing is held back", async || {
        reason(&edge).await == "nothing is held back"
    })
    .await;
    let metrics = edge.metrics().await;
    for expected in [
        "waiting_room_autopilot_users_per_minute{room=\"demo\"} 6000",
        "waiting_room_autopilot_steps_total{room=\"demo\",direction=\"down\",reason=\"over\"}",
        "waiting_room_autopilot_steps_total{room=\"demo\",direction=\"up\",reason=\"recovering\"}",
        "waiting_room_signal_backlog{room=\"demo\"} 0",
    ] {
        assert!(metrics.contains(expected), "{expected} in {metrics}");
    }
    assert!(
        edge.process.output().contains("backlog 500 over 100"),
        "it is logged"
    );
}

#[tokio::test]
async fn the_operators_word_counts_at_once() {
    let shop = FakeShop::open().await;
    let edge = Edge::with_config(&autopilot(&shop, "backlog_max = 100")).await;
    let set = async |rate: u32| {
        let change = edge.operate(Method::PATCH, "/rooms/demo/limits");
        let answer = change
            .json(&json!({ "users_per_minute": rate }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 204);
    };
    set(9_000).await;
    rate_is(&edge, "more", |rate| rate == 9_000).await;
    shop.has(500);
    rate_is(&edge, "fewer", |rate| rate < 9_000).await;
    set(300).await;
    rate_is(&edge, "fewer than the autopilot's least", |rate| rate == 300).await;
}

#[tokio::test]
async fn a_slow_origin_and_one_that_fails_lower_the_rate() {
    let shop = FakeShop::open().await;
    let targets = "origin_p90_ms_max = 300\norigin_error_percent_max = 10";
    let edge = Edge::with_config(&autopilot(&shop, targets)).await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    let ask = async || edge.with_pass("/thing", &pass).await.status().as_u16();
    eventually(SOON, "the origin answers", async || ask().await == 200).await;

    shop.answers(200, Duration::from_millis(500));
    eventually(LATER, "a slow origin lowers the rate", async || {
        ask().await == 200 && rate(&edge).await <= 4_800
    })
    .await;
    assert!(
        reason(&edge).await.contains("origin_p90_ms"),
        "{}",
        reason(&edge).await
    );
    shop.answers(200, Duration::ZERO);
    rate_is(&edge, "it is quick again", |rate| rate == 6_000).await;

    shop.answers(500, Duration::ZERO);
    eventually(LATER, "an origin that fails lowers the rate", async || {
        ask().await;
        rate(&edge).await <= 4_800
    })
    .await;
    assert!(
        reason(&edge).await.contains("origin_errors_percent"),
        "{}",
        reason(&edge).await
    );
}

#[tokio::test]
async fn without_news_the_rate_is_kept_for_a_while_and_then_goes_down() {
    let shop = FakeShop::open().await;
    let edge = Edge::with_config(&autopilot(&shop, "backlog_max = 100")).await;
    rate_is(&edge, "nothing is held back", |rate| rate == 6_000).await;
    shop.is_silent();
    eventually(LATER, "the silence is noticed", async || {
        reason(&edge).await.contains("not heard of")
    })
    .await;
    assert_eq!(
        rate(&edge).await,
        6_000,
        "the rate is kept: {}",
        reason(&edge).await
    );
    rate_is(&edge, "down", |rate| rate <= 4_000).await;
    assert!(
        reason(&edge).await.contains("going down"),
        "{}",
        reason(&edge).await
    );
    shop.has(0);
    rate_is(&edge, "and up again", |rate| rate == 6_000).await;
    assert!(
        edge.process.output().contains("a shop does not say how it is"),
        "it is logged"
    );
}

#[tokio::test]
async fn a_drop_begins_softly() {
    let shop = FakeShop::open().await;
    let opened = clock::SystemClock.utc();
    let text = |minutes: i64| {
        let at = opened + time::Duration::minutes(minutes);
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let drop = format!(
        "ramp = {{ seconds = 600, from_percent = 10 }}
        [[room.drop]]
        doors_open = {}
        doors_close = {}",
        text(0),
        text(60)
    );
    let edge = Edge::with_config(&config(&shop, &drop)).await;
    let rate = async || edge.numbers("demo").await["admits_per_minute"].as_u64().unwrap();
    let first = rate().await;
    assert!((600..1_500).contains(&first), "{first}");
    eventually(SOON, "it grows", async || rate().await > first).await;
}

#[tokio::test]
async fn every_edge_knows_the_rate_and_the_next_to_decide_goes_on_from_it() {
    let shop = FakeShop::open().await;
    shop.has(500);
    let (redis, config) = (RedisNamespace::fresh(), autopilot(&shop, "backlog_max = 100"));
    let first = start(&config, redis.url(), &redis).await;
    rate_is(&first, "fewer are let in", |rate| rate <= 3_000).await;
    let second = start(&config, redis.url(), &redis).await;
    let told = rate(&second).await;
    assert!(told <= 3_000, "the second edge knows: {told}");
    assert!(
        reason(&second).await.contains("over 100"),
        "{}",
        reason(&second).await
    );
    drop(first);
    rate_is(&second, "to the least", |rate| rate == 600).await;
    assert!(
        second.process.output().contains("the autopilot changes the rate"),
        "it decides now"
    );
}
