//! Who gets a place at all: accounts, proofs, invitations, bypasses, shared passes, limits.

use crate::{
    harness::{ConfigFile, Edge, client, origin, program},
    issuer::{ISSUER, Issuer},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use testbed::RedisNamespace;
use waiting_room_domain::solve_proof;

/// A ring of one key, so that what is made at the command line counts at the edge.
const KEYS: &str = "1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// An edge with one room, `demo`, that asks for `asks`.
async fn edge(edge_settings: &str, asks: &str) -> (Edge, ConfigFile) {
    edge_on(None, edge_settings, asks).await
}

/// The same, whose line is kept in Redis.
pub async fn edge_on(redis: Option<&RedisNamespace>, edge_settings: &str, asks: &str) -> (Edge, ConfigFile) {
    let config = ConfigFile::new(&format!(
        "[edge]\n{edge_settings}\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 6000\nmax_active = 100\n{asks}\n",
        origin().await
    ));
    let program = program()
        .arg("--config")
        .arg(config.path())
        .env("WAITING_ROOM_KEYS", KEYS);
    let program = match redis {
        Some(redis) => program
            .env("WAITING_ROOM_REDIS_URL", redis.url())
            .env("WAITING_ROOM_NAMESPACE", redis.prefix()),
        None => program,
    };
    (Edge::start(program).await, config)
}

/// What the program prints when it is asked to make something.
fn issue(config: &ConfigFile, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waiting-room"))
        .args(arguments)
        .arg("--config")
        .arg(config.path())
        .env("WAITING_ROOM_KEYS", KEYS)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

fn join(edge: &Edge) -> RequestBuilder {
    edge.post("/.waiting-room/demo/join")
}

fn location(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

// --- accounts

#[tokio::test]
async fn an_account_has_one_place() {
    let issuer = Issuer::start().await;
    let (edge, _config) = edge(
        "",
        &format!(
            "[room.identity]\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\nsign_in_url = \"https://id.example/sign-in\"\n",
            issuer.jwks_url()
        ),
    )
    .await;
    let (status, problem) = answer(join(&edge)).await;
    assert_eq!(
        (status.as_u16(), &problem["type"]),
        (401, &json!("urn:problem:sign-in-needed"))
    );
    let forged = Issuer::start().await.token("ann");
    let (status, _) = answer(join(&edge).bearer_auth(forged)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let (status, first) = answer(join(&edge).bearer_auth(issuer.token("ann"))).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let (status, again) = answer(join(&edge).bearer_auth(issuer.token("ann"))).await;
    assert!(status.is_success(), "{again}");
    assert_eq!(
        (&again["number"], &again["ticket"]),
        (&first["number"], &first["ticket"])
    );
    let (_, other) = answer(join(&edge).bearer_auth(issuer.token("bob"))).await;
    assert_ne!(other["number"], first["number"]);
}

/// A holder who missed the turn is no worse off than anybody else: there is another place, and still only one.
#[tokio::test]
async fn an_account_that_left_gets_another_place() {
    let issuer = Issuer::start().await;
    let identity = format!(
        "[room.identity]\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n",
        issuer.jwks_url()
    );
    let (edge, _config) = edge("", &identity).await;
    let ask = || join(&edge).bearer_auth(issuer.token("ann"));
    let (_, first) = answer(ask()).await;
    let ticket = first["ticket"].as_str().unwrap();
    edge.claim("demo", ticket).await;
    let leave = edge
        .post("/.waiting-room/demo/leave")
        .header("Waiting-Room-Ticket", ticket);
    assert_eq!(answer(leave).await.0, StatusCode::NO_CONTENT);
    let (status, second) = answer(ask()).await;
    assert_eq!(status, StatusCode::CREATED, "{second}");
    assert_ne!(second["number"], first["number"]);
    let (_, again) = answer(ask()).await;
    assert_eq!(again["number"], second["number"]);
}

#[tokio::test]
async fn two_edges_know_the_same_account_and_the_same_proof() {
    let (issuer, redis) = (Issuer::start().await, RedisNamespace::fresh());
    let asks = format!(
        "[room.identity]\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n[room.proof]\nmin_number = 500\nmax_number = 1000\n",
        issuer.jwks_url()
    );
    let (one, _config) = edge_on(Some(&redis), "", &asks).await;
    let (two, _config) = edge_on(Some(&redis), "", &asks).await;
    let ask = |edge: &Edge, account: &str, proof: &str| {
        join(edge)
            .bearer_auth(issuer.token(account))
            .header("Waiting-Room-Proof", proof)
    };
    let solved = proof(&one).await;
    let (status, first) = answer(ask(&one, "ann", &solved)).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let (status, _) = answer(ask(&two, "bob", &solved)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "solved once, taken once");
    let (status, again) = answer(ask(&two, "ann", &proof(&two).await)).await;
    assert_eq!(status, StatusCode::OK, "{again}");
    assert_eq!(again["ticket"], first["ticket"]);
}

#[tokio::test]
async fn an_invitation_opens_its_lane_to_one_account() {
    let issuer = Issuer::start().await;
    let (edge, config) = edge(
        "",
        &format!(
            "[room.identity]\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n{LANES}",
            issuer.jwks_url()
        ),
    )
    .await;
    let (_, printed) = issue(&config, &["invite", "--room", "demo", "--lane", "members"]);
    let ask = |account: &str| {
        join(&edge)
            .bearer_auth(issuer.token(account))
            .header("Waiting-Room-Invitation", printed.trim())
    };
    let (status, place) = answer(ask("ann")).await;
    assert_eq!((status.as_u16(), &place["lane"]), (201, &json!("members")));
    assert_eq!(answer(ask("ann")).await.1["ticket"], place["ticket"]);
    assert_eq!(answer(ask("bob")).await.0, StatusCode::FORBIDDEN);
    let without = join(&edge).bearer_auth(issuer.token("ann"));
    assert_eq!(answer(without).await.1["ticket"], place["ticket"], "one place");
}

#[tokio::test]
async fn a_browser_is_sent_to_sign_in_and_back() {
    let issuer = Issuer::start().await;
    let identity = format!(
        "[room.identity]\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\ntoken = \"session\"\n",
        issuer.jwks_url()
    );
    let with_address = format!("{identity}sign_in_url = \"https://id.example/sign-in\"\n");
    let (edge_that_sends, _config) = edge("", &with_address).await;
    let sent = edge_that_sends.visit("/shop?item=1").await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        location(&sent),
        "https://id.example/sign-in?return=%2Fshop%3Fitem%3D1"
    );

    let (edge_that_says, _config) = edge("", &identity).await;
    let page = edge_that_says.visit("/").await;
    assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
    assert!(page.text().await.unwrap().contains("Sign in"));
    let cookie = format!("session={}", issuer.token("ann"));
    let page = edge_that_says
        .get("/")
        .header("Accept", "text/html")
        .header("Cookie", cookie);
    let page = page.send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().contains_key("set-cookie"));
}

// --- proofs

/// As a browser solves it.
fn solve(challenge: &Value) -> String {
    let text = |name: &str| challenge[name].as_str().unwrap();
    let max_number = challenge["maxnumber"].as_u64().unwrap().try_into().unwrap();
    let number = solve_proof(text("challenge"), text("salt"), max_number);
    let solution = json!({
        "algorithm": text("algorithm"), "challenge": text("challenge"), "number": number, "salt": text("salt"),
        "signature": text("signature"),
    });
    STANDARD.encode(solution.to_string())
}

pub async fn proof(edge: &Edge) -> String {
    let (status, challenge) = answer(edge.get("/.waiting-room/demo/challenge")).await;
    assert_eq!(
        (status.as_u16(), &challenge["algorithm"]),
        (200, &json!("SHA-256"))
    );
    solve(&challenge)
}

#[tokio::test]
async fn a_place_costs_a_proof_and_a_proof_is_worth_one_place() {
    let (edge, _config) = edge("", "[room.proof]\nmin_number = 500\nmax_number = 1000\n").await;
    let (status, problem) = answer(join(&edge)).await;
    assert_eq!(
        (status.as_u16(), &problem["type"]),
        (403, &json!("urn:problem:proof-needed"))
    );
    assert_eq!(problem["challenge"], "/.waiting-room/demo/challenge");
    let proof = proof(&edge).await;
    let bring = || join(&edge).header("Waiting-Room-Proof", &proof);
    assert_eq!(answer(bring()).await.0, StatusCode::CREATED);
    let (status, problem) = answer(bring()).await;
    assert_eq!(
        (status.as_u16(), &problem["type"]),
        (403, &json!("urn:problem:proof-refused"))
    );
    let (status, _) = answer(join(&edge).header("Waiting-Room-Proof", "e30=")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_proves_by_its_form() {
    let (edge, _config) = edge("", "[room.proof]\nmin_number = 500\nmax_number = 1000\n").await;
    let page = edge.visit("/").await;
    assert!(
        !page.headers().contains_key("set-cookie"),
        "no place is given yet"
    );
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<altcha-widget") && page.contains("<noscript>"),
        "{page}"
    );
    for asset in ["altcha.js", "altcha.css", "altcha-worker.js", "proof.js"] {
        assert!(page.contains(asset) || asset == "altcha-worker.js", "{asset}");
        let file = edge
            .get(&format!("/.waiting-room/assets/{asset}"))
            .send()
            .await
            .unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{asset}");
    }
    let form = join(&edge)
        .header("Accept", "text/html")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair("altcha", &proof(&edge).await)
                .finish(),
        );
    let answered = form.send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::SEE_OTHER);
    assert!(answered.headers().contains_key("set-cookie"));
    let wrong = join(&edge)
        .header("Accept", "text/html")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("altcha=e30%3D");
    let page = wrong.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("did not count") && page.contains("data-again"),
        "{page}"
    );
    let long = join(&edge)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("x".repeat(20_000));
    assert_eq!(answer(long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

// --- invitations

const LANES: &str = "[[room.lane]]\nname = \"all\"\n[[room.lane]]\nname = \"members\"\ninvited_only = true\n";
const MEMBERS: &str = "[[room.lane]]\nname = \"members\"\ninvited_only = true\n";

#[tokio::test]
async fn an_invitation_is_worth_one_place() {
    let (edge, config) = edge("", MEMBERS).await;
    let (code, printed) = issue(
        &config,
        &["invite", "--room", "demo", "--lane", "members", "--count", "2"],
    );
    assert_eq!(code, Some(0), "{printed}");
    let [first, second] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {printed}")
    };

    let (status, problem) = answer(join(&edge)).await;
    assert_eq!(
        (status.as_u16(), &problem["type"]),
        (403, &json!("urn:problem:not-invited"))
    );
    let invited = |token: &str| join(&edge).header("Waiting-Room-Invitation", token);
    let (status, place) = answer(invited(first)).await;
    assert_eq!(status, StatusCode::CREATED, "{place}");
    let (_, again) = answer(invited(first)).await;
    assert_eq!(again["ticket"], place["ticket"]);
    let (_, other) = answer(invited(second)).await;
    assert_ne!(other["number"], place["number"]);
    let other_end = if first.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{other_end}", &first[..first.len() - 1]);
    assert_eq!(answer(invited(&forged)).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_invitation_travels_in_the_address_of_a_page() {
    let (edge, config) = edge("", MEMBERS).await;
    let (_, printed) = issue(&config, &["invite", "--room", "demo", "--lane", "members"]);
    let page = edge.visit("/").await;
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert!(page.text().await.unwrap().contains("invitation"));
    let page = edge.visit(&format!("/?invitation={}", printed.trim())).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn an_open_lane_needs_no_invitation_and_a_bad_one_is_told() {
    let (edge, config) = edge("", LANES).await;
    assert_eq!(answer(join(&edge)).await.0, StatusCode::CREATED);
    let bad = join(&edge).header("Waiting-Room-Invitation", "x");
    assert_eq!(answer(bad).await.0, StatusCode::FORBIDDEN);
    let (code, printed) = issue(&config, &["invite", "--room", "demo", "--lane", "staff"]);
    assert_eq!(code, Some(64), "{printed}");
    assert!(printed.contains("no lane \"staff\""), "{printed}");
}

// --- bypasses

#[tokio::test]
async fn a_bypass_goes_past_the_line() {
    let rules = "[[room.bypass]]\nname = \"health\"\npath = \"/health\"\nmethods = [\"GET\"]\naddresses = [\"127.0.0.0/8\"]\n\
                 [[room.bypass]]\nname = \"partner\"\npath = \"/api\"\nsigned = true\n";
    let (edge, config) = edge("", rules).await;
    let (code, token) = issue(&config, &["bypass-token", "--room", "demo", "--rule", "partner"]);
    assert_eq!(code, Some(0), "{token}");
    let token = token.trim();
    for (path, header, expected) in [
        ("/health", "", 200),
        ("//health/deep", "", 200),
        ("/healthy", "", 429),
        ("/", token, 429),
        ("/api/orders", token, 200),
        ("/api/orders", "", 429),
        ("/api/orders", &token[1..], 429),
    ] {
        let request = edge.get(path).header("Waiting-Room-Bypass", header);
        let (status, body) = answer(request).await;
        assert_eq!(status.as_u16(), expected, "{path} {header}: {body}");
        if expected == 200 {
            let headers = &body["headers"];
            assert!(headers.get("waiting-room-bypass").is_none(), "{headers}");
        }
    }
    let posted = edge.post("/health").send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::TOO_MANY_REQUESTS);
    let metrics = edge.metrics().await;
    for line in [
        "waiting_room_bypassed_total{room=\"demo\",rule=\"health\"} 2",
        "waiting_room_bypassed_total{room=\"demo\",rule=\"partner\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let (code, printed) = issue(&config, &["bypass-token", "--room", "demo", "--rule", "health"]);
    assert_eq!(code, Some(64), "{printed}");
}

// --- shared passes

#[tokio::test]
async fn a_pass_that_is_passed_on_works_for_few() {
    let (edge, _config) = edge("", "[room.session]\nclients_max = 2\n").await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    for (agent, expected) in [("one", 200), ("three", 429), ("one", 200), ("four", 429)] {
        let request = edge
            .get("/")
            .header("Waiting-Room-Pass", &pass)
            .header("User-Agent", agent);
        assert_eq!(answer(request).await.0.as_u16(), expected, "{agent}");
    }
    // The ticket that became the pass is as good as it, and opens no more.
    for (agent, expected) in [("one", 200), ("five", 401)] {
        let claim = edge
            .post("/.waiting-room/demo/claim")
            .header("Waiting-Room-Ticket", &ticket)
            .header("User-Agent", agent);
        assert_eq!(answer(claim).await.0.as_u16(), expected, "{agent}");
    }
    let page = edge
        .get("/")
        .header("Accept", "text/html")
        .header("User-Agent", "six")
        .header("Waiting-Room-Pass", &pass)
        .header("Cookie", format!("waiting-room-ticket-demo={ticket}"));
    let page = page.send().await.unwrap();
    let cookies = page.headers().get_all("set-cookie");
    let given = cookies.iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("waiting-room-ticket-demo=") && !cookie.contains(&ticket)
    });
    assert!(given, "a place of their own");
    let output = edge.process.output();
    let told = output.matches("a pass is used by more clients").count();
    assert_eq!(told, 1, "{output}");
    assert!(!output.contains("three"), "no client is named: {output}");
}

// --- limits

#[tokio::test]
async fn one_address_gets_so_many_places_a_minute() {
    let limits = "[room.limits]\njoins_per_minute_per_address = 2\n";
    let (edge_alone, _config) = edge("", limits).await;
    let from = |edge: &Edge, address: &str| join(edge).header("X-Forwarded-For", address);
    for expected in [201, 201, 429, 429] {
        let (status, problem) = answer(from(&edge_alone, &format!("192.0.2.{expected}"))).await;
        assert_eq!(status.as_u16(), expected, "{problem}");
    }
    let refused = join(&edge_alone).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let pause: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=30).contains(&pause), "{pause}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["violated-policies"], json!(["joins"]));

    let (edge_behind, _config) = edge("trusted_proxies = [\"127.0.0.1\"]\n", limits).await;
    for (address, expected) in [
        ("192.0.2.1", 201),
        ("192.0.2.1", 201),
        ("192.0.2.1", 429),
        ("192.0.2.2", 201),
        ("192.0.2.2, 192.0.2.1", 429),
    ] {
        assert_eq!(
            answer(from(&edge_behind, address)).await.0.as_u16(),
            expected,
            "{address}"
        );
    }
}

#[tokio::test]
async fn who_polls_far_too_often_is_told_when_to_come() {
    let (edge, _config) = edge(
        "",
        "[room.limits]\npolls_per_pause = 4\n[[room.drop]]\nprequeue_opens = 2020-01-01T00:00:00Z\n\
         doors_open = 2100-01-01T00:00:00Z\ndoors_close = 2100-01-02T00:00:00Z\n",
    )
    .await;
    let (ticket, _) = edge.join("demo").await;
    let poll = || {
        edge.get("/.waiting-room/demo/status")
            .header("Waiting-Room-Ticket", &ticket)
    };
    for _ in 0..4 {
        assert_eq!(answer(poll()).await.0, StatusCode::OK);
    }
    let refused = poll().send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
}

/// What the origin is told about the visitor is what the edge believes.
#[tokio::test]
async fn the_origin_learns_the_visitors_address() {
    for (settings, expected) in [
        ("", "127.0.0.1"),
        ("trusted_proxies = [\"127.0.0.1\"]", "192.0.2.7, 127.0.0.1"),
    ] {
        let (edge, _config) = edge(settings, "").await;
        let (ticket, _) = edge.join("demo").await;
        let pass = edge.claim("demo", &ticket).await;
        let request = client()
            .get(edge.url("/"))
            .header("Waiting-Room-Pass", &pass)
            .header("X-Forwarded-For", "192.0.2.7");
        let (_, echo) = answer(request).await;
        assert_eq!(echo["headers"]["x-forwarded-for"], expected, "{echo}");
    }
}
