//! What every store promises, asked of the memory store and of real Redis alike. Each promise is put to two edges
//! that share the store: to the memory store as two handles, to Redis as two connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

#[macro_use]
mod promises;

use promises::{Fixture, group, line, marks};
use waiting_room::store::{ConfigPut, Known};
use waiting_room_domain::{JoinOutcome, Marks, Stamp};

macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod the_memory_store {
            $(#[tokio::test] async fn $promise() { crate::promises::$promise(crate::Fixture::memory()).await; })*
        }
        mod the_redis_store {
            $(#[tokio::test] async fn $promise() { crate::promises::$promise(crate::Fixture::redis()).await; })*
        }
    };
}

promises::each_promise!(promises);

// --- what only a store outside the process can go through

#[tokio::test]
async fn a_wiped_redis_deals_no_number_twice() {
    let fixture = Fixture::redis();
    let before = fixture.settled().await.snapshot;
    fixture.join(0, 50).await;
    let remembered = Marks::from(&fixture.look(0).await.snapshot);
    fixture.redis.as_ref().unwrap().wipe();

    let known = Known {
        incarnation: before.incarnation,
        issued: 50,
    };
    assert_eq!(
        fixture.edges[1].join(&line(), &group(1), known).await.unwrap(),
        JoinOutcome::Resync
    );
    let seen = fixture.tell(0, &remembered).await.snapshot;
    assert_ne!(seen.incarnation, before.incarnation);
    assert!(seen.is_recovering());
    assert_eq!(
        fixture.join(1, 1).await,
        JoinOutcome::Resync,
        "it stands still until every edge has looked"
    );
    fixture.settled().await;
    assert_eq!(fixture.first_number(1, 1).await, 50);
}

#[tokio::test]
async fn a_redis_that_lost_its_last_writes_is_told_what_it_dealt() {
    let fixture = Fixture::redis();
    let incarnation = fixture.settled().await.snapshot.incarnation;
    fixture.join(0, 50).await;
    let redis = fixture.redis.as_ref().unwrap();
    // Rolled back by ten numbers, as an append-only file that misses its last second is.
    let mut connection = redis::Client::open(redis.url())
        .unwrap()
        .get_connection()
        .unwrap();
    let state = redis
        .keys()
        .into_iter()
        .find(|key| key.ends_with(":state"))
        .unwrap();
    redis::cmd("HSET")
        .arg(state)
        .arg("issued:0")
        .arg(40)
        .exec(&mut connection)
        .unwrap();

    let known = Known {
        incarnation,
        issued: 50,
    };
    assert_eq!(
        fixture.edges[0].join(&line(), &group(1), known).await.unwrap(),
        JoinOutcome::Resync
    );
    fixture.tell(0, &marks(50, 0, 0)).await;
    fixture.settled().await;
    assert_eq!(fixture.first_number(1, 1).await, 50);
}

#[tokio::test]
async fn a_wiped_redis_takes_no_operators_word_until_edges_could_tell_what_it_forgot() {
    let fixture = Fixture::redis();
    fixture.put_config(0, "one").await;
    let (newest, known) = fixture.config_since(Stamp::default()).await;
    fixture.redis.as_ref().unwrap().wipe();
    assert_eq!(fixture.config_since(newest).await, (Stamp::default(), vec![]));
    assert_eq!(fixture.put_config_once(0, "other").await, ConfigPut::Recovering);
    assert!(fixture.live[1].restore_config(&known).await.unwrap());
    assert_eq!(fixture.config_since(Stamp::default()).await, (newest, known));
    assert_eq!(fixture.put_config(1, "two").await.number, 2);
}

#[tokio::test]
async fn a_waiting_shopper_costs_redis_nothing() {
    let fixture = Fixture::redis();
    fixture.settled().await;
    let redis = fixture.redis.as_ref().unwrap();
    let fields = || {
        let mut connection = redis::Client::open(redis.url())
            .unwrap()
            .get_connection()
            .unwrap();
        let mut fields = 0;
        for key in redis.keys() {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            fields += match kind.as_str() {
                "hash" => redis::cmd("HLEN")
                    .arg(&key)
                    .query::<u64>(&mut connection)
                    .unwrap(),
                "zset" => redis::cmd("ZCARD")
                    .arg(&key)
                    .query::<u64>(&mut connection)
                    .unwrap(),
                _ => 0,
            };
        }
        fields
    };
    fixture.join(0, 1).await;
    let before = fields();
    for _ in 0..100 {
        fixture.join(0, 10_000).await;
    }
    assert_eq!(fixture.look(0).await.snapshot.issued(), 1_000_001);
    assert_eq!(fields(), before, "a million people later");
}
