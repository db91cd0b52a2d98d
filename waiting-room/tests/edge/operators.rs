//! What operators do.

use crate::harness::{Edge, SOON, client, origin};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testbed::eventually;

#[tokio::test]
async fn a_new_rate_changes_everybodys_wait_at_once() {
    let edge = Edge::in_front_of(origin().await, 1, 1000).await;
    let mut last = String::new();
    for _ in 0..50 {
        last = edge.join("default").await.0;
    }
    let wait = async || {
        edge.status("default", &last).await["wait_seconds"]["low"]
            .as_u64()
            .unwrap()
    };
    assert!(wait().await > 1_000);
    let change = edge
        .operate(Method::PATCH, "/rooms/default/limits")
        .json(&json!({ "users_per_minute": 60 }));
    assert_eq!(change.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let bound = std::time::Duration::from_secs(1);
    eventually(bound, "the wait follows", async || wait().await <= 60).await;
    assert_eq!(edge.numbers("default").await["users_per_minute"], 60);
}

#[tokio::test]
async fn a_paused_room_calls_nobody_until_it_is_resumed() {
    let edge = Edge::in_front_of(origin().await, 6_000, 1000).await;
    let pause = edge
        .operate(Method::POST, "/rooms/default/pause")
        .send()
        .await
        .unwrap();
    assert_eq!(pause.status(), StatusCode::NO_CONTENT);
    eventually(SOON, "nobody can walk in", async || {
        let numbers = edge.numbers("default").await;
        numbers["switch"] == "paused" && numbers["called"] == 0
    })
    .await;
    let (ticket, _) = edge.join("default").await;
    let place = edge.status("default", &ticket).await;
    assert_eq!(
        (&place["state"], &place["switch"]),
        (&"waiting".into(), &"paused".into())
    );
    edge.operate(Method::POST, "/rooms/default/resume")
        .send()
        .await
        .unwrap();
    edge.claim("default", &ticket).await;
}

#[tokio::test]
async fn nothing_is_told_or_done_without_the_token() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let table = [
        (Method::GET, "/rooms"),
        (Method::GET, "/rooms/default"),
        (Method::PATCH, "/rooms/default/limits"),
        (Method::POST, "/rooms/default/pause"),
        (Method::POST, "/rooms/default/resume"),
        (Method::GET, "/metrics"),
        (Method::GET, "/config"),
        (Method::PUT, "/config"),
        (Method::GET, "/config/versions"),
        (Method::POST, "/config/revert"),
        (Method::GET, "/changes"),
        (Method::POST, "/rooms/default/revert"),
    ];
    for (method, path) in table {
        for token in [None, Some("wrong")] {
            let request = client().request(method.clone(), format!("http://{}{path}", edge.admin));
            let request = token
                .into_iter()
                .fold(request, |request, token| request.bearer_auth(token));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
    }
    assert_eq!(edge.numbers("default").await["switch"], "scheduled");
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_and_named() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let table = [
        ("default", json!({}), 422),
        ("default", json!({ "users_per_minute": 4_000_000_000u64 }), 422),
        ("default", json!({ "max_active": 0 }), 422),
        ("default", json!({ "max_active": -1 }), 422),
        ("default", json!({ "rate": 5 }), 422),
        ("default", json!([1]), 422),
        ("nowhere", json!({ "max_active": 5 }), 404),
    ];
    for (room, body, expected) in table {
        let change = edge
            .operate(Method::PATCH, &format!("/rooms/{room}/limits"))
            .json(&body);
        let answer = change.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{body}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], expected, "{problem}");
    }
    let text = edge
        .operate(Method::PATCH, "/rooms/default/limits")
        .body("{")
        .header("content-type", "application/json");
    assert_eq!(text.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let large = edge
        .operate(Method::PATCH, "/rooms/default/limits")
        .header("content-type", "application/json");
    let large = large.body("x".repeat(10_000)).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    for (method, path, expected) in [(Method::DELETE, "/rooms", 405), (Method::GET, "/nothing", 404)] {
        let answer = edge.operate(method, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(edge.numbers("default").await["max_active"], 10);
}

#[tokio::test]
async fn the_metrics_tell_the_line() {
    let edge = Edge::in_front_of(origin().await, 0, 10).await;
    edge.join("default").await;
    let told = async || {
        edge.metric(r#"waiting_room_joins_total{room="default"}"#).await == Some(1.0)
            && edge.metric(r#"waiting_room_waiting{room="default"}"#).await == Some(1.0)
    };
    eventually(SOON, "the metrics tell of the join", told).await;
}
