//! Clients that want more than is theirs: what they hold is worth what it was given for, once, wherever they show it.

use crate::{
    connections::Connection,
    entrance::{answer, edge_on, proof},
    harness::{ConfigFile, Edge, SOON, origin},
    two_edges::{Pair, pair, start},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::join_all;
use reqwest::{RequestBuilder, StatusCode, header::COOKIE};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use testbed::{RedisNamespace, eventually};

fn claim(edge: &Edge, ticket: &str) -> RequestBuilder {
    edge.post("/.waiting-room/demo/claim")
        .header("Waiting-Room-Ticket", ticket)
}

/// What a pass says, read as anybody can.
fn claims(pass: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(pass.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

// --- tickets and passes

#[tokio::test]
async fn a_ticket_that_many_claim_at_once_on_two_edges_is_one_session() {
    let Pair { edges, .. } = &pair(origin().await, 6_000, 100).await;
    let (ticket, _) = edges[0].join("demo").await;
    for edge in edges {
        let called = async || edge.status("demo", &ticket).await["state"] == "called";
        eventually(SOON, "the edge knows that the ticket is called", called).await;
    }
    let claimed = (0..24).map(|client: usize| answer(claim(&edges[client % 2], &ticket)));
    let mut sessions = BTreeSet::new();
    for (status, body) in join_all(claimed).await {
        assert_eq!(status, StatusCode::OK, "{body}");
        sessions.insert(claims(body["pass"].as_str().unwrap())["sid"].to_string());
    }
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    for edge in edges {
        let one = async || {
            let numbers = edge.numbers("demo").await;
            numbers["claimed"] == 1 && numbers["active_sessions"] == 1
        };
        eventually(SOON, "one place is taken", one).await;
    }
}

#[tokio::test]
async fn a_session_that_was_left_opens_nothing_on_any_edge() {
    let Pair { edges, .. } = &pair(origin().await, 6_000, 100).await;
    let (ticket, _) = edges[0].join("demo").await;
    let pass = edges[0].claim("demo", &ticket).await;
    let (again, _) = edges[1].join("demo").await;
    let other = edges[1].claim("demo", &again).await;
    let leave = edges[0]
        .post("/.waiting-room/demo/leave")
        .header("Waiting-Room-Ticket", &ticket);
    assert_eq!(leave.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    for edge in edges {
        let refused = async || edge.with_pass("/", &pass).await.status() == StatusCode::TOO_MANY_REQUESTS;
        eventually(Duration::from_secs(2), "the pass opens nothing", refused).await;
        // The ticket is not worth a second session, either, nor beside the pass.
        let (status, body) = answer(claim(edge, &ticket)).await;
        assert!(status.is_client_error(), "{status} {body}");
        let both = edge
            .get("/")
            .header("Waiting-Room-Pass", &pass)
            .header("Waiting-Room-Ticket", &ticket);
        let (status, body) = answer(both).await;
        assert!(
            status.is_client_error() && body["origin"].is_null(),
            "{status} {body}"
        );
        assert_eq!(edge.with_pass("/", &other).await.status(), StatusCode::OK);
        let two = async || edge.numbers("demo").await["claimed"] == 2;
        eventually(SOON, "no session more", two).await;
    }
}

#[tokio::test]
async fn a_pass_is_over_when_its_time_is_and_its_ticket_with_it() {
    let session = "[room.session]\nlength_seconds = 2\nhard_cap_seconds = 2\n";
    let (edge, _config) = edge_on(None, "", session).await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    assert_eq!(edge.with_pass("/", &pass).await.status(), StatusCode::OK);
    let over = async || edge.with_pass("/", &pass).await.status() == StatusCode::TOO_MANY_REQUESTS;
    eventually(SOON, "the pass expires", over).await;
    // Passes count in whole seconds, sessions to the end of theirs: until then the ticket is still the one session.
    let worthless = async || answer(claim(&edge, &ticket)).await.0.is_client_error();
    eventually(SOON, "the ticket is worth no second session", worthless).await;
    assert!(over().await, "and the pass stays over");
    let one = async || edge.numbers("demo").await["claimed"] == 1;
    eventually(SOON, "one session in all", one).await;
}

#[tokio::test]
async fn a_ticket_and_a_pass_of_another_drop_are_worth_nothing() {
    let redis = RedisNamespace::fresh();
    let origin = origin().await;
    let config = |opened: &str| {
        ConfigFile::new(&format!(
            "[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n\
             [[room]]\nid = \"demo\"\nusers_per_minute = 6000\nmax_active = 100\n\
             [[room.drop]]\ndoors_open = {opened}\ndoors_close = 2100-01-02T10:00:00Z\n"
        ))
    };
    // Both edges have the same keys. Their lines are apart: edges of one line have one config.
    let (before, after) = (config("2020-01-01T10:00:00Z"), config("2021-01-01T10:00:00Z"));
    let elsewhere = RedisNamespace::fresh();
    let earlier = start(&before, redis.url(), &redis).await;
    let later = start(&after, elsewhere.url(), &elsewhere).await;
    let (ticket, _) = earlier.join("demo").await;
    let pass = earlier.claim("demo", &ticket).await;
    assert_eq!(earlier.with_pass("/", &pass).await.status(), StatusCode::OK);
    assert_eq!(
        later.with_pass("/", &pass).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    let poll = later
        .get("/.waiting-room/demo/status")
        .header("Waiting-Room-Ticket", &ticket);
    assert_eq!(answer(poll).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(claim(&later, &ticket)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(later.numbers("demo").await["claimed"], 0);
}

/// Of several passes the first counts, in a header before a cookie; and the origin gets what was checked, and no other.
#[tokio::test]
async fn of_several_passes_one_is_checked_and_the_origin_gets_that_one() {
    let edge = Edge::in_front_of(origin().await, 6_000, 100).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let cookie = |pass: &str| format!("waiting-room-pass-default={pass}");
    let table = [
        (vec![&*pass, "forged"], vec![], true),
        (vec!["forged", &pass], vec![], false),
        (vec![], vec![cookie(&pass), cookie("forged")], true),
        (vec![], vec![cookie("forged"), cookie(&pass)], false),
        (
            vec![],
            vec![format!("{}; {}", cookie(&pass), cookie("forged"))],
            true,
        ),
        (
            vec![],
            vec![format!("{}; {}", cookie("forged"), cookie(&pass))],
            false,
        ),
        (vec!["forged"], vec![cookie(&pass)], false),
        (vec![&pass], vec![cookie("forged")], true),
    ];
    for (headers, cookies, opens) in table {
        let mut request = edge.get("/page");
        for pass in &headers {
            request = request.header("Waiting-Room-Pass", *pass);
        }
        for cookie in &cookies {
            request = request.header(COOKIE, cookie);
        }
        let (status, echo) = answer(request).await;
        assert_eq!(status == StatusCode::OK, opens, "{headers:?} {cookies:?}: {echo}");
        if opens {
            assert_eq!(echo["headers"]["waiting-room-pass"], *pass, "{echo}");
        } else {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(echo["origin"], Value::Null, "the origin was not asked");
        }
    }
}

// --- garbage

/// What is sent, and what may be answered.
type Garbage = (&'static str, Vec<u8>, &'static [u16]);

/// Headers of a poll with the ticket in the cookie `ours`, or without.
fn garbage(ours: &str) -> Vec<Garbage> {
    let cookie = |before: &str| format!("Cookie: {before}{ours}").into_bytes();
    let long = |length: usize| format!("Cookie: a={}\r\n", "x".repeat(length));
    let headers = |count: usize| format!("{}Cookie: {ours}", "X: 1\r\n".repeat(count)).into_bytes();
    let others = "waiting-room-ticket-default=x; ".repeat(1_000);
    vec![
        ("thousands of cookies", cookie(&"c=1; ".repeat(3_000)), &[200]),
        ("a thousand cookies of its name", cookie(&others), &[401]),
        ("separators only", cookie(";;;=;; =;;"), &[200]),
        (
            "64 KiB",
            (long(65_536) + &format!("Cookie: {ours}")).into(),
            &[200, 400, 431],
        ),
        ("2 MiB", long(2 << 20).into(), &[400, 431]),
        ("hundreds of headers", headers(200), &[200, 400, 431]),
        ("thousands of headers", headers(10_000), &[400, 431]),
        (
            "not UTF-8",
            [b"Cookie: \xff\xfe=\xc3; ", ours.as_bytes()].concat(),
            &[200, 400],
        ),
        (
            "not UTF-8 in the ticket",
            b"Waiting-Room-Ticket: \xff\xfe".to_vec(),
            &[400, 401],
        ),
        ("a NUL", b"Cookie: a=\0".to_vec(), &[400]),
    ]
}

#[tokio::test]
async fn heads_full_of_garbage_are_answered_and_nobody_else_notices() {
    let edge = Edge::in_front_of(origin().await, 0, 10).await;
    let (ticket, _) = edge.join("default").await;
    let head: &[u8] = b"GET /.waiting-room/default/status HTTP/1.1\r\nHost: shop\r\n";
    for (what, headers, expected) in garbage(&format!("waiting-room-ticket-default={ticket}")) {
        let mut connection = Connection::open(&edge).await;
        // The edge may have enough before it has all of it.
        let sent = connection.try_send(&[head, &headers, b"\r\n\r\n"].concat()).await;
        match connection.try_answer().await {
            Some((status, body)) => assert!(expected.contains(&status), "{what}: {status} {body}"),
            None => assert!(expected.contains(&431), "{what}: no answer, {sent:?}"),
        }
        assert_eq!(edge.status("default", &ticket).await["number"], 0, "after {what}");
    }
}

// --- more places than one

/// Whoever asks for a hundred thousand places gets as many as there are solved proofs.
#[tokio::test]
async fn who_asks_for_many_places_gets_one_for_each_proof() {
    let redis = RedisNamespace::fresh();
    let asks = "[room.proof]\nmin_number = 500\nmax_number = 1000\n";
    let (one, _config) = edge_on(Some(&redis), "", asks).await;
    let (two, _config) = edge_on(Some(&redis), "", asks).await;
    let edges = [&one, &two];
    let proofs = [proof(&one).await, proof(&two).await, proof(&one).await];
    let joins = (0..360).map(|index: usize| {
        let join = edges[index % 2].post("/.waiting-room/demo/join");
        // Each proof is shown a hundred times, on both edges at once; every fourth comes with none.
        answer(match proofs.get(index / 2 % 4) {
            Some(proof) => join.header("Waiting-Room-Proof", proof),
            None => join,
        })
    });
    let mut places = BTreeSet::new();
    for (status, body) in join_all(joins).await {
        match status {
            StatusCode::CREATED => assert!(places.insert(body["number"].to_string()), "{body}"),
            status => assert_eq!(status, StatusCode::FORBIDDEN, "{body}"),
        }
    }
    assert_eq!(places.len(), 3, "{places:?}");
    for edge in edges {
        let counted = async || edge.numbers("demo").await["joined"] == 3;
        eventually(SOON, "the line knows of three", counted).await;
    }
}

/// Whoever asks for a hundred thousand places from one address gets as many as one address may have.
#[tokio::test]
async fn who_asks_for_many_places_gets_those_of_the_limit() {
    let asks = "[room.limits]\njoins_per_minute_per_address = 2\n";
    let (edge, _config) = edge_on(None, "", asks).await;
    let joins = (0..400).map(|index: usize| {
        let join = edge.post("/.waiting-room/demo/join");
        // With or without a browser's ways, and whoever they say they speak for.
        let join = join.header("X-Forwarded-For", format!("192.0.2.{}", index % 250));
        match index % 3 {
            0 => join,
            1 => join.header("Cookie", "a=1").body("x=y"),
            _ => edge.get("/").header("Accept", "text/html"),
        }
    });
    let joins = joins.map(async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().contains_key("set-cookie"))
    });
    let answers = join_all(joins).await;
    let places = answers.iter().filter(|(_, given)| *given).count();
    assert_eq!(places, 2, "one every thirty seconds more");
    assert!(answers.iter().all(|(status, _)| !status.is_server_error()));
    let counted = async || edge.numbers("demo").await["joined"] == 2;
    eventually(SOON, "the line knows of two", counted).await;
}
