//! Whatever is sent, the answer is a clear one.

use crate::harness::{ConfigFile, Edge, client, origin, program};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use testbed::eventually;

#[tokio::test]
async fn every_route_refuses_what_is_not_meant_for_it() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let table = [
        (Method::GET, "/.waiting-room/default/join", 405),
        (Method::GET, "/.waiting-room/default/claim", 405),
        (Method::GET, "/.waiting-room/default/leave", 405),
        (Method::POST, "/.waiting-room/default/status", 405),
        (Method::DELETE, "/.waiting-room/default", 405),
        (Method::POST, "/.well-known/jwks.json", 405),
        (Method::POST, "/.waiting-room/assets/waiting.js", 405),
        (Method::GET, "/.waiting-room/assets/passwd", 404),
        (Method::GET, "/.waiting-room/default/nothing", 404),
        (Method::GET, "/.waiting-room/nowhere/status", 404),
        (Method::GET, "/.waiting-room/", 404),
        (Method::GET, "/.waiting-room/default/status", 401),
        (Method::POST, "/.waiting-room/default/claim", 401),
    ];
    for (method, path, expected) in table {
        let request = client().request(method.clone(), edge.url(path));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{method} {path}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{method} {path}"
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], expected, "{problem}");
    }
    let leave = edge.post("/.waiting-room/default/leave").send().await.unwrap();
    assert_eq!(
        leave.status(),
        StatusCode::NO_CONTENT,
        "leaving without a place is no mistake"
    );
}

#[tokio::test]
async fn tickets_and_passes_that_are_not_genuine_open_nothing() {
    let config = format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"a\"\npath = \"/a\"\nusers_per_minute = 600\nmax_active = 9\n\
         [[room]]\nid = \"b\"\npath = \"/b\"\nusers_per_minute = 600\nmax_active = 9\n",
        origin().await
    );
    let (edge, stranger) = {
        let config = ConfigFile::new(&config);
        (Edge::with_config(&config).await, Edge::with_config(&config).await)
    };
    let (ticket, _) = edge.join("a").await;
    let pass = edge.claim("a", &ticket).await;
    let (foreign_ticket, _) = stranger.join("a").await;
    let foreign_pass = stranger.claim("a", &foreign_ticket).await;
    let (of_b, _) = edge.join("b").await;
    let pass_of_b = edge.claim("b", &of_b).await;

    let long = "A".repeat(5_000);
    for bad in [
        "",
        "x",
        &ticket[..95],
        &format!("{ticket}A"),
        &flip(&ticket),
        &foreign_ticket,
        &of_b,
        &long,
    ] {
        let status = edge
            .get("/.waiting-room/a/status")
            .header("Waiting-Room-Ticket", bad);
        assert_eq!(
            status.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{bad}"
        );
        let claim = edge
            .post("/.waiting-room/a/claim")
            .header("Waiting-Room-Ticket", bad);
        assert_eq!(
            claim.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{bad}"
        );
    }
    for bad in [
        "",
        "x",
        "a.b.c",
        &pass[..pass.len() - 2],
        &flip(&pass),
        &foreign_pass,
        &pass_of_b,
        &ticket,
        &long,
    ] {
        assert_eq!(
            edge.with_pass("/a", bad).await.status(),
            StatusCode::TOO_MANY_REQUESTS,
            "{bad}"
        );
    }
    assert_eq!(edge.with_pass("/a", &pass).await.status(), StatusCode::OK);
}

/// The same text with one character in the middle changed.
fn flip(text: &str) -> String {
    let at = text.len() / 2;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[tokio::test]
async fn a_wrong_config_ends_with_every_mistake_and_code_64() {
    let config = ConfigFile::new(
        "[[origin]]\nname = \"\"\naddresses = []\n[[room]]\nid = \"X\"\nusers_per_minute = 1\nmax_active = 0\n",
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waiting-room"))
        .args(["--check", "--config"])
        .arg(config.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    for expected in [
        "needs a name",
        "needs at least one address",
        "a room id must be",
        "max_active",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[tokio::test]
async fn redis_without_keys_is_refused_because_edges_could_not_share_tickets() {
    let origin = format!("http://{}", origin().await);
    let program = program()
        .args(["--origin", &origin])
        .env("WAITING_ROOM_REDIS_URL", "redis://127.0.0.1:1");
    let mut process = program.start().await;
    eventually(crate::harness::SOON, "it ends", async || !process.is_running()).await;
    assert!(
        process.output().contains("WAITING_ROOM_KEYS_FILE"),
        "{}",
        process.output()
    );
}
