//! Answers that the edge keeps: for whom, for how long, and how seldom the origin is asked.

use crate::{
    fake_origin::{Answer, FakeOrigin},
    harness::{ConfigFile, Edge, SOON, client},
    live_config::change,
};
use http::HeaderMap;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, ETAG, SET_COOKIE},
};
use serde_json::Value;
use testbed::{Wire, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An edge before `origin` with these further lines in its config.
async fn edge(origin: &FakeOrigin, lines: &str) -> Edge {
    let config = ConfigFile::new(&format!(
        "{lines}\n[[origin]]\nname = \"shop\"\naddresses = [\"http://{}\"]\nhealth_path = \"/health\"\n",
        origin.address
    ));
    Edge::with_config(&config).await
}

/// A rule for `/p`; the config begins with the tables of others.
fn rule(lines: &str) -> String {
    format!("[[cache]]\npath = \"/p\"\n{lines}\n")
}

const MINUTE: &str = "ttl_ms = 60000";

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it came from.
    fn source(&self) -> &str {
        self.header("cache-status")
    }

    fn is_hit(&self) -> bool {
        self.source().starts_with("waiting-room; hit; ttl=")
    }
}

async fn read(answer: Response) -> Answered {
    Answered {
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.text().await.unwrap(),
    }
}

async fn send(request: RequestBuilder) -> Answered {
    read(request.send().await.unwrap()).await
}

async fn get(edge: &Edge, path: &str) -> Answered {
    send(edge.get(path)).await
}

async fn metric(edge: &Edge, name: &str) -> f64 {
    edge.metric(name).await.unwrap_or(0.0)
}

#[tokio::test]
async fn nothing_is_kept_without_a_rule() {
    let origin = FakeOrigin::start().await;
    origin.answers("/p/1", Answer::with(&[("cache-control", "public, max-age=60")]));
    let edge = edge(&origin, "").await;
    for count in 1..=2 {
        let answer = get(&edge, "/p/1").await;
        assert_eq!(
            (answer.body, answer.headers.get("cache-status")),
            (format!("/p/1 #{count}"), None)
        );
    }
    let edge = self::edge(&origin, &rule(MINUTE)).await;
    get(&edge, "/products").await;
    assert_eq!(
        get(&edge, "/products").await.body,
        "/products #2",
        "no path under the rule"
    );
}

#[tokio::test]
async fn a_fresh_answer_comes_from_memory() {
    let origin = FakeOrigin::start().await;
    origin.answers(
        "/p/1",
        Answer::with(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("x-shop", "a")]),
    );
    let edge = edge(&origin, &rule(MINUTE)).await;
    let first = get(&edge, "/p/1").await;
    assert!(
        first
            .source()
            .starts_with("waiting-room; fwd=uri-miss; stored; ttl="),
        "{}",
        first.source()
    );
    let second = get(&edge, "/p/1").await;
    assert!(second.is_hit(), "{}", second.source());
    assert_eq!((second.status, second.body.as_str()), (StatusCode::OK, "/p/1 #1"));
    assert_eq!(
        (second.header("x-shop"), second.header("content-length")),
        ("a", "7")
    );
    assert!(second.headers[AGE].to_str().unwrap().parse::<u32>().unwrap() < 60);

    let head = send(client().head(edge.url("/p/1"))).await;
    assert!(head.is_hit() && head.body.is_empty());
    assert_eq!(head.headers[CONTENT_LENGTH], "7");
    assert_eq!(origin.count("/p/1"), 1);
    assert!((metric(&edge, "waiting_room_cache_requests_total{result=\"hit\"}").await - 2.0).abs() < 0.1);
    assert!(metric(&edge, "waiting_room_cache_bytes").await > 7.0);
}

#[tokio::test]
async fn who_looks_only_at_the_head_fills_the_cache_for_all() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule(MINUTE)).await;
    let head = send(client().head(edge.url("/p/1"))).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    let all = get(&edge, "/p/1").await;
    assert!(all.is_hit());
    assert_eq!(all.body, "/p/1 #1");
    assert_eq!(origin.asked("/p/1")[0].method, "GET");
}

