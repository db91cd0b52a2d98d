//! Draws as members, admins and strangers meet them, with the worker, the broker, the database and the mail server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod raffle;
#[path = "../support/mod.rs"]
mod support;

use futures::future::join_all;
use raffle::{DRAW, Raffle, body};
use reqwest::Method;
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
};
use support::{SOON, TestShop, send};
use testbed::{eventually, eventually_some, free_address};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

#[tokio::test]
async fn winners_are_told_and_nobody_else_buys() {
    let raffle = Raffle::drawn(TestShop::open().await, 2, 4).await;
    let order = raffle.order().await;
    raffle
        .states(&order, &["may_buy", "may_buy", "waiting", "waiting"])
        .await;
    for winner in &order[..2] {
        let told = async || raffle.mails(winner).len() == 1;
        eventually(SOON, "the winner is told", told).await;
        assert!(raffle.mails(winner)[0].contains("Spring raffle"));
    }
    assert!(raffle.mails(order[2]).is_empty());
    for refused in [
        raffle.shop.order("stranger", "k", "sneaker", 1),
        raffle.order_of(order[2], "k", 1),
        raffle.order_of(order[0], "two", 2),
    ] {
        let refused = send(refused).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (403, "purchase-right-required"),
            "{refused:?}"
        );
    }
    let held = raffle.buy(order[0], "k").await;
    assert_eq!(held.status, 201, "{held:?}");
    let stands = raffle.comes_to(order[0], "ordered").await;
    assert_eq!(stands["order_id"], held.order_id());
    let second = send(raffle.order_of(order[0], "other", 1)).await;
    assert_eq!(
        (second.status, second.problem().as_str()),
        (409, "purchase-right-in-use")
    );
    assert_eq!(raffle.buy(order[0], "k").await.order_id(), held.order_id());
    raffle.pay(order[0], &held.order_id()).await;
    raffle.comes_to(order[0], "bought").await;
    let again = send(raffle.order_of(order[0], "another", 1)).await;
    assert_eq!(
        again.problem(),
        "purchase-right-required",
        "a right is spent once"
    );
}

#[tokio::test]
async fn what_is_not_bought_goes_to_the_next() {
    let raffle = Raffle::drawn(TestShop::open().await, 1, 3).await;
    let order = raffle.order().await;
    raffle.states(&order, &["may_buy", "waiting", "waiting"]).await;
    raffle
        .sql("UPDATE purchase_rights SET lapses_at = clock_timestamp()")
        .await;
    raffle.states(&order, &["lapsed", "may_buy", "waiting"]).await;
    let told = async || raffle.mails(order[1]).len() == 1;
    eventually(SOON, "the next is told, too", told).await;
    let late = send(raffle.order_of(order[0], "late", 1)).await;
    assert_eq!(late.problem(), "purchase-right-required");

    // Who orders and cancels may order again while there is time.
    let given_up = raffle.buy(order[1], "k").await.order_id();
    raffle.cancel(order[1], &given_up).await;
    raffle.comes_to(order[1], "may_buy").await;
    let held = raffle.buy(order[1], "again").await;
    assert_eq!(held.status, 201, "{held:?}");
    raffle.pay(order[1], &held.order_id()).await;
    raffle.becomes("finished").await;
    raffle.states(&order, &["lapsed", "bought", "not_reached"]).await;

    // What is left over is for everybody.
    let keys = AtomicU32::new(0);
    let free = async || {
        let key = keys.fetch_add(1, Ordering::Relaxed).to_string();
        raffle.shop.buy("stranger", &key, "sneaker").await.status == 201
    };
    eventually(SOON, "the product is for sale again", free).await;
    let (code, said) = raffle.verify(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("lane 0: 3 joined, 3 drawn, 2 called"), "{said}");
}

