//! What becomes of a request whose origin answers nonsense, half, late or not at all: it is sent again where that can do
//! no harm, and nowhere else.

use crate::{
    harness::SOON,
    origins::{Shop, UNCHECKED, UNJUDGED, Way, by_both_ways, problem},
    rough_server::{Manner, RoughServer},
};
use reqwest::StatusCode;
use std::time::Duration;
use testbed::eventually;

by_both_ways! {
    an_origin_that_is_silent_is_given_up_in_time
    an_answer_that_takes_for_ever_is_ended
    nonsense_from_an_origin_is_a_problem_and_never_a_hang
    a_post_that_may_have_been_received_is_never_sent_again
    an_idle_connection_that_has_died_fails_no_get_and_repeats_no_post
    what_was_not_sent_goes_to_another_server_whatever_it_is
}

async fn an_origin_that_is_silent_is_given_up_in_time(way: Way) {
    let (silent, well) = (RoughServer::up().await, RoughServer::up().await);
    silent.behaves(Manner::Silent);
    let more = format!("timeouts = {{ silence_seconds = 1 }}\n{UNCHECKED}{UNJUDGED}");
    let alone = Shop::of(&[&silent], way, &more).await;
    problem(alone.get().await, 504).await;
    problem(alone.post().await, 504).await;
    assert_eq!((silent.count("GET"), silent.count("POST")), (1, 1));
    alone.line_is_as_it_was().await;
    // Another server answers in its place.
    let both = Shop::of(&[&silent, &well], way, &more).await;
    for _ in 0..2 {
        assert_eq!(both.get().await.status(), StatusCode::OK);
    }
    assert!(silent.count("GET") > 1, "it was asked first");
    silent.was_asked_by_nobody_without_pass();
}

async fn an_answer_that_takes_for_ever_is_ended(way: Way) {
    let server = RoughServer::up().await;
    server.behaves(Manner::Drips);
    let more = format!("timeouts = {{ whole_seconds = 1 }}\n{UNCHECKED}");
    let shop = Shop::of(&[&server], way, &more).await;
    let mut answer = shop.get().await;
    let ended = async || {
        server.goes_on();
        matches!(
            tokio::time::timeout(Duration::from_millis(20), answer.chunk()).await,
            Ok(Err(_))
        )
    };
    eventually(SOON, "the answer breaks off", ended).await;
    server.behaves(Manner::Well);
    assert_eq!(shop.get().await.text().await.unwrap(), "the shop");
}

async fn nonsense_from_an_origin_is_a_problem_and_never_a_hang(way: Way) {
    let server = RoughServer::up().await;
    let more = format!("timeouts = {{ silence_seconds = 2 }}\nretries = 0\n{UNCHECKED}{UNJUDGED}");
    let shop = Shop::of(&[&server], way, &more).await;
    for manner in [
        Manner::Raw("who is there?\r\n\r\n"),
        Manner::Raw("HTTP/1.1 abc OK\r\n\r\n"),
        Manner::Raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        Manner::Raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        Manner::Raw("HTTP/1.1 200 OK\r\nX-Half"),
        Manner::HugeHead,
        Manner::HangsUp,
    ] {
        server.behaves(manner);
        problem(shop.get().await, 502).await;
        problem(shop.post().await, 502).await;
        server.behaves(Manner::Well);
        assert_eq!(
            shop.get().await.text().await.unwrap(),
            "the shop",
            "after {manner:?}"
        );
    }
    // Half an answer is never taken for a whole one.
    for manner in [
        Manner::Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        Manner::Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        Manner::Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
    ] {
        server.behaves(manner);
        let answer = shop.try_to_get().await;
        let body = match answer {
            Ok(answer) if answer.status() == 200 => answer.bytes().await.ok(),
            _ => None,
        };
        assert_eq!(body, None, "{manner:?}");
        server.behaves(Manner::Well);
        assert_eq!(
            shop.get().await.text().await.unwrap(),
            "the shop",
            "after {manner:?}"
        );
    }
    shop.line_is_as_it_was().await;
}

async fn a_post_that_may_have_been_received_is_never_sent_again(way: Way) {
    let (one, other) = (RoughServer::up().await, RoughServer::up().await);
    let more = format!("timeouts = {{ silence_seconds = 1 }}\nretries = 5\n{UNCHECKED}{UNJUDGED}");
    let shop = Shop::of(&[&one, &other], way, &more).await;
    let mut posted = 0;
    for manner in [
        Manner::HangsUp,
        Manner::Silent,
        Manner::Status(503),
        Manner::Raw("nonsense\r\n\r\n"),
    ] {
        one.behaves(manner);
        other.behaves(manner);
        let status = shop.post().await.status();
        assert!(matches!(status.as_u16(), 502..=504), "{manner:?}: {status}");
        posted += 1;
        assert_eq!(one.count("POST") + other.count("POST"), posted, "{manner:?}");
        // What can be repeated is, on the other server.
        let before = one.count("GET") + other.count("GET");
        assert!(shop.get().await.status().is_server_error());
        assert_eq!(one.count("GET") + other.count("GET"), before + 2, "{manner:?}");
    }
}

async fn an_idle_connection_that_has_died_fails_no_get_and_repeats_no_post(way: Way) {
    let server = RoughServer::up().await;
    server.behaves(Manner::WellOnce);
    let shop = Shop::of(&[&server], way, &format!("{UNCHECKED}{UNJUDGED}")).await;
    for _ in 0..3 {
        assert_eq!(shop.get().await.status(), StatusCode::OK);
    }
    let came = server.count("GET");
    assert!(came > 3, "connections were used again: {came}");
    for _ in 0..4 {
        shop.post().await;
    }
    assert_eq!(server.count("POST"), 4);
}

async fn what_was_not_sent_goes_to_another_server_whatever_it_is(way: Way) {
    let (gone, well) = (RoughServer::up().await, RoughServer::up().await);
    let shop = Shop::of(&[&gone, &well], way, &format!("{UNCHECKED}{UNJUDGED}")).await;
    gone.goes_down().await;
    for _ in 0..6 {
        assert_eq!(shop.post().await.status(), StatusCode::OK);
    }
    assert_eq!((gone.count("POST"), well.count("POST")), (0, 6));
}
