//! How much may be asked for, and what clients are told about it.

use crate::{
    harness::{ConfigFile, Edge, origin},
    issuer::{ISSUER, Issuer},
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

async fn edge(settings: &str, text: &str) -> (Edge, ConfigFile) {
    let config = ConfigFile::new(&format!(
        "[edge]\n{settings}\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n{text}\n",
        origin().await
    ));
    (Edge::with_config(&config).await, config)
}

fn rate(name: &str, more: &str) -> String {
    format!("[[rate]]\nname = \"{name}\"\nwindow_seconds = 600\n{more}\n")
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The numbers of the one item of a `RateLimit` field: what is left, and until when it is whole again.
fn left(answer: &Response, name: &str) -> (u64, u64) {
    let item = header(answer, "ratelimit")
        .strip_prefix(&format!("\"{name}\";r="))
        .unwrap();
    let (left, seconds) = item.split_once(";t=").unwrap();
    (left.parse().unwrap(), seconds.parse().unwrap())
}

#[tokio::test]
async fn a_client_is_told_what_is_left_and_then_when_to_come_again() {
    let rules = rate("api", "path = \"/api\"\nrequests = 3\n");
    let (edge, _config) = edge("", &rules).await;
    for expected in [2, 1, 0] {
        let answer = edge.get("/api/x").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "ratelimit-policy"), "\"api\";q=3;w=600");
        let (left, seconds) = left(&answer, "api");
        assert_eq!(left, expected);
        assert!((1..=600).contains(&seconds), "{seconds}");
    }
    let refused = edge.get("/%61pi/y").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert_eq!(header(&refused, "ratelimit-policy"), "\"api\";q=3;w=600");
    assert_eq!(left(&refused, "api").0, 0);
    let pause: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=200).contains(&pause), "{pause}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&json!(QUOTA_EXCEEDED), &json!(429))
    );
    assert_eq!(problem["violated-policies"], json!(["api"]));

    let elsewhere = edge.get("/other").send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::OK);
    assert_eq!(
        header(&elsewhere, "ratelimit"),
        "",
        "what no rule covers says nothing"
    );
    let metrics = edge.metrics().await;
    assert!(
        metrics.contains("waiting_room_rate_refused_total{rule=\"api\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn addresses_are_counted_apart_and_a_household_together() {
    let rules = rate("each", "requests = 1\n");
    let (edge, _config) = edge("trusted_proxies = [\"127.0.0.1\"]", &rules).await;
    for (address, expected) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        let request = edge.get("/").header("X-Forwarded-For", address);
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            expected,
            "{address}"
        );
    }
}

#[tokio::test]
async fn sessions_and_accounts_are_counted_wherever_they_come_from() {
    let issuer = Issuer::start().await;
    let rules = format!(
        "[[room]]\nid = \"demo\"\npath = \"/shop\"\nusers_per_minute = 6000\nmax_active = 100\n\
         [[issuer]]\nname = \"members\"\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n[[access]]\npath = \"/account\"\n{}{}",
        issuer.jwks_url(),
        rate("session", "path = \"/shop\"\nper = \"session\"\nrequests = 2\n"),
        rate(
            "account",
            "path = \"/account\"\nper = \"account\"\nrequests = 2\n"
        ),
    );
    let (edge, _config) = edge("trusted_proxies = [\"127.0.0.1\"]", &rules).await;
    let mut passes = Vec::new();
    for _ in 0..2 {
        let (ticket, _) = edge.join("demo").await;
        passes.push(edge.claim("demo", &ticket).await);
    }
    let shop = |pass: &str, address: &str| {
        edge.get("/shop")
            .header("Waiting-Room-Pass", pass)
            .header("X-Forwarded-For", address)
    };
    let account = |name: &str, address: &str| {
        edge.get("/account")
            .bearer_auth(issuer.token(name))
            .header("X-Forwarded-For", address)
    };
    for (index, (request, expected)) in [
        (shop(&passes[0], "192.0.2.1"), 200),
        (shop(&passes[0], "192.0.2.2"), 200),
        (shop(&passes[0], "192.0.2.3"), 429),
        (shop(&passes[1], "192.0.2.1"), 200),
        (account("ann", "192.0.2.1"), 200),
        (account("ann", "192.0.2.2"), 200),
        (account("ann", "192.0.2.3"), 429),
        (account("bob", "192.0.2.1"), 200),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            expected,
            "{index}"
        );
    }
}

/// Whoever is let in with the very request that is one too many keeps the pass, and is shown a page.
#[tokio::test]
async fn who_is_let_in_and_too_fast_keeps_the_pass() {
    let rules = "[[room]]\nid = \"demo\"\nusers_per_minute = 6000\nmax_active = 100\n".to_owned()
        + &rate("all", "per = \"everybody\"\nrequests = 1\n");
    let (edge, _config) = edge("", &rules).await;
    let pass_of = |answer: &Response| {
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        cookies
            .find(|cookie| cookie.starts_with("waiting-room-pass-demo="))
            .map(str::to_owned)
    };
    let browse = |cookie: &str| {
        edge.get("/")
            .header("Accept", "text/html")
            .header("Cookie", cookie)
            .send()
    };
    testbed::eventually(crate::harness::SOON, "a browser walks in", async || {
        let seen = edge.visit("/").await;
        seen.status() == StatusCode::OK && header(&seen, "ratelimit").starts_with("\"all\";r=0")
    })
    .await;
    let refused = edge.visit("/").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(header(&refused, "content-type").starts_with("text/html"));
    assert!(!header(&refused, "retry-after").is_empty());
    assert!(header(&refused, "ratelimit").starts_with("\"all\";r=0"));
    let pass = pass_of(&refused).expect("a pass all the same");
    let again = browse(&pass).await.unwrap();
    assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS, "by the pass");
    assert_eq!(pass_of(&again), None, "no other session");
}

/// The edge's own limits are told in the same way.
#[tokio::test]
async fn joins_and_polls_that_are_too_many_are_told_so_in_the_same_way() {
    let rules = "[[room]]\nid = \"demo\"\nusers_per_minute = 60\nmax_active = 10\n\
                 limits = { joins_per_minute_per_address = 1, polls_per_pause = 1 }\n\
                 [[room.drop]]\nprequeue_opens = 2020-01-01T00:00:00Z\ndoors_open = 2100-01-01T00:00:00Z\n\
                 doors_close = 2100-01-02T00:00:00Z\n";
    let (edge, _config) = edge("", rules).await;
    let (ticket, _) = edge.join("demo").await;
    let join = async || edge.post("/.waiting-room/demo/join").send().await.unwrap();
    let poll = async || {
        let poll = edge
            .get("/.waiting-room/demo/status")
            .header("Waiting-Room-Ticket", &ticket);
        poll.send().await.unwrap()
    };
    assert_eq!(poll().await.status(), StatusCode::OK);
    for (answer, name, policy) in [
        (join().await, "joins", "\"joins\";q=1;w=60"),
        (poll().await, "polls", "\"polls\";q=1;w="),
    ] {
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert!(
            header(&answer, "ratelimit-policy").starts_with(policy),
            "{answer:?}"
        );
        assert_eq!(left(&answer, name).0, 0);
        assert_eq!(header(&answer, "retry-after"), left(&answer, name).1.to_string());
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], QUOTA_EXCEEDED);
        assert_eq!(problem["violated-policies"], json!([name]));
    }
}
