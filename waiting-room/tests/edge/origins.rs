//! When servers of an origin go, come, are slow or talk nonsense: shoppers notice as little as can be, nothing happens
//! twice, and the gate stays where it is.

use crate::{
    harness::{ConfigFile, Edge, SOON},
    name_server::NameServer,
    rough_server::{Manner, RoughServer},
};
use futures::future::join_all;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};
use testbed::eventually;

/// Checks find nothing out: what is seen is what shoppers' requests do.
pub const UNCHECKED: &str = "health = { path = \"/health\", every_ms = 3600000 }\n";
/// Nobody is left out or alone for what they do.
pub const UNJUDGED: &str = "ejection = { failures = 0 }\nbreaker = { enabled = false }\n";

/// The ways of a request to its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// That of plain requests.
    Direct,
    /// That of all others.
    Proxy,
}

/// The same tests for either way.
macro_rules! by_both_ways {
    ($($test:ident)*) => {
        mod direct {
            $(#[tokio::test] async fn $test() { super::$test(crate::origins::Way::Direct).await; })*
        }
        mod by_the_proxy {
            $(#[tokio::test] async fn $test() { super::$test(crate::origins::Way::Proxy).await; })*
        }
    };
}
pub(crate) use by_both_ways;

by_both_ways! {
    an_origin_that_is_down_costs_nobody_a_place
    a_server_that_flaps_fails_nobody_whom_another_could_answer
    one_of_three_servers_that_dies_under_load_loses_no_get
    the_breaker_opens_and_closes
    an_origin_gets_no_more_at_once_than_it_may
    a_server_that_fails_shoppers_is_left_out_though_its_checks_are_well
    a_client_stays_with_its_server_while_it_is_well
    traffic_follows_a_name_without_a_restart
}

/// An edge in front of servers, somebody who is in, and somebody who waits.
pub struct Shop {
    pub edge: Edge,
    pub pass: String,
    waiting: String,
    way: Way,
    _config: ConfigFile,
}

impl Shop {
    pub async fn of(servers: &[&RoughServer], way: Way, more: &str) -> Self {
        let addresses: Vec<String> = servers
            .iter()
            .map(|server| format!("\"http://{}\"", server.address))
            .collect();
        Self::at(&addresses.join(", "), way, more).await
    }

    async fn at(addresses: &str, way: Way, more: &str) -> Self {
        let config = ConfigFile::new(&format!(
            "[[origin]]\nname = \"shop\"\naddresses = [{addresses}]\n{more}\n\
             [[room]]\nid = \"demo\"\nusers_per_minute = 60000\nmax_active = 1\n"
        ));
        let edge = Edge::with_config(&config).await;
        let (ticket, _) = edge.join("demo").await;
        let pass = edge.claim("demo", &ticket).await;
        let (waiting, _) = edge.join("demo").await;
        Self {
            edge,
            pass,
            waiting,
            way,
            _config: config,
        }
    }

    pub async fn get(&self) -> Response {
        self.try_to_get().await.unwrap()
    }

    pub async fn try_to_get(&self) -> reqwest::Result<Response> {
        self.send(self.edge.get("/page")).await
    }

    pub async fn post(&self) -> Response {
        let post = self.edge.post("/order").body("one boot");
        self.send(post).await.unwrap()
    }

    /// Sends a request of somebody who is in.
    async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        let request = request.header("Waiting-Room-Pass", &self.pass);
        let request = match self.way {
            Way::Direct => request,
            // What is said of the connection is not plain.
            Way::Proxy => request.header("TE", "trailers"),
        };
        request.send().await
    }

    /// What happened to the origin has moved nobody in the line, and let nobody past it.
    pub async fn line_is_as_it_was(&self) {
        assert_eq!(self.edge.status("demo", &self.waiting).await["number"], 1);
        let without_pass = self.edge.get("/page").send().await.unwrap();
        assert_eq!(without_pass.status(), StatusCode::TOO_MANY_REQUESTS);
    }

    async fn metric(&self, name: &str) -> f64 {
        self.edge.metric(name).await.unwrap_or(0.0)
    }

    /// Asks `count` times by several shoppers at once, and calls `between` whenever one was answered. Everybody must be
    /// answered well.
    async fn load(&self, count: usize, between: impl AsyncFn(usize)) {
        let begun = AtomicUsize::new(0);
        let shopper = async || {
            loop {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                if number >= count {
                    return;
                }
                let answer = self.get().await;
                assert_eq!(answer.status(), StatusCode::OK, "request {number}");
                assert_eq!(answer.text().await.unwrap(), "the shop");
                between(number).await;
            }
        };
        join_all((0..8).map(|_| shopper())).await;
    }
}

pub async fn problem(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(answer.headers().contains_key("retry-after"));
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["detail"], "You keep your place. Try again in a moment.");
    problem
}