#[tokio::test]
async fn a_thousand_at_once_are_one_fetch() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule(MINUTE)).await;
    origin.hold("/p/cold");
    let mut waiting = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let request = b"GET /p/cold HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        waiting.push(stream);
    }
    eventually(SOON, "somebody asks the origin", async || {
        origin.count("/p/cold") == 1
    })
    .await;
    assert_eq!(
        get(&edge, "/p/other").await.body,
        "/p/other #1",
        "others do not wait for it"
    );
    origin.release("/p/cold");
    for mut stream in waiting {
        let mut answer = String::new();
        tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("/p/cold #1"),
            "{answer}"
        );
    }
    assert_eq!(origin.count("/p/cold"), 1);
}

#[tokio::test]
async fn a_failed_fetch_does_not_keep_the_others_waiting() {
    let origin = FakeOrigin::start().await;
    origin.answers("/p/1", Answer::failing(503));
    let edge = edge(&origin, &rule(MINUTE)).await;
    origin.hold("/p/1");
    let asking = (0..50).map(|_| edge.get("/p/1").send()).collect::<Vec<_>>();
    let asking: Vec<_> = asking.into_iter().map(tokio::spawn).collect();
    eventually(SOON, "somebody asks the origin", async || {
        origin.count("/p/1") == 1
    })
    .await;
    origin.release("/p/1");
    for answer in asking {
        let answer = tokio::time::timeout(SOON, answer)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    origin.answers("/p/1", Answer::with(&[]));
    // So many failures have opened the origin's breaker; it closes as soon as somebody has tried.
    let is_well = async || get(&edge, "/p/1").await.status == StatusCode::OK;
    eventually(SOON, "no failure is kept", is_well).await;
    assert!(get(&edge, "/p/1").await.is_hit());
}

#[tokio::test]
async fn a_stale_answer_is_given_at_once_while_one_fetches_a_fresh_one() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule("ttl_ms = 300\nstale_while_revalidate_ms = 60000")).await;
    assert_eq!(get(&edge, "/p/1").await.body, "/p/1 #1");
    origin.hold("/p/1");
    let goes_stale = async || {
        let answer = get(&edge, "/p/1").await;
        assert!(answer.is_hit() && answer.body == "/p/1 #1", "{}", answer.source());
        answer.source().ends_with("detail=stale-while-revalidate")
    };
    eventually(SOON, "it is stale", goes_stale).await;
    eventually(SOON, "it is fetched again", async || origin.count("/p/1") == 2).await;
    for _ in 0..20 {
        assert_eq!(get(&edge, "/p/1").await.body, "/p/1 #1", "nobody waits");
    }
    assert_eq!(origin.count("/p/1"), 2, "one fetches");
    origin.release("/p/1");
    eventually(SOON, "the fresh one is there", async || {
        get(&edge, "/p/1").await.body == "/p/1 #2"
    })
    .await;
}

#[tokio::test]
async fn when_the_origin_fails_a_stale_answer_is_better_than_none() {
    let origin = FakeOrigin::start().await;
    let rules =
        rule("ttl_ms = 1\nstale_if_error_ms = 60000") + "[[cache]]\npath = \"/p/strict\"\nttl_ms = 1\n";
    let edge = edge(&origin, &rules).await;
    for path in ["/p/1", "/p/strict"] {
        assert_eq!(get(&edge, path).await.status, StatusCode::OK);
        origin.answers(path, Answer::failing(503));
    }
    let stale = get(&edge, "/p/1").await;
    assert_eq!((stale.status, stale.body.as_str()), (StatusCode::OK, "/p/1 #1"));
    let source = stale.source();
    assert!(
        source.starts_with("waiting-room; fwd=stale; fwd-status=503; ttl=-"),
        "{source}"
    );
    assert!(source.ends_with("; detail=stale-if-error"), "{source}");
    let eventually_fails = async || get(&edge, "/p/strict").await.status == StatusCode::SERVICE_UNAVAILABLE;
    eventually(SOON, "without a window it fails", eventually_fails).await;

    // What was asked for wrongly is the visitor's business, not a failure.
    origin.answers("/p/1", Answer::failing(404));
    assert_eq!(get(&edge, "/p/1").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unreachable_origin_is_a_failure_too() {
    let origin = FakeOrigin::start().await;
    let wire = Wire::to(origin.address);
    let address = wire.address();
    let config = ConfigFile::new(&format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{address}\"]\nhealth_path = \"/health\"\n{}",
        rule("ttl_ms = 1\nstale_if_error_ms = 60000")
    ));
    let edge = Edge::with_config(&config).await;
    assert_eq!(get(&edge, "/p/1").await.status, StatusCode::OK);
    wire.cut();
    eventually(SOON, "what was fresh a moment ago is stale", async || {
        let answer = get(&edge, "/p/1").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "/p/1 #1"));
        let stale = answer.source().ends_with("detail=stale-if-error");
        // The connection ends with it.
        assert!(
            !stale || answer.header("connection") == "close",
            "{}",
            answer.source()
        );
        stale
    })
    .await;
    assert_eq!(
        get(&edge, "/p/2").await.status.as_u16() / 100,
        5,
        "what is not kept cannot be shown"
    );
}

