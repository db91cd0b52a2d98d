//! Who may ask for what: access tokens, roles, what origins are told, and tokens that were taken back.

use crate::{
    harness::{ConfigFile, Edge, SOON, client, origin, program},
    issuer::{ISSUER, Issuer},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use testbed::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// Long enough for every token of these tests.
const UNTIL: u64 = 4_102_444_800;

fn members(issuer: &Issuer, more: &str) -> String {
    format!(
        "[[issuer]]\nname = \"members\"\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n{more}\n",
        issuer.jwks_url()
    )
}

fn config(origin: SocketAddr, text: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n{text}\n"
    ))
}

async fn edge(text: &str) -> (Edge, ConfigFile) {
    let config = config(origin().await, text);
    (Edge::with_config(&config).await, config)
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

// --- who may ask

#[tokio::test]
async fn what_is_for_members_wants_a_token() {
    let issuer = Issuer::start().await;
    let (edge, _config) = edge(&(members(&issuer, "") + "[[access]]\npath = \"/account\"\n")).await;
    for path in ["/account", "/account/orders?x=1", "//account", "/%61ccount/"] {
        let refused = edge.get(path).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer", "{path}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "urn:problem:sign-in-needed", "{path}");
    }
    let forged = Issuer::start().await.token("ann");
    let over = issuer.token_with("ann", &json!({"exp": 1}));
    for bad in [forged.as_str(), &over, "x", ""] {
        let refused = edge
            .get("/account")
            .header("Authorization", format!("Bearer {bad}"));
        let refused = refused.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{bad}");
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            bad.is_empty() || challenge == "Bearer error=\"invalid_token\"",
            "{bad}: {challenge}"
        );
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
    }
    let twice = edge
        .get("/account")
        .bearer_auth(issuer.token("ann"))
        .header("Authorization", "Bearer x");
    let twice = twice.send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        twice.headers()["www-authenticate"],
        "Bearer error=\"invalid_request\""
    );

    let (status, echo) = answer(edge.get("/account").bearer_auth(issuer.token("ann"))).await;
    assert_eq!(status, StatusCode::OK, "{echo}");
    let headers = &echo["headers"];
    assert_eq!(headers["waiting-room-account"], "ann", "{echo}");
    assert_eq!(headers["waiting-room-issuer"], "members", "{echo}");
    assert_eq!(headers.get("waiting-room-roles"), None, "{echo}");

    let (status, echo) = answer(edge.get("/accounts").bearer_auth(issuer.token("ann"))).await;
    assert_eq!(status, StatusCode::OK, "what no rule covers is open");
    assert_eq!(echo["headers"].get("waiting-room-account"), None, "{echo}");
}

#[tokio::test]
async fn a_role_opens_what_is_for_it() {
    let issuer = Issuer::start().await;
    let rules = "[[access]]\npath = \"/admin\"\nroles = [\"admin\", \"owner\"]\n\
                 [[access]]\npath = \"/admin/help\"\nrequire = \"optional\"\n\
                 [[access]]\npath = \"/admin\"\nmethods = [\"DELETE\"]\nroles = [\"owner\"]\n";
    let (edge, _config) = edge(&(members(&issuer, "") + rules)).await;
    let admin = issuer.token_with("ann", &json!({"roles": ["editor", "admin"]}));
    let editor = issuer.token_with("bob", &json!({"roles": ["editor"]}));
    for (method, path, token, expected) in [
        (Method::GET, "/admin", &admin, 200),
        (Method::GET, "/admin", &editor, 403),
        (Method::DELETE, "/admin/x", &admin, 403),
        (Method::HEAD, "/admin", &editor, 403),
        (Method::GET, "/admin/help", &editor, 200),
    ] {
        let request = client()
            .request(method.clone(), edge.url(path))
            .bearer_auth(token);
        let answered = request.send().await.unwrap();
        assert_eq!(answered.status().as_u16(), expected, "{method} {path}");
        if expected == 403 {
            assert_eq!(
                answered.headers()["www-authenticate"],
                "Bearer error=\"insufficient_scope\""
            );
        }
    }
    let (_, echo) = answer(edge.get("/admin").bearer_auth(&admin)).await;
    assert_eq!(echo["headers"]["waiting-room-roles"], "editor,admin", "{echo}");
}