async fn an_origin_that_is_down_costs_nobody_a_place(way: Way) {
    let server = RoughServer::up().await;
    let shop = Shop::of(&[&server], way, "health = { path = \"/health\", every_ms = 100 }").await;
    server.goes_down().await;
    let unwell = async || {
        let answer = shop.get().await;
        answer.status() == 503 && problem(answer, 503).await["reason"] == "no-server"
    };
    eventually(SOON, "the checks find out", unwell).await;
    shop.line_is_as_it_was().await;
    server.comes_up().await;
    eventually(SOON, "the origin is used again", async || {
        shop.get().await.status() == 200
    })
    .await;
    shop.line_is_as_it_was().await;
    server.was_asked_by_nobody_without_pass();
}

async fn a_server_that_flaps_fails_nobody_whom_another_could_answer(way: Way) {
    let (steady, flapping) = (RoughServer::up().await, RoughServer::up().await);
    let shop = Shop::of(
        &[&steady, &flapping],
        way,
        "health = { path = \"/health\", every_ms = 100 }\nejection = { seconds = 1, seconds_max = 1 }",
    )
    .await;
    let flap = async |number: usize| match number % 100 {
        25 => flapping.goes_down().await,
        75 => flapping.comes_up().await,
        _ => {}
    };
    shop.load(1_000, flap).await;
    assert!(flapping.count("GET") > 0);
    shop.line_is_as_it_was().await;
}

async fn one_of_three_servers_that_dies_under_load_loses_no_get(way: Way) {
    let servers = [
        RoughServer::up().await,
        RoughServer::up().await,
        RoughServer::up().await,
    ];
    let shop = Shop::of(
        &[&servers[0], &servers[1], &servers[2]],
        way,
        "balance = \"least_requests\"\nhealth_path = \"/health\"",
    )
    .await;
    let die = async |number: usize| {
        if number == 200 {
            servers[1].goes_down().await;
        }
    };
    shop.load(600, die).await;
    for server in &servers {
        assert!(server.count("GET") > 10, "everybody had work");
        server.was_asked_by_nobody_without_pass();
    }
}

async fn the_breaker_opens_and_closes(way: Way) {
    let server = RoughServer::up().await;
    let more =
        format!("{UNCHECKED}retries = 0\nbreaker = {{ requests_min = 5, open_seconds = 1, trials = 2 }}\n");
    let shop = Shop::of(&[&server], way, &more).await;
    server.behaves(Manner::Status(503));
    for _ in 0..5 {
        let answer = shop.get().await;
        assert_eq!(
            answer.text().await.unwrap(),
            "odd!",
            "the origin speaks for itself"
        );
    }
    let refused = problem(shop.get().await, 503).await;
    assert_eq!(refused["reason"], "breaker-open");
    assert_eq!(server.count("GET"), 5, "it is left alone");
    shop.line_is_as_it_was().await;
    server.behaves(Manner::Well);
    eventually(SOON, "the breaker lets a few try", async || {
        shop.get().await.status() == 200
    })
    .await;
    eventually(SOON, "and then everybody", async || {
        let answers = join_all((0..4).map(|_| shop.get())).await;
        answers.iter().all(|answer| answer.status() == 200)
    })
    .await;
    server.was_asked_by_nobody_without_pass();
}

