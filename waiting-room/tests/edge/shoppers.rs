//! What shoppers go through.

use crate::harness::{ConfigFile, Edge, SOON, client, origin};
use reqwest::{Response, StatusCode, header::SET_COOKIE};
use serde_json::Value;
use testbed::eventually;

/// The cookies of an answer, as a browser sends them back.
fn cookies(answer: &Response) -> String {
    let set = answer.headers().get_all(SET_COOKIE).iter();
    let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn nobody_waits_until_the_shop_is_full() {
    let edge = Edge::in_front_of(origin().await, 600, 1).await;
    let first = edge.visit("/drop").await;
    assert_eq!(first.status(), StatusCode::OK);
    let pass = cookies(&first);
    let echo: Value = first.json().await.unwrap();
    assert_eq!(echo["path"], "/drop");
    assert_eq!(echo["headers"]["waiting-room-room"], "default");

    let second = edge.visit("/drop").await;
    let ticket = cookies(&second);
    let page = second.text().await.unwrap();
    assert!(
        page.contains("Ahead of you") && page.contains(r#"http-equiv="refresh""#),
        "{page}"
    );

    // A reload keeps the place; it takes no new one.
    let again = edge
        .get("/drop")
        .header("Accept", "text/html")
        .header("Cookie", &ticket)
        .send()
        .await
        .unwrap();
    assert!(again.headers().get(SET_COOKIE).is_none());
    eventually(SOON, "two have joined", async || {
        edge.numbers("default").await["joined"] == 2
    })
    .await;

    // The first leaves, the second walks in: by the same reload, without any script.
    let left = edge
        .post("/.waiting-room/default/leave")
        .header("Cookie", &pass)
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    let reload = async || {
        let answer = edge
            .get("/drop")
            .header("Accept", "text/html")
            .header("Cookie", &ticket)
            .send()
            .await
            .unwrap();
        answer
            .json::<Value>()
            .await
            .is_ok_and(|echo| echo["origin"] == true)
    };
    eventually(SOON, "the second is let in", reload).await;
    let back = edge
        .get("/drop")
        .header("Accept", "text/html")
        .header("Cookie", &pass)
        .send()
        .await
        .unwrap();
    assert!(
        back.text().await.unwrap().contains("Your turn has passed"),
        "a session that was left is over"
    );
}

#[tokio::test]
async fn an_app_joins_polls_claims_and_is_proxied() {
    let edge = Edge::in_front_of(origin().await, 600, 100).await;
    let (ticket, place) = edge.join("default").await;
    assert_eq!(place["number"], 0);
    assert_eq!(place["room"], "default");
    let again = edge
        .post("/.waiting-room/default/join")
        .header("Waiting-Room-Ticket", &ticket);
    let again = again.send().await.unwrap();
    assert_eq!(
        again.status(),
        StatusCode::OK,
        "the same shopper keeps the same place"
    );
    assert_eq!(again.json::<Value>().await.unwrap()["number"], 0);

    let pass = edge.claim("default", &ticket).await;
    assert_eq!(
        edge.claim("default", &ticket).await.split('.').count(),
        3,
        "claiming twice is allowed"
    );
    let echo: Value = edge.with_pass("/orders?x=1", &pass).await.json().await.unwrap();
    assert_eq!(echo["path"], "/orders?x=1");
    assert_eq!(echo["headers"]["waiting-room-pass"], pass);
    let one_session = async || edge.numbers("default").await["active_sessions"] == 1;
    eventually(SOON, "one session is on", one_session).await;

    let keys: Value = edge.read("/.well-known/jwks.json").await;
    let verifier = passes::Verifier::new(&serde_json::from_value(keys).unwrap());
    let claims = verifier.verify(&pass, 0).unwrap();
    assert_eq!(claims.room, "default");
}

#[tokio::test]
async fn identity_headers_cannot_be_forged() {
    let edge = Edge::in_front_of(origin().await, 600, 100).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let request = edge
        .get("/")
        .header("Waiting-Room-Pass", &pass)
        .header("Waiting-Room-Session", "somebody else");
    let request = request
        .header("Waiting-Room-Admin", "yes")
        .header("X-Forwarded-For", "8.8.8.8");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    let headers = &echo["headers"];
    assert_ne!(headers["waiting-room-session"], "somebody else");
    assert_eq!(headers["waiting-room-admin"], Value::Null);
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test]
async fn files_and_apps_take_no_place_by_asking_for_the_shop() {
    let edge = Edge::in_front_of(origin().await, 0, 1).await;
    for accept in ["*/*", "application/json", "image/png"] {
        let answer = edge
            .get("/style.css")
            .header("Accept", accept)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.headers().contains_key("retry-after"));
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["join"], "/.waiting-room/default/join");
    }
    let posted = edge
        .post("/orders")
        .header("Accept", "text/html")
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(edge.numbers("default").await["joined"], 0);
}