#[tokio::test]
async fn where_a_token_is_optional_nobody_is_somebody_too() {
    let issuer = Issuer::start().await;
    let by_header = members(&issuer, "") + "[[access]]\nrequire = \"optional\"\n";
    let by_cookie = members(&issuer, "token = \"session\"") + "[[access]]\nrequire = \"optional\"\n";
    let (by_header, _config) = edge(&by_header).await;
    let (by_cookie, _config2) = edge(&by_cookie).await;
    let (ann, over) = (issuer.token("ann"), issuer.token_with("ann", &json!({"exp": 1})));
    let cookie = |token: &str| by_cookie.get("/").header("Cookie", format!("session={token}"));
    for (request, expected) in [
        (by_header.get("/"), Ok(None)),
        (by_header.get("/").bearer_auth(&ann), Ok(Some("ann"))),
        (by_header.get("/").bearer_auth(&over), Err(401)),
        (by_header.get("/").basic_auth("ann", Some("x")), Ok(None)),
        (by_cookie.get("/"), Ok(None)),
        (cookie(&ann), Ok(Some("ann"))),
        (cookie(&over), Ok(None)),
    ] {
        let (status, echo) = answer(request).await;
        let account = echo["headers"]
            .get("waiting-room-account")
            .and_then(Value::as_str);
        let told = if status == 200 {
            Ok(account)
        } else {
            Err(status.as_u16())
        };
        assert_eq!(told, expected, "{echo}");
    }
}

#[tokio::test]
async fn a_browser_that_is_not_signed_in_is_sent_to_where_it_can() {
    let issuer = Issuer::start().await;
    let rules = members(&issuer, "token = \"session\"\nsign_in_url = \"/sign-in\"")
        + "[[access]]\npath = \"/account\"\n";
    let (edge, _config) = edge(&rules).await;
    for cookie in ["a=b", "session=worthless"] {
        let sent = edge
            .get("/account/orders?page=2")
            .header("Accept", "text/html")
            .header("Cookie", cookie);
        let sent = sent.send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{cookie}");
        assert_eq!(
            sent.headers()["location"],
            "/sign-in?return=%2Faccount%2Forders%3Fpage%3D2"
        );
    }
    let posted = edge
        .post("/account")
        .header("Accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(
        posted.status(),
        StatusCode::UNAUTHORIZED,
        "a form is not sent again by a redirect"
    );
    let app = edge.get("/account").send().await.unwrap();
    assert_eq!(app.status(), StatusCode::UNAUTHORIZED);
    let in_ = edge.get("/account").header("Accept", "text/html");
    let in_ = in_.header("Cookie", format!("session={}", issuer.token("ann")));
    assert_eq!(answer(in_).await.1["headers"]["waiting-room-account"], "ann");
}

