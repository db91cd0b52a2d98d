//! The config is changed while people wait and shop.

use crate::{
    harness::{ConfigFile, Edge, SOON, origin, program},
    two_edges::{Pair, pair, start},
};
use futures::future::join_all;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use testbed::{RedisNamespace, eventually};

const A_SECOND: Duration = Duration::from_secs(1);

fn document(origin: SocketAddr, rooms: &str) -> String {
    format!("[[origin]]\nname = \"shop\"\naddresses = [\"http://{origin}\"]\n{rooms}")
}

fn room(id: &str, path: &str, rest: &str) -> String {
    format!("[[room]]\nid = \"{id}\"\npath = \"{path}\"\nmax_active = 1000\n{rest}\n")
}

async fn shown(edge: &Edge) -> (String, String) {
    let answer = edge.operate(Method::GET, "/config").send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    (tag, answer.text().await.unwrap())
}

async fn put(edge: &Edge, query: &str, tag: &str, text: &str) -> Response {
    let put = edge.operate(Method::PUT, &format!("/config{query}"));
    let put = put.header("If-Match", tag).body(text.to_owned());
    put.send().await.unwrap()
}

/// Changes the config as it is, and answers the new version.
pub async fn change(edge: &Edge, from: &str, to: &str) -> u64 {
    let (tag, text) = shown(edge).await;
    assert!(text.contains(from), "{text}");
    done(put(edge, "", &tag, &text.replace(from, to)).await).await["version"]
        .as_u64()
        .unwrap()
}

