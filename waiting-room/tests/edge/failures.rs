//! When what the edge depends on fails.

use crate::{
    harness::{ConfigFile, Edge, SOON, origin, serve_origin},
    two_edges::start,
};
use reqwest::StatusCode;
use testbed::{RedisNamespace, Wire, eventually, free_address};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_poll_and_a_valid_pass_need_no_store() {
    let redis = RedisNamespace::fresh();
    let (wire, url) = Wire::to_url(redis.url());
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 2\n",
        origin().await
    ));
    let edge = start(&config, &url, &redis).await;
    let (inside, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &inside).await;
    let (called, _) = edge.join("demo").await;
    let (waiting, _) = edge.join("demo").await;

    wire.cut();
    let silent = async || edge.status("demo", &waiting).await["holding"] == true;
    eventually(SOON, "shoppers see that the gate is held", silent).await;
    assert_eq!(
        edge.status("demo", &waiting).await["number"],
        2,
        "the place is kept"
    );
    assert_eq!(
        edge.with_pass("/", &pass).await.status(),
        StatusCode::OK,
        "who is in stays in"
    );

    // The gate does not fall open: nobody new comes in, and everybody is told to try again.
    let claim = edge
        .post("/.waiting-room/demo/claim")
        .header("Waiting-Room-Ticket", &called)
        .send()
        .await
        .unwrap();
    assert_eq!(claim.status(), StatusCode::SERVICE_UNAVAILABLE);
    let newcomer = edge.visit("/").await;
    assert_eq!(newcomer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(newcomer.text().await.unwrap().contains("One moment"));

    wire.heal();
    eventually(SOON, "the line goes on", async || {
        edge.status("demo", &waiting).await["holding"].is_null()
    })
    .await;
    edge.claim("demo", &called).await;
}

#[tokio::test]
async fn a_wiped_redis_loses_nobodys_place() {
    let redis = RedisNamespace::fresh();
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 0\nmax_active = 2\n",
        origin().await
    ));
    let edge = start(&config, redis.url(), &redis).await;
    let mut tickets = Vec::new();
    for _ in 0..10 {
        tickets.push(edge.join("demo").await.0);
    }
    redis.wipe();
    let (_, place) = edge.join("demo").await;
    assert_eq!(place["number"], 10, "no number twice");
    for (number, ticket) in tickets.iter().enumerate() {
        assert_eq!(edge.status("demo", ticket).await["number"], number);
    }
    // An edge that knew nothing learns from the shoppers' own tickets.
    drop(edge);
    redis.wipe();
    let edge = start(&config, redis.url(), &redis).await;
    assert_eq!(edge.status("demo", &tickets[9]).await["number"], 9);
    let remembered = async || edge.numbers("demo").await["joined"].as_u64() >= Some(10);
    eventually(
        SOON,
        "the ticket tells how far the numbers were dealt",
        remembered,
    )
    .await;
}

#[tokio::test]
async fn an_origin_that_is_down_is_said_so_and_comes_back() {
    let address = free_address();
    let edge = Edge::in_front_of(address, 600, 10).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let answer = edge.with_pass("/", &pass).await;
    assert!(
        matches!(answer.status().as_u16(), 502..=504),
        "{}",
        answer.status()
    );
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(answer.headers().contains_key("retry-after"));

    serve_origin(TcpListener::bind(address).await.unwrap());
    let back = async || edge.with_pass("/", &pass).await.status() == StatusCode::OK;
    eventually(SOON, "the origin is used again", back).await;
}
