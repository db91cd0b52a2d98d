//! The direct way of plain requests: answers arrive whole however they are framed, and visitors who go away, speak out of
//! turn or read slowly keep nothing busy.

use crate::{
    harness::SOON,
    origins::{Shop, UNCHECKED, UNJUDGED, Way},
    rough_server::{Manner, RoughServer},
    wire::Wire,
};
use reqwest::StatusCode;
use testbed::eventually;

async fn shop(server: &RoughServer) -> Shop {
    let more = format!("retries = 0\n{UNCHECKED}{UNJUDGED}");
    Shop::of(&[server], Way::Direct, &more).await
}

fn get(shop: &Shop) -> String {
    format!(
        "GET /page HTTP/1.1\r\nHost: shop\r\nWaiting-Room-Pass: {}\r\n\r\n",
        shop.pass
    )
}

#[tokio::test]
async fn an_answer_arrives_whole_however_it_is_framed_and_the_connection_stays() {
    let server = RoughServer::up().await;
    let shop = shop(&server).await;
    let mut wire = Wire::open(shop.edge.address).await;
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and what nobody asked for",
            200,
            "hello",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n",
            200,
            "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", 200, "5\r\nhello\r\n0\r\n\r\n"),
        ("HTTP/1.0 200 OK\r\n\r\nhello", 200, "5\r\nhello\r\n0\r\n\r\n"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304, ""),
        ("HTTP/1.1 418\r\nContent-Length: 0\r\n\r\n", 418, ""),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
    ] {
        server.behaves(Manner::Raw(answer));
        wire.send(get(&shop).as_bytes()).await;
        let (told, head, came) = wire.answer().await.unwrap();
        assert_eq!((told, came.as_str()), (status, body), "{answer:?}: {head}");
        assert!(
            head.contains("\r\nconnection: keep-alive\r\n"),
            "{answer:?}: {head}"
        );
        assert_eq!(head.matches("\r\ndate: ").count(), 1, "{answer:?}: {head}");
    }
}

#[tokio::test]
async fn early_hints_come_first_and_no_other_protocol_is_begun_unasked() {
    let server = RoughServer::up().await;
    let shop = shop(&server).await;
    let mut wire = Wire::open(shop.edge.address).await;
    server.behaves(Manner::Raw(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ));
    wire.send(get(&shop).as_bytes()).await;
    let (status, head, _) = wire.answer().await.unwrap();
    assert_eq!(
        (status, head.as_str()),
        (103, "http/1.1 103 early hints\r\nlink: </a>\r\n\r\n")
    );
    assert_eq!(wire.answer().await.unwrap().0, 200);
    server.behaves(Manner::Raw(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    ));
    wire.send(get(&shop).as_bytes()).await;
    assert_eq!(wire.answer().await.unwrap().0, 502);
    assert!(
        wire.answer().await.is_none(),
        "the connection ends with a failure"
    );
}

#[tokio::test]
async fn who_goes_away_leaves_nothing_under_way() {
    let server = RoughServer::up().await;
    server.behaves(Manner::Held);
    let shop = shop(&server).await;
    let mut wire = Wire::open(shop.edge.address).await;
    wire.send(get(&shop).as_bytes()).await;
    eventually(SOON, "it is asked", async || server.count("GET") == 1).await;
    assert_eq!(under_way(&shop).await, 1);
    drop(wire);
    eventually(SOON, "nobody waits any more", async || {
        under_way(&shop).await == 0
    })
    .await;
    server.goes_on();
    server.behaves(Manner::Well);
    assert_eq!(shop.get().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_speaks_out_of_turn_is_answered_once() {
    let server = RoughServer::up().await;
    server.behaves(Manner::Held);
    let shop = shop(&server).await;
    let mut wire = Wire::open(shop.edge.address).await;
    wire.send(get(&shop).as_bytes()).await;
    eventually(SOON, "it is asked", async || server.count("GET") == 1).await;
    wire.send(get(&shop).replace("/page", "/hidden").as_bytes()).await;
    // A poll of another shopper's is answered meanwhile, after which the edge has read what was sent.
    shop.line_is_as_it_was().await;
    server.goes_on();
    let (status, head, body) = wire.answer().await.unwrap();
    assert_eq!((status, body.as_str()), (200, "at last"));
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(wire.answer().await.is_none());
    assert!(server.came().iter().all(|came| came.path != "/hidden"));
}

#[tokio::test]
async fn a_long_answer_arrives_whole_at_a_slow_reader() {
    let server = RoughServer::up().await;
    server.behaves(Manner::Long);
    let shop = shop(&server).await;
    let mut answer = shop.get().await;
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        assert!(chunk.iter().all(|byte| *byte == b'x'));
        bytes += chunk.len();
        tokio::task::yield_now().await;
    }
    assert_eq!(bytes, RoughServer::LONG);
    assert_eq!(under_way(&shop).await, 0);
}

/// Requests that the origin has not answered yet.
async fn under_way(shop: &Shop) -> u64 {
    let origins = shop
        .edge
        .operate(reqwest::Method::GET, "/origins")
        .send()
        .await
        .unwrap();
    let origins: serde_json::Value = origins.json().await.unwrap();
    origins[0]["requests_under_way"].as_u64().unwrap()
}
