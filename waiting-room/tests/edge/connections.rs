//! One connection, two ways to answer: polls at its front, everything else by the proxy. Whatever the bytes are cut into
//! or pretend to be, nobody gets an answer that is somebody else's.

use crate::harness::{Edge, SOON, origin};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub struct Connection(TcpStream);

impl Connection {
    pub async fn open(edge: &Edge) -> Self {
        let stream = TcpStream::connect(edge.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The same, to somebody who may have enough.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// The next answer: its status and body.
    async fn answer(&mut self) -> (u16, String) {
        self.try_answer().await.expect("an answer")
    }

    /// Nothing when the connection ends, or nothing comes.
    pub async fn try_answer(&mut self) -> Option<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(SOON, self.0.read_u8()).await.ok()?.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .map_or("0", |rest| rest.split("\r\n").next().unwrap());
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.ok()?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, String::from_utf8(body).unwrap()))
    }
}

fn poll(ticket: &str, more: &str) -> String {
    format!(
        "GET /.waiting-room/default/status HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Ticket: {ticket}\r\n{more}\r\n"
    )
}

/// An edge that lets nobody in, and two tickets.
async fn waiting() -> (Edge, String, String) {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    let (first, _) = edge.join("default").await;
    let (second, _) = edge.join("default").await;
    (edge, first, second)
}

fn number((status, body): &(u16, String)) -> u64 {
    assert_eq!(*status, 200, "{body}");
    serde_json::from_str::<Value>(body).unwrap()["number"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn both_ways_give_the_same_answer() {
    let (edge, _, second) = waiting().await;
    let told = async |more: &str| {
        let mut connection = Connection::open(&edge).await;
        connection.send(poll(&second, more).as_bytes()).await;
        let (status, body) = connection.answer().await;
        let mut body: Value = serde_json::from_str(&body).unwrap();
        for moving in ["server_time_unix_ms", "poll_after_ms"] {
            body[moving].take();
        }
        (status, body)
    };
    // The proxy answers what asks for the end of the connection.
    assert_eq!(told("").await, told("Connection: close\r\n").await);
    let refused = async |more: &str| {
        let mut connection = Connection::open(&edge).await;
        connection.send(poll("nonsense", more).as_bytes()).await;
        connection.answer().await
    };
    assert_eq!(refused("").await, refused("Connection: close\r\n").await);
}

#[tokio::test]
async fn a_connection_goes_back_and_forth_between_both() {
    let (edge, first, second) = waiting().await;
    let mut connection = Connection::open(&edge).await;
    for _ in 0..3 {
        connection.send(poll(&first, "").as_bytes()).await;
        assert_eq!(number(&connection.answer().await), 0);
        connection
            .send(b"POST /.waiting-room/default/claim HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(connection.answer().await.0, 401);
        connection.send(poll(&second, "").as_bytes()).await;
        assert_eq!(number(&connection.answer().await), 1);
        connection.send(b"GET /shop HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(connection.answer().await.0, 429);
    }
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_ends_the_connection() {
    let (edge, first, _) = waiting().await;
    let mut connection = Connection::open(&edge).await;
    connection
        .send(b"POST /.waiting-room/default/claim HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(connection.answer().await.0, 401);
    // A write to a connection that has ended may still succeed; an answer never comes.
    let _ = connection.0.write_all(poll(&first, "").as_bytes()).await;
    assert!(connection.try_answer().await.is_none());
}

#[tokio::test]
async fn a_poll_cut_anywhere_is_the_same_poll() {
    let (edge, _, second) = waiting().await;
    let whole = poll(&second, "Cookie: a=b\r\n");
    for at in 1..whole.len() {
        let mut connection = Connection::open(&edge).await;
        connection.send(&whole.as_bytes()[..at]).await;
        tokio::task::yield_now().await;
        connection.send(&whole.as_bytes()[at..]).await;
        assert_eq!(number(&connection.answer().await), 1, "cut after {at} bytes");
    }
}

#[tokio::test]
async fn a_poll_hidden_in_a_body_is_not_answered() {
    let (edge, first, second) = waiting().await;
    let hidden = poll(&second, "");
    let length = hidden.len();
    let attempts = [
        poll(&first, &format!("Content-Length: {length}\r\n")) + &hidden,
        poll(
            &first,
            &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        ) + &hidden,
        poll(
            &first,
            &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        ) + "0\r\n\r\n",
        poll(&first, "Transfer-Encoding: chunked\r\n") + &format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
        poll(
            &first,
            &format!("Transfer-Encoding : chunked\r\nContent-Length: {length}\r\n"),
        ) + &hidden,
        poll(
            &first,
            &format!("X: folded\r\n Content-Length: 0\r\nContent-Length: {length}\r\n"),
        ) + &hidden,
    ];
    for attempt in attempts {
        let mut connection = Connection::open(&edge).await;
        connection.send(attempt.as_bytes()).await;
        // At most one answer, and never the hidden one's.
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = timeout(Duration::from_millis(300), connection.try_answer()).await {
            answers.push(answer);
        }
        let hidden = answers
            .iter()
            .any(|(status, body)| *status == 200 && body.contains("\"number\":1,"));
        assert!(!hidden && answers.len() <= 1, "{attempt:?}: {answers:?}");
    }
}

#[tokio::test]
async fn pipelined_polls_are_never_mixed_up() {
    let (edge, first, second) = waiting().await;
    let mut connection = Connection::open(&edge).await;
    connection
        .send((poll(&first, "") + &poll(&second, "")).as_bytes())
        .await;
    assert_eq!(number(&connection.answer().await), 0);
    // The second is answered as itself, or the connection ends and the client asks again.
    if let Ok(Some(answer)) = timeout(Duration::from_millis(300), connection.try_answer()).await {
        assert_eq!(number(&answer), 1);
    }
}
