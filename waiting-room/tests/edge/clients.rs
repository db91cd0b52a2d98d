//! Clients that are slow, large, or many: each is told so, counted, and gone.

use crate::{
    harness::{ConfigFile, Edge, SOON, origin},
    wire::{Recorder, Wire},
};
use axum::{Router, body::Body, routing::get};
use std::net::SocketAddr;
use testbed::eventually;
use tokio::{net::TcpListener, time::Instant};

async fn edge(clients: &str, room: &str, origin: SocketAddr) -> Edge {
    let config = ConfigFile::new(&format!(
        "[edge.clients]\n{clients}\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n\
         [[room]]\nid = \"default\"\nusers_per_minute = 60000\nmax_active = 100\n{room}\n"
    ));
    Edge::with_config(&config).await
}

async fn pass(edge: &Edge) -> String {
    let (ticket, _) = edge.join("default").await;
    format!("Waiting-Room-Pass: {}\r\n", edge.claim("default", &ticket).await)
}

/// What the operators' metrics say of a name with these labels.
async fn metric(edge: &Edge, name: &str) -> f64 {
    edge.metric(name).await.unwrap_or(0.0)
}

async fn refused(edge: &Edge, reason: &str) -> f64 {
    metric(
        edge,
        &format!("waiting_room_clients_refused_total{{reason=\"{reason}\"}}"),
    )
    .await
}

#[tokio::test]
async fn heads_that_are_slow_or_large_are_refused() {
    let edge = edge(
        "head_seconds = 1\nhead_bytes = 4096\ntarget_bytes = 512\nheaders_max = 20",
        "",
        origin().await,
    )
    .await;
    for (text, status, reason) in [
        (
            "GET / HTTP/1.1\r\nHost: shop\r\n".to_owned(),
            408,
            "head-too-slow",
        ),
        (
            "GET /.waiting-room/default/status HTT".to_owned(),
            408,
            "head-too-slow",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: shop\r\nX: {}", "a".repeat(5_000)),
            431,
            "head-too-large",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: shop\r\n{}\r\n", "X: a\r\n".repeat(30)),
            431,
            "head-too-large",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: shop\r\n\r\n", "a".repeat(600)),
            414,
            "target-too-long",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
            400,
            "malformed-request",
        ),
    ] {
        let before = refused(&edge, reason).await;
        let mut wire = Wire::open(edge.address).await;
        wire.send(text.as_bytes()).await;
        let (answered, head, body) = wire.answer().await.unwrap();
        assert_eq!(answered, status, "{body}");
        assert!(
            head.contains("application/problem+json") && head.contains("connection: close"),
            "{head}"
        );
        assert!(body.contains(&format!("urn:problem:{reason}")), "{body}");
        assert!(wire.answer().await.is_none(), "the connection ends");
        assert!(refused(&edge, reason).await > before, "{reason} is counted");
    }
    // A head that drips is not kept alive by dripping.
    let mut wire = Wire::open(edge.address).await;
    let began = Instant::now();
    wire.send(b"GET / HTTP/1.1\r\nHost: shop\r\nX: ").await;
    let dripping = async {
        loop {
            wire.send(b"a").await;
            let answered = tokio::time::timeout(std::time::Duration::from_millis(100), wire.0.readable());
            if answered.await.is_ok() {
                return wire.answer().await;
            }
            assert!(began.elapsed() < SOON, "a dripping head goes on");
        }
    };
    let _ = dripping.await;
    // Who says nothing at all is gone, too.
    assert!(Wire::open(edge.address).await.answer().await.is_none());
}