#[tokio::test]
async fn who_has_it_already_is_told_so_and_ranges_are_cut_from_it() {
    let origin = FakeOrigin::start().await;
    let headers = [
        ("etag", "\"v1\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    origin.answers("/p/1", Answer::with(&headers));
    let edge = edge(&origin, &rule(MINUTE)).await;
    let range = |range: &'static str| send(edge.get("/p/1").header("Range", range));
    for _ in ["on a miss", "on a hit"] {
        let part = range("bytes=0-3").await;
        assert_eq!(
            (part.status, part.body.as_str()),
            (StatusCode::PARTIAL_CONTENT, "/p/1")
        );
        assert_eq!(part.headers[CONTENT_RANGE], "bytes 0-3/7");
    }
    assert_eq!(range("bytes=-2").await.body, "#1");
    assert_eq!(range("bytes=99-").await.status, StatusCode::RANGE_NOT_SATISFIABLE);
    for (name, value, expected) in [
        ("If-None-Match", "\"v1\"", 304),
        ("If-None-Match", "\"v0\", W/\"v1\"", 304),
        ("If-None-Match", "\"v2\"", 200),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT", 200),
    ] {
        let answer = send(edge.get("/p/1").header(name, value)).await;
        assert_eq!(answer.status, expected, "{name}: {value}");
        assert_eq!(answer.headers[ETAG], "\"v1\"");
        assert_eq!(answer.body.is_empty(), expected == 304);
        assert!(answer.is_hit(), "{}", answer.source());
    }
    assert_eq!(origin.count("/p/1"), 1);
}

#[tokio::test]
async fn a_stale_answer_that_has_not_changed_is_fresh_again() {
    let origin = FakeOrigin::start().await;
    origin.answers("/p/1", Answer::with(&[("etag", "\"v1\"")]));
    let edge = edge(&origin, &rule("ttl_ms = 1")).await;
    assert_eq!(get(&edge, "/p/1").await.body, "/p/1 #1");
    let again = async || {
        let answer = get(&edge, "/p/1").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "/p/1 #1"));
        answer
            .source()
            .starts_with("waiting-room; fwd=stale; fwd-status=304")
    };
    eventually(SOON, "it is found unchanged", again).await;
    let asked = origin.asked("/p/1");
    assert_eq!(asked.last().unwrap().headers["if-none-match"], "\"v1\"");
}