async fn done(answer: Response) -> Value {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn refused(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status().as_u16(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    answer.json().await.unwrap()
}

async fn ask(edge: &Edge, path: &str) -> Value {
    let answer = edge
        .operate(Method::GET, path)
        .header("Accept", "application/json");
    answer.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn another_config_is_in_force_at_once_and_on_every_edge_within_a_second() {
    let Pair {
        edges: [one, two], ..
    } = &pair(origin().await, 60, 10).await;
    let (tag, text) = shown(one).await;
    assert_eq!(
        shown(two).await,
        (tag.clone(), text.clone()),
        "the file is one version"
    );
    let text = text.replace(
        "users_per_minute = 60",
        "users_per_minute = 120\ntitle = \"Boots\"",
    );
    let put = one.operate(Method::PUT, "/config").header("If-Match", &tag);
    let put = put
        .header("Waiting-Room-Actor", "anna")
        .header("Waiting-Room-Reason", "the shop is bored")
        .body(text.clone());
    let answer = put.send().await.unwrap();
    assert_eq!(answer.headers()["etag"], "\"2\"");
    let body = done(answer).await;
    let changes = json!([
        "room.demo.title: nothing → \"Boots\"",
        "room.demo.users_per_minute: 60 → 120"
    ]);
    assert_eq!(body["changes"], changes);
    assert_eq!(
        body["rooms"],
        json!({"added": [], "changed": ["demo"], "removed": []})
    );
    let in_force = async |edge: &Edge| {
        let numbers = edge.numbers("demo").await;
        numbers["users_per_minute"] == 120 && numbers["title"] == "Boots"
    };
    eventually(A_SECOND, "the edge that was asked obeys", async || {
        in_force(one).await
    })
    .await;
    eventually(A_SECOND, "the other edge obeys", async || in_force(two).await).await;
    assert_eq!(shown(two).await, ("\"2\"".to_owned(), text));
    let versions = ask(two, "/config/versions").await;
    assert_eq!(versions[0]["version"], 2);
    assert_eq!(
        (&versions[0]["actor"], &versions[0]["reason"]),
        (&json!("anna"), &json!("the shop is bored"))
    );
    assert_eq!(versions[0]["changes"], changes);
    assert_eq!(versions[1]["actor"], "file");
    let first = ask(two, "/config/versions/1").await;
    assert_eq!(first["config"]["room"][0]["users_per_minute"], 60);
}

#[tokio::test]
async fn of_two_operators_one_is_told_that_the_other_was_first() {
    let Pair {
        edges: [one, two], ..
    } = &pair(origin().await, 60, 10).await;
    let (tag, text) = shown(one).await;
    let (first, second) = (text.replace("= 60", "= 70"), text.replace("= 60", "= 80"));
    let puts = join_all([put(one, "", &tag, &first), put(two, "", &tag, &second)]).await;
    let mut statuses: Vec<u16> = puts.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let unseen = one.operate(Method::PUT, "/config").body(text).send();
    refused(unseen.await.unwrap(), 428).await;
    let (newest, _) = shown(two).await;
    assert_eq!(newest, "\"2\"");
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_changed() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let (tag, text) = shown(&edge).await;
    let wrong = text
        .replace("users_per_minute = 60", "users_per_minute = 4000000000")
        .replace(
            "id = \"default\"",
            "id = \"default\"\npath = \"x\"\nmethod = \"luck\"",
        );
    for query in ["", "?check=true"] {
        let problem = refused(put(&edge, query, &tag, &wrong).await, 422).await;
        assert_eq!(problem["mistakes"].as_array().unwrap().len(), 3, "{problem}");
    }
    let template = text.replace("id =", "template = \"/nowhere.html\"\nid =");
    let problem = refused(put(&edge, "", &tag, &template).await, 422).await;
    assert!(
        problem["mistakes"][0].as_str().unwrap().contains("nowhere"),
        "{problem}"
    );
    let elsewhere = format!("[edge]\nlisten = \"127.0.0.1:1\"\n{text}");
    let problem = refused(put(&edge, "", &tag, &elsewhere).await, 422).await;
    assert_eq!(problem["keys"], json!(["edge.listen: nothing → \"127.0.0.1:1\""]));
    let good = text.replace("= 60", "= 90");
    let would = done(put(&edge, "?check=true", "\"77\"", &good).await).await;
    assert_eq!(
        would["changes"],
        json!(["room.default.users_per_minute: 60 → 90"])
    );
    let large = "#".repeat(300_000);
    refused(put(&edge, "", &tag, &large).await, 413).await;
    refused(put(&edge, "", "W/1", &good).await, 400).await;
    refused(put(&edge, "?chek=true", &tag, &good).await, 400).await;
    assert_eq!(shown(&edge).await, (tag, text));
    assert_eq!(edge.numbers("default").await["users_per_minute"], 60);
}

#[tokio::test]
async fn a_room_comes_at_once_and_goes_only_if_that_is_said() {
    let origin = origin().await;
    let shop = room("shop", "/shop", "users_per_minute = 0");
    let config = ConfigFile::new(&document(origin, &shop));
    let edge = Edge::with_config(&config).await;
    assert_eq!(
        edge.visit("/club").await.headers()["content-type"],
        "application/json"
    );
    let club = room("club", "/club", "users_per_minute = 0");
    let (tag, _) = shown(&edge).await;
    let both = document(origin, &format!("{shop}{club}"));
    let body = done(put(&edge, "", &tag, &both).await).await;
    assert_eq!(body["rooms"]["added"], json!(["club"]));
    let waits = edge.visit("/club").await;
    assert_eq!(waits.status(), StatusCode::OK);
    assert!(
        waits.headers().contains_key("set-cookie"),
        "who comes gets a place"
    );

    let (tag, _) = shown(&edge).await;
    for less in [
        document(origin, &club),
        document(origin, ""),
        both.replace("\"/shop\"", "\"/shop/boots\""),
    ] {
        let problem = refused(put(&edge, "", &tag, &less).await, 409).await;
        assert!(
            problem["opened"][0].as_str().unwrap().contains("shop"),
            "{problem}"
        );
    }
    assert!(edge.visit("/shop").await.headers().contains_key("set-cookie"));
    let body = done(put(&edge, "?allow_removal=true", &tag, &document(origin, &club)).await).await;
    assert_eq!(body["rooms"]["removed"], json!(["shop"]));
    let open: Value = edge.visit("/shop").await.json().await.unwrap();
    assert_eq!(open["origin"], true);
    assert!(edge.visit("/club").await.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn what_would_lose_places_is_refused_while_somebody_has_one() {
    let origin = origin().await;
    let shop = room("shop", "/", "users_per_minute = 0\nmethod = \"fifo\"");
    let config = ConfigFile::new(&document(origin, &shop));
    let edge = Edge::with_config(&config).await;
    change(&edge, "\"fifo\"", "\"random\"").await;
    change(&edge, "\"random\"", "\"fifo\"").await;
    let (ticket, _) = edge.join("shop").await;
    let joined = async || edge.numbers("shop").await["joined"] == 1;
    eventually(SOON, "the edge has seen the join", joined).await;
    let (tag, text) = shown(&edge).await;
    for unsafe_now in [
        text.replace("\"fifo\"", "\"random\""),
        format!("{text}[[room.lane]]\nname = \"other\"\n"),
        format!("{text}public_log = true\n"),
    ] {
        let problem = refused(put(&edge, "", &tag, &unsafe_now).await, 409).await;
        assert!(
            problem["rooms"][0]
                .as_str()
                .unwrap()
                .contains("1 people have joined"),
            "{problem}"
        );
    }
    let more =
        format!("{text}[[room.lane]]\nname = \"general\"\n[[room.lane]]\nname = \"members\"\nweight = 3\n");
    done(put(&edge, "", &tag, &more).await).await;
    let has_both = async || edge.numbers("shop").await["lanes"].as_array().unwrap().len() == 2;
    eventually(SOON, "there is another lane", has_both).await;
    assert_eq!(edge.status("shop", &ticket).await["number"], 0);
    change(&edge, "users_per_minute = 0", "users_per_minute = 600").await;
    edge.claim("shop", &ticket).await;
}

#[tokio::test]
async fn nobody_notices_twenty_changes() {
    let Pair {
        edges: [one, two], ..
    } = &pair(origin().await, 600, 1000).await;
    let (inside, _) = one.join("demo").await;
    let pass = one.claim("demo", &inside).await;
    change(one, "users_per_minute = 600", "users_per_minute = 0").await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let (ticket, place) = two.join("demo").await;
        waiting.push((ticket, place["number"].clone()));
    }
    let (stop, asked) = (&AtomicBool::new(false), &AtomicU32::new(0));
    let (waiting, pass) = (&waiting, &pass);
    let shoppers = (0..6).map(|shopper: usize| async move {
        let edge = [one, two][shopper % 2];
        while !stop.load(Ordering::Relaxed) {
            for (ticket, number) in waiting.iter().skip(shopper).step_by(6) {
                assert_eq!(edge.status("demo", ticket).await["number"], *number);
            }
            assert_eq!(edge.with_pass("/", pass).await.status(), StatusCode::OK);
            // Answers 201 while the room changes, or this panics.
            edge.join("demo").await;
            asked.fetch_add(1, Ordering::Relaxed);
        }
    });
    let operator = async {
        for version in 0..20 {
            let (from, to) = (version, version + 1);
            let title = |number: u32| {
                format!(
                    "max_active = 1000 # {number}\ntitle = \"Line {number}\"\nclaim_window_seconds = {}",
                    60 + number
                )
            };
            let before = if from == 0 {
                "max_active = 1000".to_owned()
            } else {
                title(from)
            };
            change([one, two][version as usize % 2], &before, &title(to)).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    futures::future::join(join_all(shoppers), operator).await;
    assert!(asked.load(Ordering::Relaxed) > 20, "there was load");
    for edge in [one, two] {
        let newest = async || edge.numbers("demo").await["title"] == "Line 20";
        eventually(A_SECOND, "the newest config", newest).await;
        assert_eq!(edge.with_pass("/", pass).await.status(), StatusCode::OK);
    }
    change(one, "users_per_minute = 0", "users_per_minute = 6000").await;
    for (ticket, _) in waiting {
        two.claim("demo", ticket).await;
    }
}

#[tokio::test]
async fn a_session_that_has_ended_stays_so_through_a_change() {
    let edge = Edge::in_front_of(origin().await, 6_000, 100).await;
    let (ticket, _) = edge.join("default").await;
    let pass = edge.claim("default", &ticket).await;
    let leave = edge
        .post("/.waiting-room/default/leave")
        .header("Waiting-Room-Ticket", &ticket);
    assert_eq!(leave.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let session = "max_active = 100\nsession = { length_seconds = 900, hard_cap_seconds = 7200 }";
    change(&edge, "max_active = 100", session).await;
    assert_eq!(
        edge.with_pass("/", &pass).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn who_listens_is_told_to_come_again() {
    let edge = Edge::in_front_of(origin().await, 0, 10).await;
    let (ticket, _) = edge.join("default").await;
    let listen = edge
        .get("/.waiting-room/default/events")
        .header("Waiting-Room-Ticket", &ticket);
    let mut events = listen.send().await.unwrap();
    let first = events.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"retry:"));
    change(&edge, "title = \"Waiting room\"", "title = \"Boots\"").await;
    let ended = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::time::timeout(SOON, ended).await.expect("the stream ends");
    assert_eq!(edge.status("default", &ticket).await["number"], 0);
}

#[tokio::test]
async fn an_earlier_version_is_the_next_one_again() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let (_, first) = shown(&edge).await;
    change(&edge, "users_per_minute = 60", "users_per_minute = 70").await;
    let back = |version: u64| {
        edge.operate(Method::POST, "/config/revert")
            .json(&json!({ "version": version }))
    };
    let body = done(back(1).send().await.unwrap()).await;
    assert_eq!(body["version"], 3);
    assert_eq!(shown(&edge).await, ("\"3\"".to_owned(), first));
    let versions = ask(&edge, "/config/versions").await;
    assert_eq!(versions[0]["reverts"], 1);
    assert_eq!(
        versions[0]["changes"],
        json!(["room.default.users_per_minute: 70 → 60"])
    );
    refused(back(9).send().await.unwrap(), 404).await;
    let late = back(1).header("If-Match", "\"2\"").send().await.unwrap();
    refused(late, 412).await;
}

#[tokio::test]
async fn a_changed_file_is_the_next_version_and_an_old_one_does_not_come_back() {
    let origin = origin().await;
    let redis = RedisNamespace::fresh();
    let file = |rate: u32| {
        let shop = room("demo", "/", &format!("users_per_minute = {rate}"));
        ConfigFile::new(&document(origin, &shop))
    };
    let (old, new) = (file(10), file(20));
    let one = start(&old, redis.url(), &redis).await;
    let two = start(&new, redis.url(), &redis).await;
    let rate = async |edge: &Edge| edge.numbers("demo").await["users_per_minute"].clone();
    for edge in [&one, &two] {
        let follows = async || rate(edge).await == 20;
        eventually(A_SECOND, "every edge has the new file's config", follows).await;
    }
    let late = start(&old, redis.url(), &redis).await;
    assert_eq!(rate(&late).await, 20, "an edge that starts late has an old file");
    change(&late, "users_per_minute = 20", "users_per_minute = 33").await;
    let restarted = start(&new, redis.url(), &redis).await;
    assert_eq!(
        rate(&restarted).await,
        33,
        "made of this very file by an operator"
    );
    let versions = ask(&restarted, "/config/versions").await;
    let actors: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["actor"])
        .collect();
    assert_eq!(actors, ["operator", "file", "file"]);
    for edge in [&one, &two, &late] {
        let follows = async || rate(edge).await == 33;
        eventually(A_SECOND, "nobody went back", follows).await;
    }
}

#[tokio::test]
async fn a_wiped_redis_gets_the_newest_config_back() {
    let origin = origin().await;
    let redis = RedisNamespace::fresh();
    let shop = room("demo", "/", "users_per_minute = 10");
    let file = ConfigFile::new(&document(origin, &shop));
    let one = start(&file, redis.url(), &redis).await;
    change(&one, "users_per_minute = 10", "users_per_minute = 44").await;
    redis.wipe();
    let told = async || redis.keys().iter().any(|key| key.ends_with("{@config}:versions"));
    eventually(SOON, "the store is told", told).await;
    let two = start(&file, redis.url(), &redis).await;
    assert_eq!(two.numbers("demo").await["users_per_minute"], 44);
    assert_eq!(ask(&two, "/config/versions").await[0]["version"], 2);
    assert_eq!(one.numbers("demo").await["users_per_minute"], 44);
}

#[tokio::test]
async fn a_limit_set_by_hand_gives_way_to_a_new_config_and_others_do_not() {
    let edge = Edge::in_front_of(origin().await, 60, 10).await;
    let patch = edge
        .operate(Method::PATCH, "/rooms/default/limits")
        .json(&json!({ "users_per_minute": 5, "max_active": 6 }));
    assert_eq!(patch.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let limits = async || {
        let numbers = edge.numbers("default").await;
        (numbers["users_per_minute"].clone(), numbers["max_active"].clone())
    };
    let by_hand = async || limits().await == (json!(5), json!(6));
    eventually(A_SECOND, "the operator's limits", by_hand).await;
    change(&edge, "users_per_minute = 60", "users_per_minute = 90").await;
    let configured = async || limits().await == (json!(90), json!(6));
    eventually(A_SECOND, "the newer word counts", configured).await;
    let changes = ask(&edge, "/rooms/default/changes").await;
    assert_eq!(
        changes[0]["changes"],
        json!(["users_per_minute: 5 → as configured"])
    );
    assert_eq!(changes[0]["reason"], "version 2 of the config");
}

#[tokio::test]
async fn who_changed_what_is_told_and_can_be_taken_back() {
    let anna = "anna-s-very-own-token";
    let hash = waiting_room::config::live::hash("ben-s-very-own-token");
    let address = origin().await;
    let origin_argument = format!("http://{address}");
    let program = program().args(["--origin", &origin_argument]).env(
        "WAITING_ROOM_ADMIN_TOKENS",
        format!("anna:{anna}\nben:sha256:{hash}"),
    );
    let edge = Edge::start(program).await;
    let by = |token: &str, method: Method, path: &str| {
        let url = format!("http://{}{path}", edge.admin);
        crate::harness::client().request(method, url).bearer_auth(token)
    };
    let slower = by(anna, Method::PATCH, "/rooms/default/limits")
        .header("Waiting-Room-Reason", "the payment provider is slow")
        .json(&json!({ "users_per_minute": 7 }));
    assert_eq!(slower.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let pause = by("ben-s-very-own-token", Method::POST, "/rooms/default/pause");
    assert_eq!(pause.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let says = edge
        .operate(Method::PUT, "/rooms/default/message")
        .header("Waiting-Room-Actor", "carla")
        .json(&json!({ "text": "Soon." }));
    assert_eq!(says.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let claimed = by(anna, Method::POST, "/rooms/default/resume").header("Waiting-Room-Actor", "ben");
    refused(claimed.send().await.unwrap(), 400).await;
    refused(by("anna", Method::GET, "/changes").send().await.unwrap(), 401).await;

    let changes = ask(&edge, "/rooms/default/changes").await;
    let told = |index: usize| {
        let change = &changes[index];
        (
            change["actor"].clone(),
            change["proven"].clone(),
            change["changes"][0].clone(),
        )
    };
    assert_eq!(
        told(0),
        (json!("carla"), json!(false), json!("message: nothing → Soon."))
    );
    assert_eq!(
        told(1),
        (json!("ben"), json!(true), json!("switch: scheduled → paused"))
    );
    assert_eq!(
        told(2),
        (
            json!("anna"),
            json!(true),
            json!("users_per_minute: as configured → 7")
        )
    );
    assert_eq!(changes[2]["reason"], "the payment provider is slow");

    let back = edge
        .operate(Method::POST, "/rooms/default/revert")
        .json(&json!({ "version": changes[2]["version"] }));
    assert_eq!(back.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let taken_back = async || {
        let numbers = edge.numbers("default").await;
        numbers["switch"] == "scheduled" && numbers["message"].is_null() && numbers["users_per_minute"] == 7
    };
    eventually(A_SECOND, "all is as anna left it", taken_back).await;
    let all = ask(&edge, "/changes").await;
    assert_eq!(all[0]["reverts"], changes[2]["version"]);
    assert_eq!(all[0]["room"], "default");
    assert_eq!(all.as_array().unwrap().last().unwrap()["actor"], "file");
    let nothing = edge
        .operate(Method::POST, "/rooms/default/revert")
        .json(&json!({ "version": 99 }));
    refused(nothing.send().await.unwrap(), 404).await;
}