async fn an_origin_gets_no_more_at_once_than_it_may(way: Way) {
    let server = RoughServer::up().await;
    server.behaves(Manner::Held);
    let shop = Shop::of(&[&server], way, &format!("{UNCHECKED}requests_max = 2\n")).await;
    let third = async {
        eventually(SOON, "two are under way", async || server.count("GET") == 2).await;
        let refused = problem(shop.get().await, 503).await;
        assert_eq!(refused["reason"], "too-many-requests");
        server.goes_on();
    };
    let (first, second, ()) = tokio::join!(shop.get(), shop.get(), third);
    assert_eq!(
        (first.status(), second.status()),
        (StatusCode::OK, StatusCode::OK)
    );
    server.behaves(Manner::Well);
    assert_eq!(shop.get().await.status(), StatusCode::OK, "there is room again");
}

async fn a_server_that_fails_shoppers_is_left_out_though_its_checks_are_well(way: Way) {
    let (bad, good) = (RoughServer::up().await, RoughServer::up().await);
    bad.behaves(Manner::Status(502));
    let shop = Shop::of(
        &[&bad, &good],
        way,
        &format!("{UNCHECKED}ejection = {{ failures = 3, seconds = 3600, seconds_max = 3600 }}\n"),
    )
    .await;
    for _ in 0..20 {
        assert_eq!(shop.get().await.status(), StatusCode::OK);
    }
    assert_eq!(bad.count("GET"), 3);
    let ejected = format!(
        "waiting_room_origin_ejections_total{{origin=\"shop\",server=\"{}\"}}",
        bad.address
    );
    assert!((shop.metric(&ejected).await - 1.0).abs() < f64::EPSILON);
}

async fn a_client_stays_with_its_server_while_it_is_well(way: Way) {
    let (one, other) = (RoughServer::up().await, RoughServer::up().await);
    let more = format!("balance = \"client_hash\"\n{UNCHECKED}");
    let shop = Shop::of(&[&one, &other], way, &more).await;
    for _ in 0..6 {
        shop.get().await;
    }
    let (mine, fallback) = if one.count("GET") > 0 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!((mine.count("GET"), fallback.count("GET")), (6, 0));
    mine.goes_down().await;
    assert_eq!(shop.get().await.status(), StatusCode::OK);
    assert_eq!(fallback.count("GET"), 1);
}

async fn traffic_follows_a_name_without_a_restart(way: Way) {
    let (here, there) = (Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2));
    let names = NameServer::start(&[here]).await;
    let old = RoughServer::up().await;
    let new = RoughServer::up_at((there, old.address.port()).into()).await;
    let more = format!(
        "resolver = \"{}\"\nresolve_seconds = 1\nhealth_path = \"/health\"\n",
        names.address
    );
    let shop = Shop::at(
        &format!("\"http://shop.test:{}\"", old.address.port()),
        way,
        &more,
    )
    .await;
    assert_eq!(shop.get().await.status(), StatusCode::OK);
    assert_eq!(old.count("GET"), 1);
    assert!(
        old.came()[0].head.contains("host: shop.test\r\n"),
        "it is asked by its name"
    );

    names.says(&[there]);
    let moved = async || {
        assert_eq!(shop.get().await.status(), StatusCode::OK, "nobody notices");
        new.count("GET") > 0
    };
    eventually(SOON, "the traffic moves", moved).await;
    let left_behind = old.count("GET");

    // A name server that fails takes nothing away.
    names.fails();
    let asked = names.asked();
    eventually(SOON, "it is asked again", async || names.asked() > asked + 4).await;
    assert_eq!(shop.get().await.status(), StatusCode::OK);
    assert_eq!(old.count("GET"), left_behind);
}

#[tokio::test]
async fn a_conversation_passes_through() {
    let server = RoughServer::up().await;
    server.behaves(Manner::Upgrades);
    let shop = Shop::of(
        &[&server],
        Way::Proxy,
        &format!("{UNCHECKED}timeouts = {{ whole_seconds = 1 }}\n"),
    )
    .await;
    let request = shop.edge.get("/live").header("Waiting-Room-Pass", &shop.pass);
    let request = request
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut both = answer.upgrade().await.unwrap();
    for word in ["hello", "again"] {
        tokio::io::AsyncWriteExt::write_all(&mut both, word.as_bytes())
            .await
            .unwrap();
        let mut back = vec![0; word.len()];
        tokio::io::AsyncReadExt::read_exact(&mut both, &mut back)
            .await
            .unwrap();
        assert_eq!(back, word.as_bytes());
    }
}
