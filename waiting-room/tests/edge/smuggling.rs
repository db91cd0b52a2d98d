//! One request in, one request out. Whatever is hidden in a request, behind it, or between two ways of reading it, does
//! not reach the origin.

use crate::{
    harness::{Edge, SOON},
    wire::{Recorder, Wire},
};
use std::time::Duration;
use testbed::eventually;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: shop\r\n\r\n";

/// An edge in front of an origin that writes down what comes, and a pass.
async fn admitted() -> (Edge, Recorder, String) {
    let origin = Recorder::start().await;
    let edge = Edge::in_front_of(origin.address, 60_000, 1_000).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    (edge, origin, format!("Waiting-Room-Pass: {pass}\r\n"))
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let (edge, origin, pass) = admitted().await;
    let length = HIDDEN.len();
    let post = format!("POST /open HTTP/1.1\r\nHost: shop\r\n{pass}");
    let get = format!("GET /open HTTP/1.1\r\nHost: shop\r\n{pass}");
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let attempts = [
        // Lengths that disagree, agree twice, or are none.
        format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: {length}\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: 0, {length}\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: +{length}\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: -1\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: 0x10\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: 1 0\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length:\r\n\r\n{HIDDEN}"),
        format!("{post}Content-Length: 184467440737095516160\r\n\r\n{HIDDEN}"),
        // Length and chunks.
        format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{chunked}"),
        // Chunks in disguise.
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: identity\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: \"chunked\"\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding: chunked\x00\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding\t: chunked\r\n\r\n{chunked}"),
        format!("{post} Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}X: a\r\n Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}Transfer-Encoding:\r\n chunked\r\n\r\n{chunked}"),
        format!("{post}X: a\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}X: a\rTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("POST /open HTTP/1.0\r\nHost: shop\r\n{pass}Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        // Lines.
        format!("\r\n{get}\r\n"),
        format!("{get}\n{HIDDEN}"),
        get.replace("\r\n", "\n") + "\n",
        format!("{get}X: a\x00b\r\n\r\n"),
        format!("{get}X\x00: b\r\n\r\n"),
        format!("{get}no colon\r\n\r\n"),
        format!("{get}: nameless\r\n\r\n"),
        // Targets and hosts.
        format!("GET http://elsewhere/open HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET http://shop@elsewhere/open HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET shop:80 HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET * HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET  /open HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET /open x HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET /open HTTP/1.1 \r\nHost: shop\r\n{pass}\r\n"),
        format!("GET /open\r\nHost: shop\r\n{pass}\r\n"),
        format!("GET /open HTTP/1.1\r\n{pass}\r\n"),
        format!("{get}Host: shop\r\n\r\n"),
        format!("{get}host: elsewhere\r\n\r\n"),
        format!("GET /open HTTP/1.1\r\nHost: shop/x\r\n{pass}\r\n"),
        format!("GET /open HTTP/1.1\r\nHost: shop, elsewhere\r\n{pass}\r\n"),
    ];
    for attempt in attempts {
        let mut wire = Wire::open(edge.address).await;
        wire.send(attempt.as_bytes()).await;
        assert_eq!(wire.answers().await, [400], "{attempt:?}");
        assert_eq!(origin.take(), Vec::<String>::new(), "{attempt:?}");
    }
}

