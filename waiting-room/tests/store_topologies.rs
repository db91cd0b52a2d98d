//! The promises of a store, kept by one server, by a master with sentinels and by a cluster; and what becomes of a
//! line when their servers die, forget, and are replaced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests may panic, and tell how long something took"
)]

mod promises;

use promises::{
    Fixture,
    edge::{Dealing, Dealt, Edge},
    line,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testbed::{RedisCluster, RedisSentinels, RedisServer, eventually};
use tokio::time::Instant;
use waiting_room::store::{LineStore, RedisStore, StoreError};
use waiting_room_domain::{Holder, JoinOutcome};

/// Long enough for a failover on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What a key of the line hashes to in a cluster.
const KEY: &str = "{demo}";

fn store(url: &str) -> Arc<dyn LineStore> {
    Arc::new(RedisStore::new(url, "topologies:").unwrap())
}

fn edges(url: &str) -> [Edge; 2] {
    ["one", "two"].map(|name| Edge::new(store(url), name))
}

/// Two edges of a line that goes on.
async fn settled_edges(url: &str) -> [Edge; 2] {
    let mut edges = edges(url);
    for edge in &mut edges {
        joins(edge, 10).await;
    }
    edges
}

/// Joins as soon as the store deals numbers.
async fn joins(edge: &mut Edge, count: u32) -> Dealt {
    testbed::eventually_some(SOON, "numbers are dealt", async || {
        edge.look().await;
        edge.join(count).await
    })
    .await
}

/// No number twice, and none that the line does not know.
async fn assert_sound(edges: &mut [Edge], dealt: &[Dealt]) {
    let numbers = || dealt.iter().flat_map(|dealt| dealt.numbers.clone());
    let different: BTreeSet<u64> = numbers().collect();
    assert_eq!(different.len(), numbers().count(), "no number twice");
    for edge in edges {
        assert!(edge.look().await);
        assert!(edge.issued() > *different.last().unwrap(), "no place is lost");
    }
}

/// Both edges deal numbers while `trouble` comes and goes, until each has dealt some afterwards. Tells how long
/// nobody was dealt a number.
async fn deal_through(what: &str, edges: [Edge; 2], trouble: impl AsyncFnOnce()) {
    let mut dealing = edges.map(Edge::deal);
    all_deal(&mut dealing).await;
    trouble().await;
    all_deal(&mut dealing).await;
    let (mut edges, mut all) = (Vec::new(), Vec::new());
    for one in dealing {
        let (edge, dealt) = one.stop().await;
        edges.push(edge);
        all.extend(dealt);
    }
    all.sort_by_key(|dealt| dealt.at);
    let pause = all.windows(2).map(|two| two[1].at - two[0].at).max().unwrap();
    eprintln!(
        "{what}: {} groups, nobody was dealt a number for {pause:?} at most",
        all.len()
    );
    assert_sound(&mut edges, &all).await;
}

/// The store has lost the last numbers, and of two edges only the first knows them. The second asks first, as soon as
/// there is anybody to ask, and is dealt nothing until the first has told.
async fn assert_waits_for_who_knows(edges: [Edge; 2]) {
    let [mut knows, mut asks] = edges;
    let dealt = knows.issued();
    assert!(asks.issued() < dealt);
    eventually(SOON, "the store answers", async || asks.look().await).await;
    assert!(
        asks.issued() < dealt,
        "the store has lost what this test is about"
    );
    let answer = asks.ask(1).await;
    assert!(
        matches!(answer, Ok(JoinOutcome::Resync)),
        "a number that somebody may have: {answer:?}"
    );
    // An edge looks ten times a second; its first question may only find that the connection is lost.
    let tells = eventually(SOON, "the store is told", async || knows.look().await);
    let ((), next) = tokio::join!(tells, joins(&mut asks, 1));
    assert!(next.numbers.start >= dealt, "{:?} after {dealt}", next.numbers);
}

async fn all_deal(dealing: &mut [Dealing]) {
    let now = Instant::now();
    for one in dealing {
        let dealt = tokio::time::timeout(SOON, one.dealt_after(now)).await;
        dealt.expect("numbers are dealt");
    }
}

/// Every promise at once, each under keys of its own.
async fn every_promise(url: &str) {
    macro_rules! keep {
        ($($promise:ident),* $(,)?) => {
            tokio::join!($(promises::$promise(Fixture::at(url, concat!(stringify!($promise), ":")))),*)
        };
    }
    promises::each_promise!(keep);
}

// --- the promises

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_the_promises() {
    let server = RedisServer::start().await;
    every_promise(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_with_sentinels_keeps_the_promises() {
    let sentinels = RedisSentinels::start().await;
    every_promise(&sentinels.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_promises() {
    let cluster = RedisCluster::start().await;
    every_promise(&cluster.url()).await;
}

// --- one server

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_killed_and_started_again_under_joins() {
    let mut server = RedisServer::durable().await;
    let edges = settled_edges(&server.url()).await;
    deal_through("a server restarted", edges, async || {
        server.kill_9();
        server.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_back_with_an_older_file() {
    let mut server = RedisServer::durable().await;
    let mut edges = settled_edges(&server.url()).await;
    let disk = server.copy_disk();
    joins(&mut edges[0], 500).await;
    server.put_back(&disk);
    server.start_again().await;
    assert_waits_for_who_knows(edges).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_scripts_is_given_them_and_goes_on() {
    let server = RedisServer::start().await;
    let [mut edge, _] = settled_edges(&server.url()).await;
    server.ask::<()>(redis::cmd("SCRIPT").arg("FLUSH")).unwrap();
    let dealt = edge.ask(1).await;
    assert!(
        matches!(dealt, Ok(JoinOutcome::Dealt { first: 20, .. })),
        "{dealt:?}"
    );
    assert!(edge.look().await);
}

/// As the documentation says.
const RIGHTS: &str =
    "~topologies:* +@read +@write +evalsha +script|load +info +time +role +ping +cluster|slots";

fn restrict(server: &RedisServer) {
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("edge").arg("on").arg(">a,b@c");
    for right in RIGHTS.split(' ') {
        user.arg(right);
    }
    server.ask::<()>(&user).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn few_rights_are_enough() {
    let server = RedisServer::start().await;
    restrict(&server);
    let login = |url: &str| url.replace("://", "://edge:a%2Cb%40c@");
    settled_edges(&login(&server.url())).await;

    let mut sentinels = RedisSentinels::start().await;
    sentinels.servers().iter().for_each(restrict);
    settled_edges(&login(&sentinels.url())).await;

    let mut cluster = RedisCluster::start().await;
    cluster.servers().iter().for_each(restrict);
    settled_edges(&login(&cluster.url())).await;

    let wrong = login(&server.url()).replace("edge", "nobody");
    assert!(!Edge::new(store(&wrong), "stranger").look().await);
}

// --- sentinels

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_missed_the_last_writes_deals_no_number_twice() {
    let mut redis = RedisSentinels::start().await;
    let mut edges = settled_edges(&redis.url()).await;
    redis.caught_up(1).await;
    redis.cut_replication(0).await;
    joins(&mut edges[0], 500).await;
    redis.servers()[0].kill_9();
    assert_waits_for_who_knows(edges).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_is_killed_under_joins() {
    let mut redis = RedisSentinels::start().await;
    let edges = settled_edges(&redis.url()).await;
    redis.caught_up(1).await;
    redis.cut_replication(0).await;
    deal_through("a failover", edges, async || {
        redis.servers()[0].kill_9();
        let second = redis.servers()[1].address();
        eventually(SOON, "the replica is the master", async || redis.agree_on(second)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_only_paused_is_believed_no_more() {
    let mut redis = RedisSentinels::start().await;
    let edges = settled_edges(&redis.url()).await;
    redis.caught_up(1).await;
    deal_through("a failover from a paused master", edges, async || {
        redis.servers()[0].pause();
        let second = redis.servers()[1].address();
        eventually(SOON, "the replica is the master", async || redis.agree_on(second)).await;
        redis.servers()[0].resume();
        redis.caught_up(0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_only_the_sentinels_have_lost_is_left() {
    let mut redis = RedisSentinels::start().await;
    let edges = settled_edges(&redis.url()).await;
    redis.caught_up(1).await;
    let second = redis.servers()[1].address();
    deal_through("a failover from a master that still answers", edges, async || {
        redis.hide_from_sentinels(0);
        eventually(SOON, "the replica is the master", async || redis.agree_on(second)).await;
        let issued = |server: &RedisServer| {
            let mut question = redis::cmd("HGET");
            question.arg("topologies:{demo}:1:state").arg("issued:0");
            server.ask::<u64>(&question).unwrap()
        };
        let replicated = issued(&redis.servers()[1]);
        eventually(SOON, "the new master deals numbers", async || {
            issued(&redis.servers()[1]) > replicated + 100
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_the_master_again_deals_no_number_twice() {
    let mut redis = RedisSentinels::start().await;
    let mut edges = settled_edges(&redis.url()).await;
    redis.caught_up(1).await;
    let addresses = [redis.servers()[0].address(), redis.servers()[1].address()];
    // The first is replaced without being restarted: it has still what it was given when it was the master.
    redis.servers()[0].pause();
    for edge in &mut edges {
        assert!(
            !edge.look().await,
            "an edge notices, as it looks ten times a second"
        );
    }
    eventually(SOON, "the second is the master", async || {
        redis.agree_on(addresses[1])
    })
    .await;
    redis.servers()[0].resume();
    for edge in &mut edges {
        joins(edge, 10).await;
    }
    redis.caught_up(0).await;
    redis.cut_replication(1).await;
    joins(&mut edges[0], 500).await;
    redis.servers()[1].kill_9();
    assert_waits_for_who_knows(edges).await;
}

// --- a cluster

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_the_lines_server_lets_nobody_in_until_it_is_back() {
    let mut cluster = RedisCluster::start().await;
    let edges = settled_edges(&cluster.url()).await;
    let holder = cluster.holder_of(KEY);
    let other = store(&cluster.url());
    deal_through("a cluster's server restarted", edges, async || {
        cluster.servers()[holder].kill_9();
        for _ in 0..5 {
            let asked = Instant::now();
            let looked = other.held_by(&line(), &[Holder([7; 16])]).await;
            assert!(
                matches!(looked, Err(StoreError::Unavailable { .. })),
                "{looked:?}"
            );
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        }
        cluster.servers()[holder].start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clusters_server_comes_back_with_an_older_file() {
    let mut cluster = RedisCluster::start().await;
    let mut edges = settled_edges(&cluster.url()).await;
    let holder = cluster.holder_of(KEY);
    let disk = cluster.servers()[holder].copy_disk();
    joins(&mut edges[0], 500).await;
    cluster.servers()[holder].put_back(&disk);
    cluster.servers()[holder].start_again().await;
    assert_waits_for_who_knows(edges).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_moves_to_another_server_of_the_cluster() {
    let cluster = RedisCluster::start().await;
    let edges = settled_edges(&cluster.url()).await;
    let holder = cluster.holder_of(KEY);
    deal_through("a slot moved", edges, async || {
        cluster.move_slot_of(KEY, (holder + 1) % 3);
    })
    .await;
    assert_ne!(cluster.holder_of(KEY), holder);
}