#[tokio::test]
async fn the_origin_ends_a_session() {
    let edge = Edge::in_front_of(origin().await, 600, 100).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let goodbye = edge.with_pass("/end", &pass).await;
    assert!(goodbye.headers().get("waiting-room-session").is_none());
    assert_eq!(goodbye.text().await.unwrap(), "goodbye");
    assert_eq!(
        edge.with_pass("/", &pass).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    let free = async || edge.numbers("default").await["active_sessions"] == 0;
    eventually(SOON, "the place is free", free).await;
}

#[tokio::test]
async fn a_sliding_session_outlives_its_first_pass() {
    let config = ConfigFile::new(&format!(
        r#"
        [[origin]]
        name = "shop"
        addresses = ["http://{}"]
        [[room]]
        id = "demo"
        users_per_minute = 600
        max_active = 10
        session = {{ length_seconds = 6, sliding = true, hard_cap_seconds = 60 }}
        "#,
        origin().await
    ));
    let edge = Edge::with_config(&config).await;
    let (ticket, _) = edge.join("demo").await;
    let first = edge.claim("demo", &ticket).await;
    let mut pass = first.clone();
    let prolonged = async || {
        let answer = edge.with_pass("/", &pass).await;
        assert_eq!(answer.status(), StatusCode::OK, "never thrown out while shopping");
        if let Some(newer) = answer.headers().get("waiting-room-pass") {
            pass = newer.to_str().unwrap().to_owned();
        }
        edge.with_pass("/", &first).await.status() == StatusCode::TOO_MANY_REQUESTS && pass != first
    };
    eventually(SOON, "the first pass expires and the session goes on", prolonged).await;
}

#[tokio::test]
async fn a_room_guards_its_path_and_nothing_else() {
    let config = ConfigFile::new(&format!(
        r#"
        [[origin]]
        name = "shop"
        addresses = ["http://{}"]
        [[room]]
        id = "drop"
        path = "/drop"
        users_per_minute = 0
        max_active = 10
        [[room]]
        id = "other"
        host = "other.example"
        path = "/drop"
        users_per_minute = 600
        max_active = 10
        "#,
        origin().await
    ));
    let edge = Edge::with_config(&config).await;
    for open in ["/", "/about", "/dropping"] {
        assert_eq!(
            edge.get(open).send().await.unwrap().status(),
            StatusCode::OK,
            "{open}"
        );
    }
    for guarded in ["/drop", "/drop/", "/drop/cart", "//drop", "/%64rop"] {
        let answer = raw(
            &edge,
            format!("GET {guarded} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 429"), "{guarded}");
    }
    for ambiguous in ["/x/../drop", "/x/%2e%2e/drop", "/x%2f..%2fdrop", "/./drop"] {
        let answer = raw(
            &edge,
            format!("GET {ambiguous} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{ambiguous}");
    }
    let elsewhere = edge
        .get("/drop")
        .header("Host", "other.example:80")
        .header("Accept", "text/html");
    let echo: Value = elsewhere.send().await.unwrap().json().await.unwrap();
    assert_eq!(echo["headers"]["waiting-room-room"], "other");
}

/// Sends bytes that an HTTP client would tidy up, and answers all that comes back.
async fn raw(edge: &Edge, request: String) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn before_and_after_a_drop_nobody_gets_a_place() {
    let room = |id: &str, open: &str, close: &str| {
        format!(
            "[[room]]\nid = {id:?}\npath = \"/{id}\"\nusers_per_minute = 60\nmax_active = 5\n\
             [[room.drop]]\nprequeue_opens = {open}\ndoors_open = {open}\ndoors_close = {close}\n"
        )
    };
    let early = room("early", "2100-01-01T10:00:00Z", "2100-01-01T11:00:00Z");
    let over = room("over", "2020-01-01T10:00:00Z", "2020-01-01T11:00:00Z");
    let pre = early
        .replace("early", "pre")
        .replace("prequeue_opens = 2100", "prequeue_opens = 2020");
    let origin = origin().await;
    let config =
        format!("[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n{early}{over}{pre}");
    let edge = Edge::with_config(&ConfigFile::new(&config)).await;

    assert!(
        edge.visit("/early")
            .await
            .text()
            .await
            .unwrap()
            .contains("2100-01-01T10:00:00Z")
    );
    assert!(
        edge.visit("/over")
            .await
            .text()
            .await
            .unwrap()
            .contains("This drop is over")
    );
    for shut in ["early", "over"] {
        let join = edge
            .post(&format!("/.waiting-room/{shut}/join"))
            .send()
            .await
            .unwrap();
        assert_eq!(join.status(), StatusCode::CONFLICT);
    }
    let (_, place) = edge.join("pre").await;
    assert_eq!(
        (&place["state"], &place["phase"]),
        (&"to_be_drawn".into(), &"prequeue".into())
    );
    assert!(
        place["wait_seconds"].is_null(),
        "nobody can know before the doors open"
    );
}

#[tokio::test]
async fn the_public_snapshot_may_be_cached_by_anybody() {
    let edge = Edge::in_front_of(origin().await, 60, 5).await;
    edge.join("default").await;
    let answer = edge.get("/.waiting-room/default").send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=1");
    assert!(answer.headers().get(SET_COOKIE).is_none());
    let snapshot: Value = answer.json().await.unwrap();
    assert_eq!(snapshot["users_per_minute"], 60);
}

#[tokio::test]
async fn without_a_token_there_is_no_operator_api() {
    let address = testbed::free_address();
    let admin = testbed::free_address();
    let origin = format!("http://{}", origin().await);
    let program = crate::harness::program().args(["--origin", &origin]);
    let program = program
        .env("WAITING_ROOM_LISTEN", address)
        .env("WAITING_ROOM_ADMIN_LISTEN", admin);
    let _process = program.ready_at(address, "/.well-known/jwks.json").start().await;
    assert!(
        client()
            .get(format!("http://{admin}/livez"))
            .send()
            .await
            .unwrap_err()
            .is_connect()
    );
}