#[tokio::test]
async fn what_is_for_one_visitor_is_kept_for_nobody() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule(MINUTE)).await;
    for (path, header) in [
        ("/p/cookie", ("set-cookie", "basket=1")),
        ("/p/private", ("cache-control", "private, max-age=60")),
        ("/p/no-store", ("cache-control", "no-store")),
        ("/p/no-cache", ("cache-control", "no-cache")),
        ("/p/vary", ("vary", "Cookie")),
        ("/p/vary-all", ("vary", "*")),
        ("/p/session", ("waiting-room-session", "end")),
        ("/p/expired", ("expires", "0")),
    ] {
        origin.answers(path, Answer::with(&[header]));
        assert_eq!(
            get(&edge, path).await.source(),
            "waiting-room; fwd=uri-miss",
            "{path}"
        );
        // From then on it is between the visitor and the origin.
        let second = send(edge.get(path).header("Cookie", "mine=1")).await;
        assert_eq!(second.body, format!("{path} #2"));
        assert_eq!(second.source(), "waiting-room; fwd=bypass");
        assert_eq!(origin.asked(path)[1].headers["cookie"], "mine=1");
    }
    // What is marked as everybody's answers those, too, who show who they are (RFC 9111, 3.5).
    origin.answers(
        "/p/public",
        Answer::with(&[("cache-control", "public, max-age=60")]),
    );
    for (path, expected) in [("/p/public", "/p/public #1"), ("/p/plain", "/p/plain #2")] {
        get(&edge, path).await;
        let answer = send(edge.get(path).bearer_auth("mine")).await;
        assert_eq!(answer.body, expected);
    }
    assert!(origin.asked("/p/plain")[1].headers.contains_key("authorization"));
    assert_eq!(
        get(&edge, "/p/plain").await.body,
        "/p/plain #1",
        "theirs is not kept"
    );
}

#[tokio::test]
async fn the_origin_is_not_told_what_the_key_does_not_name() {
    let origin = FakeOrigin::start().await;
    let rules = rule(MINUTE) + "[[cache]]\npath = \"/p/bare\"\nttl_ms = 60000\nignore_query = true\n";
    let edge = edge(&origin, &rules).await;
    let mut request = edge.get("/p/1?b=2&a=1").header("Accept", "text/html");
    let unkeyed = [
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Scheme",
        "X-HTTP-Method-Override",
        "Forwarded",
        "Origin",
        "Cookie",
        "Waiting-Room-Session",
        "X-Forwarded-For",
    ];
    for name in unkeyed {
        request = request.header(name, "evil");
    }
    send(request).await;
    let asked = &origin.asked("/p/1")[0];
    assert_eq!(asked.target, "/p/1?b=2&a=1");
    for name in unkeyed {
        assert!(!asked.headers.contains_key(name), "{name}");
    }
    assert_eq!(
        (&asked.headers["accept"], &asked.headers["user-agent"]),
        (&"text/html".parse().unwrap(), &"waiting-room".parse().unwrap())
    );

    // The order of a query counts; a query that does not count is not sent either.
    let page = |target: &str| send(edge.get(target).header("Accept", "text/html"));
    assert!(page("/p/1?b=2&a=1").await.is_hit());
    assert!(!page("/p/1?a=1&b=2").await.is_hit());
    get(&edge, "/p/bare?evil=1").await;
    assert!(get(&edge, "/p/bare?other").await.is_hit());
    assert_eq!(origin.asked("/p/bare")[0].target, "/p/bare");

    // One host in any case; another host or port is another key.
    let host = |host: &'static str| send(edge.get("/p/host").header("Host", host));
    host("Shop.Example:80").await;
    assert!(host("shop.example:80").await.is_hit());
    assert!(!host("shop.example:81").await.is_hit());
    assert_eq!(origin.asked("/p/host")[0].headers["host"], "shop.example:80");

    // The body of a GET is no part of any key.
    for _ in 0..2 {
        assert!(!send(edge.get("/p/fat").body("x")).await.is_hit());
    }
    assert!(!get(&edge, "/p/fat").await.is_hit());
}

#[tokio::test]
async fn variants_are_kept_apart_and_bounded() {
    let origin = FakeOrigin::start().await;
    origin.answers("/p/1", Answer::with(&[("vary", "Accept-Language")]));
    let edge = edge(&origin, &rule("ttl_ms = 60000\nvary = [\"accept-language\"]")).await;
    let page = |language: &str| send(edge.get("/p/1").header("Accept-Language", language));
    for (language, expected) in [("de", "#1"), ("en", "#2"), ("de", "#1"), ("en", "#2")] {
        assert_eq!(
            page(language).await.body,
            format!("/p/1 {expected}"),
            "{language}"
        );
    }
    for other in 0..20 {
        assert!(!page(&format!("x-{other}")).await.is_hit());
    }
    assert!(!page("de").await.is_hit(), "others took its room");
    assert!(page("x-19").await.is_hit());
}