#[tokio::test]
async fn the_verifier_confirms_every_entry_and_its_place() {
    let raffle = Raffle::with(TestShop::without_worker().await, 2, 4).await;
    raffle.open().await;
    for member in &raffle.members {
        raffle.enter(member).await;
    }
    let leaver = &raffle.members[3];
    let leave = raffle.by(&leaver.token, Method::DELETE, &format!("{DRAW}/entry"));
    assert_eq!(send(leave).await.status, 204);
    assert_eq!(raffle.stands(leaver).await["state"], "left");
    raffle.close().await;
    for member in &raffle.members {
        let receipt = send(raffle.by(&member.token, Method::GET, &format!("{DRAW}/receipt"))).await;
        let entry = receipt.json();
        let (receipt, id) = (
            entry["receipt"].as_str().unwrap(),
            entry["entry_id"].as_str().unwrap(),
        );
        let (code, said) = raffle.verify(&["--receipt", receipt, "--ticket", id]);
        assert_eq!(code, 0, "{said}");
        let place = raffle.stands(member).await["place"].as_u64().unwrap();
        assert!(said.contains(&format!("was drawn to place {place}")), "{said}");
        let other = format!("{}{}", if id.starts_with('0') { '1' } else { '0' }, &id[1..]);
        let (code, said) = raffle.verify(&["--receipt", receipt, "--ticket", &other]);
        assert_eq!(code, 1, "another entry has no such receipt: {said}");
    }
    let page = raffle.shop.request(Method::GET, &format!("{DRAW}/check"));
    let page = send(page.header("Accept", "text/html")).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("draw-spring"), "{page:?}");
}

#[tokio::test]
async fn a_right_that_was_taken_from_its_order_in_the_queue_sells_nothing() {
    let mut raffle = Raffle::drawn(TestShop::without_worker().await, 1, 2).await;
    let names: Vec<String> = raffle
        .order()
        .await
        .iter()
        .map(|member| member.name.clone())
        .collect();
    let member = |raffle: &Raffle, place: usize| {
        let found = raffle
            .members
            .iter()
            .position(|member| member.name == names[place]);
        found.unwrap()
    };
    let (first, second) = (member(&raffle, 0), member(&raffle, 1));
    raffle.comes_to(&raffle.members[first], "may_buy").await;
    let queued = send(raffle.order_of(&raffle.members[first], "k", 1)).await;
    assert_eq!(queued.status, 202);
    raffle
        .sql("UPDATE purchase_rights SET lapses_at = clock_timestamp(), claimed_at = claimed_at - interval '1 hour'")
        .await;
    raffle.comes_to(&raffle.members[second], "may_buy").await;
    raffle.shop.worker = Some(raffle.shop.around.start_worker().await);
    let refused = eventually_some(SOON, "the order is decided", async || {
        let look = raffle
            .shop
            .by(&names[0], Method::GET, &format!("/orders/{}", queued.order_id()))
            .bearer_auth(&raffle.members[first].token);
        let order = send(look).await.json();
        (order["state"] != "pending").then_some(order)
    })
    .await;
    assert_eq!(
        (refused["state"].as_str(), refused["refusal"].as_str()),
        (Some("refused"), Some("no_right"))
    );
    assert_eq!(raffle.buy(&raffle.members[second], "k").await.status, 201);
    assert_eq!(raffle.shop.count("SELECT held FROM stock").await, 1);
}

