//! What comes after the payment: shipped, delivered, kept, or sent back, with the clock moved forward.

use crate::shop::{PRICE, Shop, cancel, captured, order_id, place, refund, send_back};
use futures::future::join_all;
use order_worker::{
    reconcilers::{Reconciler, TakeSteps},
    store::Store,
};
use sqlx::{query, query_as, query_scalar};
use std::sync::Arc;
use time::Duration;
use tokio::sync::Notify;

impl Shop {
    /// The books so many days from now.
    fn in_days(&self, days: i64) -> Store {
        self.store().ahead(Duration::days(days))
    }

    /// Takes every step that is due so many days from now; answers how many.
    async fn steps(&self, days: i64) -> usize {
        let (store, relay) = (self.in_days(days), Arc::new(Notify::new()));
        TakeSteps { store, relay }.run().await.unwrap().count
    }

    async fn make_refunds(&self) -> usize {
        let store = self.store();
        let due = store.due_refunds(100).await.unwrap();
        for refund in &due {
            assert!(store.refund_made(refund).await.unwrap());
            assert!(!store.refund_made(refund).await.unwrap(), "noted once");
        }
        due.len()
    }

    /// The sum of all refunds, made or owed, and what the order says went back.
    async fn money_back(&self, number: u32) -> (i64, i64) {
        query_as(
            "SELECT (SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds WHERE order_id = orders.id),
                    refunded_minor
               FROM orders WHERE id = $1",
        )
        .bind(order_id(number).as_uuid())
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn paid_orders_walk_through_a_week() {
    let shop = Shop::open(&[10]).await;
    for number in 1..=4 {
        let event = number.to_string();
        let bought = [place(number, &[("p0", 1)]), captured(number, &event, PRICE)];
        shop.store().apply(&bought).await.unwrap();
    }
    assert_eq!(shop.steps(0).await, 0, "nothing is due on the first day");

    shop.store().apply(&[cancel(1)]).await.unwrap();
    assert_eq!(shop.units().await, (10, 0, 3));
    assert_eq!(shop.steps(1).await, 3);
    assert_eq!(shop.state(2).await.as_deref(), Some("shipped"));
    shop.in_days(1).apply(&[cancel(2), send_back(2)]).await.unwrap();
    assert_eq!(
        shop.state(2).await.as_deref(),
        Some("shipped"),
        "too late, and too early"
    );

    assert_eq!(shop.steps(2).await, 3);
    shop.in_days(2).apply(&[send_back(3)]).await.unwrap();
    assert_eq!(shop.state(3).await.as_deref(), Some("return_requested"));
    assert_eq!(shop.steps(2).await, 0, "not back yet");

    assert_eq!(shop.steps(3).await, 3, "two are kept, and one is back");
    shop.in_days(3).apply(&[send_back(4)]).await.unwrap();
    assert_eq!(
        shop.state(4).await.as_deref(),
        Some("confirmed"),
        "the day is over"
    );
    assert_eq!(shop.make_refunds().await, 2);
    assert_eq!(shop.steps(7).await, 0);

    for (number, state, back) in [
        (1, "refunded", (PRICE, PRICE)),
        (2, "confirmed", (0, 0)),
        (3, "refunded", (PRICE, PRICE)),
    ] {
        assert_eq!(shop.state(number).await.as_deref(), Some(state), "{number}");
        assert_eq!(shop.money_back(number).await, back, "{number}");
    }
    assert_eq!(shop.units().await, (10, 0, 2));
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_taken_at_once_are_taken_once() {
    let shop = Shop::open(&[300]).await;
    let bought: Vec<_> = (0..200)
        .flat_map(|number| {
            [
                place(number, &[("p0", 1)]),
                captured(number, &number.to_string(), PRICE),
            ]
        })
        .collect();
    shop.store().apply(&bought).await.unwrap();
    shop.steps(1).await;
    shop.steps(2).await;
    let back: Vec<_> = (0..100).map(send_back).collect();
    shop.in_days(2).apply(&back).await.unwrap();

    let taken = join_all((0..4).map(|_| shop.steps(3))).await;
    assert_eq!(taken.iter().sum::<usize>(), 200, "{taken:?}");
    assert_eq!(shop.units().await, (300, 0, 100));
    let restocked: i64 = query_scalar("SELECT count(*) FROM restocks")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(restocked, 100);
    assert_eq!(shop.states().await["confirmed"], 100);
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
}

#[tokio::test]
async fn parts_of_the_money_go_back_and_never_more_than_all_of_it() {
    let shop = Shop::open(&[10]).await;
    let store = shop.store();
    store
        .apply(&[
            place(1, &[("p0", 1)]),
            captured(1, "a", PRICE),
            refund(1, 1, 30),
            refund(1, 1, 30),
        ])
        .await
        .unwrap();
    assert_eq!(shop.make_refunds().await, 1, "the same refund once");
    assert_eq!(shop.state(1).await.as_deref(), Some("paid"));
    assert_eq!(shop.money_back(1).await, (30, 30));
    store.apply(&[refund(1, 2, 71), refund(1, 3, 30)]).await.unwrap();
    assert_eq!(shop.money_back(1).await, (60, 30), "71 would be too much");
    store.apply(&[cancel(1)]).await.unwrap();
    assert_eq!(shop.money_back(1).await, (PRICE, 30), "the rest is owed");
    assert_eq!(shop.make_refunds().await, 2);
    assert_eq!(shop.state(1).await.as_deref(), Some("refunded"));
    assert_eq!(shop.money_back(1).await, (PRICE, PRICE));

    let overdrawn = query("UPDATE payments SET owed_back_minor = captured_minor + 1")
        .execute(&shop.pool)
        .await;
    let refused = overdrawn.unwrap_err().to_string();
    assert!(refused.contains("payments_never_overdrawn"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_takes_the_steps_by_itself() {
    let shop = Shop::open(&[1]).await;
    let (worker, listen) = shop.worker_at(shop.namespace.url(), shop.database.url());
    let worker = worker.env("ORDER_WORKER_DAY_SECONDS", "1");
    let _worker = worker.ready_at(listen, "/readyz").start().await;
    shop.send(place(1, &[("p0", 1)])).await;
    shop.send(captured(1, "a", PRICE)).await;
    shop.until_state(1, "confirmed").await;
    assert_eq!(shop.units().await, (1, 0, 1));
}