#[tokio::test]
async fn the_gate_comes_before_the_cache() {
    let origin = FakeOrigin::start().await;
    let room = "[[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 2\n";
    let edge = edge(&origin, &(rule(MINUTE) + room)).await;
    eventually(SOON, "two places are called ahead", async || {
        edge.numbers("demo").await["called"] == 2
    })
    .await;
    let cookie_of = |answer: &Answered| {
        let set = answer.headers.get_all(SET_COOKIE).iter();
        let set = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        set.collect::<Vec<_>>().join("; ")
    };
    let first = read(edge.visit("/p/1").await).await;
    assert_eq!(first.body, "/p/1 #1");
    let asked = &origin.asked("/p/1")[0].headers;
    assert!(
        !asked.contains_key("waiting-room-pass") && !asked.contains_key("cookie"),
        "{asked:?}"
    );

    // The second gets the same page, and a pass of its own with it.
    let second = read(edge.visit("/p/1").await).await;
    assert!(second.is_hit() && second.body == "/p/1 #1");
    assert!(cookie_of(&first).contains("waiting-room-pass-demo="));
    assert!(cookie_of(&second).contains("waiting-room-pass-demo="));
    assert_ne!(cookie_of(&first), cookie_of(&second));
    let again = edge.get("/p/1").header("Accept", "text/html");
    let again = send(again.header("Cookie", cookie_of(&first))).await;
    assert!(again.is_hit() && cookie_of(&again).is_empty());

    // The shop is full: the third is shown the line, and an app is told to join it, whatever is kept.
    let third = read(edge.visit("/p/1").await).await;
    assert!(!third.body.contains("/p/1 #1") && third.body.contains("Ahead of you"));
    let app = get(&edge, "/p/1").await;
    assert_eq!(app.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(third.source().is_empty() && app.source().is_empty());
    let forged = send(edge.get("/p/1").header("Waiting-Room-Pass", "forged")).await;
    assert_eq!(forged.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(origin.count("/p/1"), 1);

    // An origin can end a session under a rule as anywhere else.
    origin.answers("/p/end", Answer::with(&[("waiting-room-session", "end")]));
    let end = send(edge.get("/p/end").header("Cookie", cookie_of(&first))).await;
    assert_eq!(end.headers.get("waiting-room-session"), None);
    let cookies = cookie_of(&first);
    let pass = cookies
        .split("; ")
        .find(|cookie| cookie.starts_with("waiting-room-pass-"));
    let pass = pass.unwrap().to_owned();
    let ended = async || {
        let again = send(edge.get("/p/1").header("Cookie", &pass)).await;
        again.status == StatusCode::TOO_MANY_REQUESTS
    };
    eventually(SOON, "the session has ended", ended).await;
}

#[tokio::test]
async fn a_refresh_in_the_background_needs_no_pass_and_takes_none() {
    let origin = FakeOrigin::start().await;
    let room = "[[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 1\n";
    let rules = rule("ttl_ms = 1\nstale_while_revalidate_ms = 60000");
    let edge = edge(&origin, &(rules + room)).await;
    let (ticket, _) = edge.join("demo").await;
    let pass = edge.claim("demo", &ticket).await;
    edge.with_pass("/p/1", &pass).await;
    let refreshed = async || {
        edge.with_pass("/p/1", &pass).await;
        origin.count("/p/1") > 2
    };
    eventually(SOON, "it is fetched again", refreshed).await;
    for asked in origin.asked("/p/1") {
        let theirs = asked
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("waiting-room"));
        assert!(!theirs, "{:?}", asked.headers);
    }
    let counted = async || edge.numbers("demo").await["active_sessions"] == 1;
    eventually(SOON, "there is one session", counted).await;
}

#[tokio::test]
async fn operators_and_changes_make_it_forget() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule(MINUTE)).await;
    let purge = |query: &'static str| send(edge.operate(Method::DELETE, &format!("/cache{query}")));
    let paths = ["/p/a", "/p/a/1?x=1", "/p/b"];
    let fill = async || {
        for path in paths {
            get(&edge, path).await;
        }
    };
    let kept = async || {
        let mut kept = Vec::new();
        for path in paths {
            kept.push(get(&edge, path).await.is_hit());
        }
        kept
    };
    fill().await;
    let removed: Value = serde_json::from_str(&purge("?path=/p/a").await.body).unwrap();
    assert_eq!(removed["removed"], 2);
    assert_eq!(kept().await, [false, false, true]);
    assert_eq!(purge("").await.status, StatusCode::OK);
    assert_eq!(kept().await, [false, false, false]);
    for query in ["?path=p", "?url=/p"] {
        assert_eq!(
            purge(query).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{query}"
        );
    }
    let nobody = client().delete(format!("http://{}/cache", edge.admin));
    assert_eq!(send(nobody).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(kept().await, [true, true, true]);

    // What was asked for before a purge is not kept after it.
    origin.hold("/p/late");
    let late = tokio::spawn(edge.get("/p/late").send());
    eventually(SOON, "it is asked for", async || origin.count("/p/late") == 1).await;
    purge("").await;
    origin.release("/p/late");
    assert_eq!(late.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(!get(&edge, "/p/late").await.is_hit());

    // Whoever changes something sees the change; a refused change changes nothing.
    fill().await;
    origin.answers("/p/b", Answer::failing(409));
    send(edge.post("/p/b")).await;
    send(edge.post("/p/a")).await;
    assert_eq!(kept().await, [false, true, true]);
}

#[tokio::test]
async fn what_is_too_long_is_not_kept_and_comes_whole() {
    let origin = FakeOrigin::start().await;
    let bounds = "[edge.cache]\nmax_bytes = 1048576\nobject_max_bytes = 200000\n";
    let edge = edge(&origin, &(bounds.to_owned() + &rule(MINUTE))).await;
    let of_length = |length: usize| Answer {
        body: Some("x".repeat(length)),
        ..Answer::with(&[])
    };
    origin.answers("/p/long", of_length(200_001));
    for source in ["uri-miss", "bypass"] {
        let long = get(&edge, "/p/long").await;
        assert_eq!(
            (long.body.len(), long.source()),
            (200_001, format!("waiting-room; fwd={source}").as_str())
        );
    }
    for at in 0..20 {
        let path = format!("/p/{at}");
        origin.answers(&path, of_length(200_000));
        assert_eq!(get(&edge, &path).await.body.len(), 200_000);
        assert!(get(&edge, &path).await.is_hit());
    }
    assert!(metric(&edge, "waiting_room_cache_bytes").await <= 1_048_576.0);
    assert!(!get(&edge, "/p/0").await.is_hit(), "it made room");
}

#[tokio::test]
async fn what_another_server_said_is_no_answer_of_a_new_one() {
    let (old, new) = (FakeOrigin::start().await, FakeOrigin::start().await);
    let edge = edge(&old, &rule(MINUTE)).await;
    for _ in 1..=2 {
        get(&edge, "/p/1").await;
    }
    assert_eq!(old.count("/p/1"), 1);
    change(&edge, &old.address.to_string(), &new.address.to_string()).await;
    let answer = get(&edge, "/p/1").await;
    assert!(answer.source().contains("fwd=uri-miss"), "{}", answer.source());
    assert_eq!((old.count("/p/1"), new.count("/p/1")), (1, 1));
}

#[tokio::test]
async fn a_purge_says_who_did_it() {
    let origin = FakeOrigin::start().await;
    let edge = edge(&origin, &rule(MINUTE)).await;
    get(&edge, "/p/1").await;
    let purge = edge
        .operate(Method::DELETE, "/cache?path=/p")
        .header("Waiting-Room-Actor", "anna");
    assert_eq!(send(purge).await.body, "{\"removed\":1}");
    eventually(SOON, "the log names who purged", async || {
        let log = edge.process.output();
        log.lines()
            .any(|line| line.contains("purges the cache") && line.contains("anna"))
    })
    .await;
}
