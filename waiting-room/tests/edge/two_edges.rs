//! Two edges on one Redis share one line.

use crate::harness::{ConfigFile, Edge, SOON, origin, program};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use testbed::{RedisNamespace, eventually};

const KEYS: &str = "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub struct Pair {
    pub edges: [Edge; 2],
    _redis: RedisNamespace,
    _config: ConfigFile,
}

pub async fn pair(origin: SocketAddr, users_per_minute: u32, max_active: u32) -> Pair {
    let redis = RedisNamespace::fresh();
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = {users_per_minute}\nmax_active = {max_active}\n"
    ));
    let edges = [
        start(&config, redis.url(), &redis).await,
        start(&config, redis.url(), &redis).await,
    ];
    Pair {
        edges,
        _redis: redis,
        _config: config,
    }
}

pub async fn start(config: &ConfigFile, url: &str, redis: &RedisNamespace) -> Edge {
    let program = program()
        .arg("--config")
        .arg(config.path())
        .env("WAITING_ROOM_KEYS", KEYS);
    let program = program
        .env("WAITING_ROOM_REDIS_URL", url)
        .env("WAITING_ROOM_NAMESPACE", redis.prefix());
    Edge::start(program).await
}

#[tokio::test]
async fn no_number_is_given_twice() {
    let Pair { edges, .. } = &pair(origin().await, 0, 10).await;
    let joins = (0..600).map(|shopper: usize| async move {
        edges[shopper % 2].join("demo").await.1["number"]
            .as_u64()
            .unwrap()
    });
    let numbers: BTreeSet<u64> = join_all(joins).await.into_iter().collect();
    assert_eq!(numbers, (0..600).collect());
}

#[tokio::test]
async fn a_shopper_is_known_at_either() {
    let Pair {
        edges: [one, two], ..
    } = &pair(origin().await, 6_000, 10).await;
    let (ticket, _) = one.join("demo").await;
    let pass = two.claim("demo", &ticket).await;
    assert_eq!(one.with_pass("/", &pass).await.status(), StatusCode::OK);
    assert_eq!(two.with_pass("/", &pass).await.status(), StatusCode::OK);

    let leave = one
        .post("/.waiting-room/demo/leave")
        .header("Waiting-Room-Ticket", &ticket);
    assert_eq!(leave.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let refused = async || two.with_pass("/", &pass).await.status() == StatusCode::TOO_MANY_REQUESTS;
    eventually(
        Duration::from_secs(1),
        "the other edge knows that the session is over",
        refused,
    )
    .await;
}

#[tokio::test]
async fn a_change_is_in_force_on_both_within_a_second() {
    let Pair {
        edges: [one, two], ..
    } = &pair(origin().await, 60, 10).await;
    let change = one
        .operate(Method::PATCH, "/rooms/demo/limits")
        .json(&json!({ "users_per_minute": 120 }));
    assert_eq!(change.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let followed = async || two.numbers("demo").await["users_per_minute"] == 120;
    eventually(Duration::from_secs(1), "the other edge obeys", followed).await;
}

#[tokio::test]
async fn together_they_never_let_in_more_than_the_limit() {
    let Pair { edges, .. } = &pair(origin().await, 60_000, 7).await;
    let shoppers = (0..60).map(|shopper: usize| async move {
        let edge = &edges[shopper % 2];
        let (ticket, _) = edge.join("demo").await;
        let claim = edge
            .post("/.waiting-room/demo/claim")
            .header("Waiting-Room-Ticket", &ticket);
        claim.send().await.unwrap().status() == StatusCode::OK
    });
    join_all(shoppers).await;
    for edge in edges {
        let numbers = edge.numbers("demo").await;
        let reserved = numbers["active_sessions"].as_u64().unwrap() + numbers["called"].as_u64().unwrap();
        assert!(reserved <= 7, "{numbers}");
    }
}

#[tokio::test]
async fn when_one_is_killed_the_other_goes_on_and_nobody_loses_a_place() {
    let Pair {
        edges: [one, two], ..
    } = &mut pair(origin().await, 6_000, 100).await;
    two.operate(Method::POST, "/rooms/demo/pause")
        .send()
        .await
        .unwrap();
    let paused = async || one.numbers("demo").await["called"] == 0;
    eventually(SOON, "the doors are shut", paused).await;
    let mut tickets = Vec::new();
    for _ in 0..20 {
        tickets.push(one.join("demo").await.0);
    }
    // Whichever holds the lease: kill the first, and the second must go on by itself.
    one.process.kill_9();
    two.operate(Method::POST, "/rooms/demo/resume")
        .send()
        .await
        .unwrap();
    for (number, ticket) in tickets.iter().enumerate() {
        assert_eq!(two.status("demo", ticket).await["number"], number);
        two.claim("demo", ticket).await;
    }
}