#[tokio::test]
async fn bodies_that_are_large_or_slow_are_refused_however_they_are_sent() {
    let room = "path = \"/\"\n[[room]]\nid = \"large\"\npath = \"/large\"\nusers_per_minute = 60000\nmax_active = 10\nbody_bytes = 5000";
    // One that answers only when it has the whole body.
    let origin = Recorder::start().await;
    let edge = edge("body_bytes = 1000\nbody_seconds = 1", room, origin.address).await;
    let pass = pass(&edge).await;
    let post = format!("POST /open HTTP/1.1\r\nHost: shop\r\n{pass}");
    let chunk = format!("3e8\r\n{}\r\n", "a".repeat(1_000));
    for (text, status, reason) in [
        (
            format!("{post}Content-Length: 1001\r\n\r\n"),
            413,
            "body-too-large",
        ),
        (
            format!("{post}Content-Length: 99999999999\r\n\r\n"),
            413,
            "body-too-large",
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"),
            413,
            "body-too-large",
        ),
        (
            format!("{post}Content-Length: 1000\r\n\r\nslow"),
            408,
            "body-too-slow",
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\n\r\n3e8\r\nslow"),
            408,
            "body-too-slow",
        ),
        (
            "POST /.waiting-room/default/join HTTP/1.1\r\nHost: shop\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\na"
                .to_owned(),
            408,
            "body-too-slow",
        ),
    ] {
        let before = refused(&edge, reason).await;
        let mut wire = Wire::open(edge.address).await;
        wire.send(text.as_bytes()).await;
        let (answered, _, body) = wire.answer().await.unwrap();
        assert_eq!(answered, status, "{text:?}: {body}");
        assert!(wire.answer().await.is_none(), "the connection ends");
        assert!(refused(&edge, reason).await > before, "{reason} is counted");
    }
    let mut wire = Wire::open(edge.address).await;
    wire.send(format!("{post}Content-Length: 1000\r\n\r\n{}", "a".repeat(1_000)).as_bytes())
        .await;
    assert_eq!(
        wire.answer().await.unwrap().0,
        200,
        "what is allowed goes through"
    );
    let (ticket, _) = edge.join("large").await;
    let pass = edge.claim("large", &ticket).await;
    let large = format!(
        "POST /large HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Pass: {pass}\r\nContent-Length: 4000\r\n\r\n{}",
        "a".repeat(4_000)
    );
    let mut wire = Wire::open(edge.address).await;
    wire.send(large.as_bytes()).await;
    assert_eq!(wire.answer().await.unwrap().0, 200, "a room may take more");
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_let_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let large = Router::new().fallback(get(|| async { Body::from(vec![b'a'; 64 * 1024 * 1024]) }));
    tokio::spawn(async move { axum::serve(listener, large).await });
    let edge = edge("answer_seconds = 1", "", address).await;
    let pass = pass(&edge).await;
    let mut wire = Wire::open(edge.address).await;
    wire.send(format!("GET /large HTTP/1.1\r\nHost: shop\r\n{pass}\r\n").as_bytes())
        .await;
    eventually(SOON, "the answer has begun", async || {
        wire.0.readable().await.is_ok()
    })
    .await;
    let origins = async || metric(&edge, "waiting_room_connections").await;
    let with_it = origins().await;
    assert!(with_it >= 1.0);
    eventually(SOON, "the connection is let go", async || {
        origins().await < with_it
    })
    .await;
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_for_each_address() {
    for (clients, status, reason) in [
        ("connections_max = 4", 503, "too-many-connections"),
        (
            "connections_per_address = 4",
            429,
            "too-many-connections-of-address",
        ),
    ] {
        let edge = edge(
            &format!("{clients}\nidle_seconds = 60\nhead_seconds = 60"),
            "",
            origin().await,
        )
        .await;
        let mut open = Vec::new();
        let mut refusal = None;
        // The harness has a connection or two of its own.
        while refusal.is_none() && open.len() < 6 {
            let mut wire = Wire::open(edge.address).await;
            wire.send(b"GET /.waiting-room/none HTTP/1.1\r\nHost: shop\r\n\r\n")
                .await;
            match wire.answer().await {
                Some((404, _, _)) => open.push(wire),
                other => refusal = other,
            }
        }
        let (answered, head, body) = refusal.expect("one is too many");
        assert_eq!(answered, status, "{body}");
        assert!(
            head.contains("retry-after") && body.contains(reason),
            "{head}{body}"
        );
        assert!(refused(&edge, reason).await > 0.0);
        // Who goes makes room.
        open.clear();
        eventually(SOON, "there is room again", async || {
            let mut wire = Wire::open(edge.address).await;
            wire.send(b"GET /.waiting-room/none HTTP/1.1\r\nHost: shop\r\n\r\n")
                .await;
            matches!(wire.answer().await, Some((404, _, _)))
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_requests_and_when_it_is_idle() {
    let edge = edge(
        "requests_per_connection = 3\nidle_seconds = 1",
        "",
        origin().await,
    )
    .await;
    let (ticket, _) = edge.join("default").await;
    let poll = format!(
        "GET /.waiting-room/default/status HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Ticket: {ticket}\r\n\r\n"
    );
    let mut wire = Wire::open(edge.address).await;
    let mut heads = Vec::new();
    for _ in 0..3 {
        wire.send(poll.as_bytes()).await;
        let (status, head, _) = wire.answer().await.unwrap();
        assert_eq!(status, 200);
        heads.push(head.contains("connection: close"));
    }
    assert_eq!(heads, [false, false, true]);
    assert!(wire.answer().await.is_none(), "the third was the last");

    let mut idle = Wire::open(edge.address).await;
    idle.send(poll.as_bytes()).await;
    assert_eq!(idle.answer().await.unwrap().0, 200);
    assert!(idle.answer().await.is_none(), "an idle connection ends");
    eventually(SOON, "nothing is left open but the harness's own", async || {
        metric(&edge, "waiting_room_connections").await <= 2.0
    })
    .await;
}
