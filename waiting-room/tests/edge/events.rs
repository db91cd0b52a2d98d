//! A waiting shopper is told of every change by events, and an odd request for them is served as well.

use crate::harness::{Edge, SOON, origin};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The places that a stream of events tells of.
struct Places {
    answer: Response,
    read: String,
}

impl Places {
    fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self {
            answer,
            read: String::new(),
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event
                    .lines()
                    .find_map(|line| line.strip_prefix("data: "))
                    .unwrap();
                assert!(event.contains("event: place"), "{event}");
                let place = serde_json::from_str(data).unwrap();
                self.read = rest.to_owned();
                return place;
            }
            let bytes = tokio::time::timeout(SOON, self.answer.chunk()).await.unwrap();
            self.read
                .push_str(std::str::from_utf8(&bytes.unwrap().unwrap()).unwrap());
        }
    }

    /// The first place that fits, and how long it took.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Duration {
        let began = Instant::now();
        while !fits(&self.next().await) {
            assert!(began.elapsed() < SOON, "no such place was told of");
        }
        began.elapsed()
    }
}

async fn listen(edge: &Edge, ticket: &str, extra: (&str, &str)) -> Response {
    edge.get("/.waiting-room/default/events")
        .header("Waiting-Room-Ticket", ticket)
        .header(extra.0, extra.1)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_change_is_told_at_once_and_so_is_the_turn() {
    let origin = origin().await;
    let edge = Edge::in_front_of(origin, 0, 10).await;
    let (ticket, _) = edge.join("default").await;
    // By the connection's front, and by the proxy behind it, which serves whatever is not plain.
    for odd in [("X-Plain", "yes"), ("TE", "trailers")] {
        let mut places = Places::of(listen(&edge, &ticket, odd).await);
        let first = places.next().await;
        assert_eq!((&first["state"], &first["ahead"]), (&json!("waiting"), &json!(0)));
        let message = edge.operate(Method::PUT, "/rooms/default/message");
        let said = json!({"text": format!("Soon, says {}", odd.0)});
        message
            .json(&said)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let told = places.until(|place| place["message"] == said["text"]).await;
        assert!(told < Duration::from_secs(2), "{told:?}");
    }
    let mut places = Places::of(listen(&edge, &ticket, ("X-Plain", "yes")).await);
    let limits = edge.operate(Method::PATCH, "/rooms/default/limits");
    limits
        .json(&json!({"users_per_minute": 6000}))
        .send()
        .await
        .unwrap();
    let told = places.until(|place| place["state"] == "called").await;
    assert!(told < Duration::from_secs(4), "{told:?}");
}

#[tokio::test]
async fn without_a_ticket_nobody_is_told_anything() {
    let origin = origin().await;
    let edge = Edge::in_front_of(origin, 0, 10).await;
    let answer = listen(&edge, "nonsense", ("X-Plain", "yes")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let posted = edge.post("/.waiting-room/default/events").send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn who_hangs_up_is_counted_no_more() {
    let origin = origin().await;
    let edge = Edge::in_front_of(origin, 0, 10).await;
    let (ticket, _) = edge.join("default").await;
    let listeners = async || edge.metric("waiting_room_listeners{room=\"default\"}").await;
    let mut places = Places::of(listen(&edge, &ticket, ("X-Plain", "yes")).await);
    places.next().await;
    testbed::eventually(SOON, "one listens", async || listeners().await == Some(1.0)).await;
    drop(places);
    testbed::eventually(SOON, "nobody listens", async || listeners().await == Some(0.0)).await;
}