#[tokio::test]
async fn other_methods_and_versions_are_answered_as_such() {
    let (edge, origin, pass) = admitted().await;
    for (attempt, status) in [
        (
            format!("CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n{pass}\r\n"),
            405,
        ),
        (format!("TRACE /open HTTP/1.1\r\nHost: shop\r\n{pass}\r\n"), 405),
        (format!("GET /open HTTP/2.0\r\nHost: shop\r\n{pass}\r\n"), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        (format!("GET /open HTTP/1.9\r\nHost: shop\r\n{pass}\r\n"), 505),
    ] {
        let mut wire = Wire::open(edge.address).await;
        wire.send(attempt.as_bytes()).await;
        assert_eq!(wire.answers().await, [status], "{attempt:?}");
        assert_eq!(origin.take(), Vec::<String>::new(), "{attempt:?}");
    }
}

#[tokio::test]
async fn what_follows_a_request_unasked_never_reaches_the_origin() {
    let (edge, origin, pass) = admitted().await;
    let get = format!("GET /open HTTP/1.1\r\nHost: shop\r\n{pass}");
    let post = format!("POST /open HTTP/1.1\r\nHost: shop\r\n{pass}");
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: shop\r\n{pass}\r\n");
    for attempt in [
        format!("{get}\r\n{hidden}"),
        format!("{get}Content-Length: 0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 4\r\n\r\nbody{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n4;a=b\r\nbody\r\n0\r\nX: trailer\r\n\r\n{hidden}"),
        format!("GET http://shop/open HTTP/1.1\r\nHost: shop\r\n{pass}\r\n{hidden}"),
        format!("GET /open HTTP/1.0\r\nHost: shop\r\nConnection: keep-alive\r\n{pass}\r\n{hidden}"),
    ] {
        let mut wire = Wire::open(edge.address).await;
        wire.send(attempt.as_bytes()).await;
        assert_eq!(wire.answers().await, [200], "{attempt:?}");
        let requests = origin.take();
        assert_eq!(requests.len(), 1, "{attempt:?}: {requests:?}");
        assert!(!requests[0].contains("/hidden"), "{attempt:?}: {requests:?}");
    }
    // A body that looks like a request is a body.
    let mut wire = Wire::open(edge.address).await;
    wire.send(format!("{post}Content-Length: {}\r\n\r\n{hidden}", hidden.len()).as_bytes())
        .await;
    assert_eq!(wire.answer().await.unwrap().0, 200);
    let requests = origin.take();
    assert!(
        requests.len() == 1 && requests[0].starts_with("POST /open"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn chunks_that_are_none_end_the_connection_with_one_answer_at_most() {
    let (edge, origin, pass) = admitted().await;
    let post = format!("POST /open HTTP/1.1\r\nHost: shop\r\n{pass}Transfer-Encoding: chunked\r\n\r\n");
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: shop\r\n{pass}\r\n");
    for chunks in [
        "x\r\nbody\r\n0\r\n\r\n".to_owned(),
        "-4\r\nbody\r\n0\r\n\r\n".to_owned(),
        "+4\r\nbody\r\n0\r\n\r\n".to_owned(),
        "0x4\r\nbody\r\n0\r\n\r\n".to_owned(),
        "4 4\r\nbody\r\n0\r\n\r\n".to_owned(),
        "ffffffffffffffffff\r\nbody\r\n0\r\n\r\n".to_owned(),
        "4\r\nbodyX\r\n0\r\n\r\n".to_owned(),
        "4\r\nbody\n0\r\n\r\n".to_owned(),
        "4\nbody\r\n0\r\n\r\n".to_owned(),
        "4;a\nbody\r\n0\r\n\r\n".to_owned(),
        "4;\rbody\r\n0\r\n\r\n".to_owned(),
        "\r\n4\r\nbody\r\n0\r\n\r\n".to_owned(),
        format!("4;{}\r\nbody\r\n0\r\n\r\n", "a".repeat(20_000)),
        format!("0\r\nX: {}\r\n\r\n", "a".repeat(80_000)),
    ] {
        let mut wire = Wire::open(edge.address).await;
        wire.send(format!("{post}{chunks}{hidden}").as_bytes()).await;
        let answers = wire.answers().await;
        assert!(answers.len() <= 1, "{chunks:?}: {answers:?}");
        let requests = origin.take();
        assert!(requests.len() <= 1, "{chunks:?}: {requests:?}");
        let hidden = requests.iter().any(|request| request.starts_with("GET /hidden"));
        assert!(!hidden, "{chunks:?}: {requests:?}");
    }
}

#[tokio::test]
async fn nobody_without_a_pass_reaches_the_origin_behind_a_poll() {
    let origin = Recorder::start().await;
    let edge = Edge::in_front_of(origin.address, 0, 1).await;
    let (ticket, _) = edge.join("default").await;
    let poll = |more: &str| {
        format!(
            "GET /.waiting-room/default/status HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Ticket: {ticket}\r\n{more}\r\n"
        )
    };
    let length = HIDDEN.len();
    for attempt in [
        poll("") + HIDDEN,
        poll(&format!("Content-Length: {length}\r\n")) + HIDDEN,
        poll("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + HIDDEN,
        poll("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n") + HIDDEN,
        poll("Connection: Upgrade\r\nUpgrade: websocket\r\n") + HIDDEN,
        poll("Expect: 100-continue\r\nContent-Length: 5\r\n") + HIDDEN,
        poll("") + &poll("").replace('\n', "") + HIDDEN,
    ] {
        let mut wire = Wire::open(edge.address).await;
        wire.send(attempt.as_bytes()).await;
        let mut answers = Vec::new();
        // Two requests one behind the other may be answered one after the other, the second by a refusal.
        while let Ok(Some((status, _, _))) =
            tokio::time::timeout(Duration::from_millis(300), wire.answer()).await
        {
            answers.push(status);
        }
        assert!(
            answers.iter().all(|status| [200, 400, 417, 429].contains(status)),
            "{attempt:?}: {answers:?}"
        );
        assert_eq!(origin.take(), Vec::<String>::new(), "{attempt:?}");
    }
}

#[tokio::test]
async fn an_upgrade_to_http2_is_not_passed_on() {
    let (edge, origin, pass) = admitted().await;
    let mut wire = Wire::open(edge.address).await;
    let request = format!(
        "GET /open HTTP/1.1\r\nHost: shop\r\n{pass}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n"
    );
    wire.send(request.as_bytes()).await;
    assert_eq!(wire.answer().await.unwrap().0, 200);
    let requests = origin.take();
    let lower = requests.concat().to_ascii_lowercase();
    assert!(
        requests.len() == 1 && !lower.contains("h2c") && !lower.contains("http2-settings"),
        "{lower}"
    );
}

#[tokio::test]
async fn a_proxied_request_cut_anywhere_is_the_same_request() {
    let (edge, origin, pass) = admitted().await;
    let whole = format!("POST /open HTTP/1.1\r\nHost: shop\r\n{pass}Content-Length: 4\r\n\r\nbody");
    let mut seen: Option<String> = None;
    for at in 1..whole.len() {
        let mut wire = Wire::open(edge.address).await;
        wire.send(&whole.as_bytes()[..at]).await;
        tokio::task::yield_now().await;
        wire.send(&whole.as_bytes()[at..]).await;
        let (status, _, body) = wire.answer().await.unwrap();
        assert_eq!((status, body.as_str()), (200, "ok"), "cut after {at} bytes");
        let requests = origin.take();
        assert_eq!(requests.len(), 1, "cut after {at} bytes: {requests:?}");
        // Whole, it goes another way, on which names are written small.
        let came = requests[0].to_ascii_lowercase();
        let first = seen.get_or_insert_with(|| came.clone());
        assert_eq!(*first, came, "cut after {at} bytes");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let edge = Edge::in_front_of(crate::harness::origin().await, 60_000, 10).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let mut wire = Wire::open(edge.address).await;
    let head = format!(
        "POST /open HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Pass: {pass}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    );
    wire.send(head.as_bytes()).await;
    wire.send(b"body").await;
    let mut last = wire.answer().await.unwrap().0;
    if last == 100 {
        last = wire.answer().await.unwrap().0;
    }
    assert_eq!(last, 200);
    eventually(SOON, "the edge still answers", async || {
        edge.get("/.waiting-room/none").send().await.is_ok()
    })
    .await;
}