#[tokio::test]
async fn two_instances_one_of_which_is_killed_draw_once_and_write_once() {
    let mut raffle = Raffle::with(TestShop::without_worker().await, 3, 6).await;
    raffle.open().await;
    let other = raffle.shop.around.start_api(free_address()).await;
    let entered = join_all(raffle.members.iter().map(|member| raffle.enter(member))).await;
    let numbers: BTreeSet<u64> = entered
        .iter()
        .map(|answer| answer.json()["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..6).collect());
    raffle.sql("UPDATE draws SET closes_at = clock_timestamp()").await;
    raffle.shop.restart().await;
    raffle.becomes("selling").await;
    let mails = || {
        let all = raffle.shop.around.mails.to(None);
        all.into_iter()
            .filter(|mail| mail.subject.contains("Spring raffle"))
            .count()
    };
    eventually(SOON, "three winners are told", async || mails() == 3).await;
    assert_eq!(raffle.shop.count("SELECT count(*) FROM purchase_rights").await, 3);
    let log = raffle.shop.get(&format!("{DRAW}/log")).await.text;
    for once in ["\nfreeze ", "\nreveal "] {
        assert_eq!(log.matches(once).count(), 1, "{log}");
    }
    assert_eq!(raffle.verify(&[]).0, 0);
    assert_eq!(mails(), 3);
    drop(other);
}

#[tokio::test]
async fn only_admins_arrange_and_only_members_enter() {
    let raffle = Raffle::with(TestShop::without_worker().await, 2, 1).await;
    let (user, entry) = (&raffle.members[0], format!("{DRAW}/entry"));
    for (method, path) in [(Method::PUT, DRAW), (Method::DELETE, DRAW)] {
        let nobody = raffle.shop.request(method.clone(), path).json(&body(1));
        assert_eq!(send(nobody).await.problem(), "sign-in-needed");
        let user = raffle.by(&user.token, method, path).json(&body(1));
        assert_eq!(send(user).await.problem(), "role-missing");
    }
    for method in [Method::PUT, Method::GET, Method::DELETE] {
        let nobody = raffle.shop.request(method, &entry);
        assert_eq!(send(nobody).await.problem(), "sign-in-needed");
    }
    for method in [Method::PUT, Method::DELETE] {
        let early = send(raffle.by(&user.token, method, &entry)).await;
        assert_eq!((early.status, early.problem().as_str()), (409, "draw-not-open"));
        assert_eq!(early.json()["phase"], "scheduled");
    }
    assert_eq!(raffle.stands(user).await["state"], "not_entered");
    let none = raffle.by(&user.token, Method::GET, &format!("{DRAW}/receipt"));
    assert_eq!(send(none).await.problem(), "not-entered");
    for path in [
        "/draws/none",
        "/draws/none/log",
        "/draws/No%20Name",
        "/draws/none/check",
    ] {
        assert_eq!(raffle.shop.get(path).await.problem(), "unknown-draw", "{path}");
    }
}

#[tokio::test]
async fn a_draw_is_arranged_by_what_makes_sense() {
    let raffle = Raffle::with(TestShop::without_worker().await, 2, 1).await;
    let mut changed = body(3);
    changed["title"] = json!("Summer raffle");
    let answer = raffle.arrange(&changed).await;
    assert_eq!((answer.status, answer.json()["units"].as_u64()), (200, Some(3)));
    let shown = async || {
        let list = raffle.shop.get("/draws").await.json();
        list["draws"][0]["title"] == "Summer raffle" && list["server_time"].is_string()
    };
    eventually(SOON, "the list shows the change", shown).await;
    let page = raffle
        .shop
        .request(Method::GET, DRAW)
        .header("Accept", "text/html");
    assert!(send(page).await.text.contains("Summer raffle"));

    let invalid = raffle.arrange(&json!({ "units": 0 })).await;
    assert_eq!(
        (invalid.status, invalid.problem().as_str()),
        (422, "invalid-draw")
    );
    let mut wrong = body(0);
    wrong["opens_at"] = json!("2020-01-01T00:00:00Z");
    assert_eq!(
        raffle.arrange(&wrong).await.json()["errors"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(raffle.arrange(&body(11)).await.problem(), "too-few-units");
    let second = raffle
        .by(&raffle.admin, Method::PUT, "/draws/other")
        .json(&body(1));
    assert_eq!(send(second).await.problem(), "product-in-draw");
    raffle.open().await;
    assert_eq!(raffle.arrange(&body(1)).await.problem(), "draw-opened");
    let cancel = raffle.by(&raffle.admin, Method::DELETE, DRAW);
    assert_eq!(send(cancel).await.problem(), "draw-opened");

    // Once is enough, and the answer is the same.
    let (first, again) = (
        raffle.enter(&raffle.members[0]).await,
        raffle.enter(&raffle.members[0]).await,
    );
    assert_eq!((again.status, again.json()), (200, first.json()));
    let moment = OffsetDateTime::parse(
        raffle.stands(&raffle.members[0]).await["server_time"]
            .as_str()
            .unwrap(),
        &Rfc3339,
    );
    assert!(moment.is_ok());
}