/// A token does not open the gate, and a pass does not open what is for members.
#[tokio::test]
async fn a_rule_holds_behind_a_gate_and_beside_it() {
    let issuer = Issuer::start().await;
    let rules = members(&issuer, "")
        + "[[access]]\npath = \"/account\"\n[[room]]\nid = \"demo\"\nusers_per_minute = 6000\nmax_active = 100\n\
           [[room.bypass]]\nname = \"open\"\npath = \"/account/open\"\n\
           [room.identity]\nissuer = \"members\"\n";
    let (edge, _config) = edge(&rules).await;
    let ann = issuer.token("ann");
    let (status, _) = answer(edge.get("/account").bearer_auth(&ann)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "line up first");
    let (status, _) = answer(edge.get("/account/open")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a bypass is no account");
    let (status, place) = answer(edge.post("/.waiting-room/demo/join").bearer_auth(&ann)).await;
    assert_eq!(
        status,
        StatusCode::CREATED,
        "the room knows the issuer by its name: {place}"
    );
    let pass = edge.claim("demo", place["ticket"].as_str().unwrap()).await;
    assert_eq!(
        edge.with_pass("/account", &pass).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(edge.with_pass("/", &pass).await.status(), StatusCode::OK);
    let both = edge
        .get("/account")
        .header("Waiting-Room-Pass", &pass)
        .bearer_auth(&ann);
    let (status, echo) = answer(both).await;
    assert_eq!(status, StatusCode::OK, "{echo}");
    assert_eq!(echo["headers"]["waiting-room-account"], "ann");
    assert_eq!(echo["headers"]["waiting-room-room"], "demo");
    let (status, echo) = answer(edge.get("/account/open").bearer_auth(&ann)).await;
    assert_eq!(
        (status, &echo["headers"]["waiting-room-account"]),
        (StatusCode::OK, &json!("ann"))
    );
}

#[tokio::test]
async fn a_host_is_the_same_host_in_every_spelling() {
    let issuer = Issuer::start().await;
    let rules = members(&issuer, "") + "[[access]]\nhost = \"members.example\"\n";
    let (edge, _config) = edge(&rules).await;
    for (host, expected) in [
        ("members.example", 401),
        ("MEMBERS.example:8080", 401),
        ("members.example.", 401),
        ("members.example.:80", 401),
        ("shop.example", 200),
    ] {
        let (status, _) = answer(edge.get("/").header("Host", host)).await;
        assert_eq!(status.as_u16(), expected, "{host}");
    }
}

// --- what origins are told

/// Sends a request as it stands and answers everything that comes back.
async fn raw(edge: &Edge, request: &str) -> String {
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await;
    read.expect("the edge ends the connection").unwrap();
    answer
}

/// On every way to an origin: without a room, past one, through one.
#[tokio::test]
async fn nobody_can_speak_in_the_name_of_the_edge() {
    let issuer = Issuer::start().await;
    let rules = members(&issuer, "")
        + "[[access]]\npath = \"/account\"\n[[room]]\nid = \"demo\"\npath = \"/shop\"\nusers_per_minute = 6000\n\
           max_active = 100\n[[room.bypass]]\nname = \"open\"\npath = \"/shop/open\"\n";
    let (edge, _config) = edge(&rules).await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    for path in ["/", "/account", "/shop/open", "/shop"] {
        for name in [
            "waiting-room-account",
            "Waiting_Room_Account",
            "waiting_room-roles",
            "WAITING.ROOM.ROLES",
            "waiting-room-session",
            "waiting_room_edge_secret",
            "waiting~room~anything",
        ] {
            let request = edge
                .get(path)
                .header(name, "mallory")
                .bearer_auth(issuer.token("ann"));
            let request = request.header("Cookie", format!("waiting-room-pass-demo={pass}"));
            let (status, echo) = answer(request).await;
            assert_eq!(status, StatusCode::OK, "{path} {name} {echo}");
            assert!(
                !echo["headers"].to_string().contains("mallory"),
                "{path} {name}: {echo}"
            );
        }
    }
}

/// What `Connection` names goes no further than the edge. That must not be what the edge itself says.
#[tokio::test]
async fn a_visitor_cannot_have_the_edges_word_dropped() {
    let issuer = Issuer::start().await;
    let (edge, _config) = edge(&(members(&issuer, "") + "[[access]]\n")).await;
    let token = issuer.token_with("ann", &json!({"roles": ["admin"]}));
    for connection in [
        "close, Waiting-Room-Account, waiting-room-roles, waiting-room-issuer",
        "close, waiting_room_account",
        "close, Authorization",
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: shop\r\nConnection: {connection}\r\nWaiting-Room-Account: mallory\r\n\
             waiting_room_account: mallory\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let answer = raw(&edge, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{connection}: {answer}");
        for told in [
            "\"waiting-room-account\":\"ann\"",
            "\"waiting-room-roles\":\"admin\"",
        ] {
            assert!(answer.contains(told), "{connection}: {answer}");
        }
        assert!(!answer.contains("mallory"), "{connection}: {answer}");
    }
    let upgrade = format!(
        "GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade, Waiting-Room-Account, close\r\nUpgrade: websocket\r\n\
         Waiting-Room-Account: mallory\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let answer = raw(&edge, &upgrade).await;
    assert!(
        answer.contains("\"waiting-room-account\":\"ann\"") && !answer.contains("mallory"),
        "{answer}"
    );
}

/// An origin that keeps what it is sent, byte for byte.
async fn recording_origin() -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let (mut request, mut part) = (String::new(), [0; 4_096]);
                let ends = |request: &str| {
                    let chunked = request
                        .to_ascii_lowercase()
                        .contains("transfer-encoding: chunked");
                    request.ends_with("\r\n\r\n") && (!chunked || request.contains("\r\n0\r\n"))
                };
                while !ends(&request) {
                    let Ok(count @ 1..) = stream.read(&mut part).await else {
                        return;
                    };
                    request.push_str(&String::from_utf8_lossy(&part[..count]));
                }
                kept.lock().unwrap().push_str(&request);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn nothing_comes_through_in_trailers() {
    let issuer = Issuer::start().await;
    let (origin, seen) = recording_origin().await;
    let config = config(origin, &(members(&issuer, "") + "[[access]]\n"));
    let edge = Edge::with_config(&config).await;
    let request = format!(
        "POST /order HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nTE: trailers\r\nTrailer: Waiting-Room-Account\r\n\
         Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\nWaiting-Room-Account: mallory\r\nwaiting_room_roles: mallory\r\n\r\n",
        issuer.token("ann")
    );
    let answer = raw(&edge, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = seen.lock().unwrap().clone();
    let head = seen.to_ascii_lowercase();
    assert!(head.contains("post /order") && seen.contains("hello"), "{seen}");
    assert!(head.contains("waiting-room-account: ann"), "{seen}");
    assert!(!seen.contains("mallory"), "{seen}");
}

#[tokio::test]
async fn an_origin_can_tell_the_edge_from_others() {
    let config = config(origin().await, "");
    let program = program()
        .arg("--config")
        .arg(config.path())
        .env("WAITING_ROOM_ORIGIN_SECRET", "between-us");
    let edge = Edge::start(program).await;
    let request = edge.get("/").header("Waiting-Room-Edge-Secret", "guessed");
    let (_, echo) = answer(request).await;
    assert_eq!(
        echo["headers"]["waiting-room-edge-secret"], "between-us",
        "{echo}"
    );
    assert!(!edge.process.output().contains("between-us"));
}

// --- tokens that were taken back

#[tokio::test]
async fn a_revoked_token_is_refused_within_a_second() {
    let issuer = Issuer::start().await;
    let revocations = format!("revocations_url = \"{}\"", issuer.revocations_url());
    let (edge, _config) = edge(&(members(&issuer, &revocations) + "[[access]]\n")).await;
    let token = |subject: &str, more: Value| issuer.token_with(subject, &more);
    let ann_1 = token("ann", json!({"jti": "a1", "sid": "s1", "iat": 1_000}));
    let ann_2 = token("ann", json!({"jti": "a2", "sid": "s1", "iat": 2_000}));
    let ann_3 = token("ann", json!({"jti": "a3", "sid": "s2", "iat": 3_000}));
    let bob = token("bob", json!({"jti": "b1", "sid": "s3", "iat": 1_000}));
    let ask = async |token: &String| {
        edge.get("/")
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    eventually(SOON, "the edge knows what is revoked", async || {
        ask(&bob).await == 200
    })
    .await;

    for (revoked, expected) in [
        (json!({"jti": "a1", "until": UNTIL}), [401, 200, 200, 200]),
        (json!({"sid": "s1", "until": UNTIL}), [401, 401, 200, 200]),
        (
            json!({"sub": "ann", "issued_before": 3_000, "until": UNTIL}),
            [401, 401, 200, 200],
        ),
        (
            json!({"sub": "ann", "issued_before": 3_001, "until": UNTIL}),
            [401, 401, 401, 200],
        ),
    ] {
        issuer.revoke(revoked.clone());
        let since = Instant::now();
        eventually(SOON, "the edge has heard of it", async || {
            let mut answers = Vec::new();
            for token in [&ann_1, &ann_2, &ann_3, &bob] {
                answers.push(ask(token).await);
            }
            answers == expected
        })
        .await;
        let took = since.elapsed();
        // Half a second until it is asked for; the rest is for a machine that is busy with other tests.
        assert!(took < Duration::from_secs(3), "{took:?} for {revoked}");
    }
}

#[tokio::test]
async fn while_nobody_says_what_is_revoked_who_was_seen_goes_on() {
    let issuer = Issuer::start().await;
    let rules = |silent: &str| {
        let revocations = format!(
            "revocations_url = \"{}\"\nrevocations_silent = \"{silent}\"",
            issuer.revocations_url()
        );
        members(&issuer, &revocations) + "[[access]]\n"
    };
    let (known, _config) = edge(&rules("known")).await;
    let (nobody, _config2) = edge(&rules("nobody")).await;
    let (seen, never_seen) = (issuer.token("ann"), issuer.token("bob"));
    let ask = async |edge: &Edge, token: &str| edge.get("/").bearer_auth(token).send().await.unwrap();
    for edge in [&known, &nobody] {
        eventually(SOON, "a token counts", async || {
            ask(edge, &seen).await.status() == 200
        })
        .await;
    }
    issuer.falls_silent();
    eventually(SOON, "the silence is noticed", async || {
        ask(&nobody, &seen).await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let fresh = AtomicU32::new(0);
    eventually(SOON, "a new token does not count", async || {
        let token = issuer.token_with("new", &json!({"n": fresh.fetch_add(1, Ordering::Relaxed)}));
        ask(&known, &token).await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(ask(&known, &seen).await.status(), StatusCode::OK, "seen before");
    let refused = ask(&known, &never_seen).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let metrics = known.metrics().await;
    assert!(
        metrics.contains("waiting_room_revocations_silent{issuer=\"members\"} 1"),
        "{metrics}"
    );
    assert!(
        known
            .process
            .output()
            .contains("it is not known which tokens are revoked")
    );

    // It comes back with another list, whose places mean something else.
    issuer.speaks_again(Vec::new());
    eventually(SOON, "a new token counts again", async || {
        ask(&known, &never_seen).await.status() == 200
    })
    .await;
}
