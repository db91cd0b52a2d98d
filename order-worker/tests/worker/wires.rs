//! The connections to the servers are cut while orders flow.

use crate::shop::{SOON, Shop, place_through};
use broker::{Broker, Publisher};
use std::net::SocketAddr;
use testbed::{Wire, eventually, http_get};

#[tokio::test(flavor = "multi_thread")]
async fn no_confirmed_order_is_lost_when_the_publishers_connection_is_cut() {
    let shop = Shop::open(&[400]).await;
    let _worker = shop.worker().await;
    let (wire, url) = Wire::to_url(shop.namespace.url());
    let publisher = Publisher::start(&Broker::new(&url, shop.topology.clone(), "test").unwrap());
    let mut confirmed = Vec::new();
    for wave in 0..5 {
        let numbers = wave * 1_000..(wave + 1) * 1_000;
        let (placed, ()) = tokio::join!(place_through(&publisher, numbers), async {
            let enough = i64::from(wave) * 100 + 50;
            eventually(SOON, "some progress", async || shop.decided().await > enough).await;
            wire.cut();
            eventually(SOON, "it notices", async || !publisher.is_connected()).await;
            wire.heal();
        });
        confirmed.extend(placed);
        eventually(SOON, "it reconnects", async || publisher.is_connected()).await;
    }
    assert!(
        confirmed.len() > 500,
        "it goes on after each cut: {}",
        confirmed.len()
    );
    shop.check(&confirmed, 400).await;
    assert_eq!(shop.units().await.1, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_connection_to_the_broker_is_cut_loses_and_doubles_nothing() {
    let shop = Shop::open(&[400]).await;
    let (wire, url) = Wire::to_url(shop.namespace.url());
    let (worker, listen) = shop.worker_at(&url, shop.database.url());
    let _worker = worker.ready_at(listen, "/readyz").start().await;
    let ((), confirmed) = tokio::join!(
        async {
            for round in 0..5 {
                let enough = round * 400 + 100;
                eventually(SOON, "some progress", async || shop.decided().await > enough).await;
                wire.cut();
                eventually(SOON, "it notices", async || ready(listen).await == Some(503)).await;
                wire.heal();
            }
        },
        shop.place(0..3_000)
    );
    assert_eq!(confirmed.len(), 3_000);
    shop.check(&confirmed, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_its_servers_and_is_ready_when_they_are_there() {
    let shop = Shop::open(&[1]).await;
    let (broker_wire, amqp_url) = Wire::to_url(shop.namespace.url());
    broker_wire.cut();
    let (worker, listen) = shop.worker_at(&amqp_url, shop.database.url());
    let _worker = worker.ready_at(listen, "/livez").start().await;
    let (status, answer) = http_get(listen, "/readyz").await.unwrap();
    assert_eq!(
        (status, answer.as_str()),
        (503, "rabbitmq: down\npostgresql: up\n")
    );
    broker_wire.heal();
    eventually(SOON, "it is ready", async || ready(listen).await == Some(200)).await;
    let confirmed = shop.place([1]).await;
    shop.check(&confirmed, 1).await;
    let (_, metrics) = http_get(listen, "/metrics").await.unwrap();
    assert!(
        metrics.contains("order_commands_total{verdict=\"held\"} 1"),
        "{metrics}"
    );
}

async fn ready(listen: SocketAddr) -> Option<u16> {
    http_get(listen, "/readyz").await.ok().map(|(status, _)| status)
}
