//! Nothing goes wrong.

use crate::shop::{PRICE, Shop, cancel, captured, envelope, next_order_event, order_id, place};
use contract::{Event, OrderState};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_orders_for_a_hundred_units_exactly_a_hundred_are_held() {
    let shop = Shop::open(&[100]).await;
    let mut events = shop.listen().await;
    let _worker = shop.worker().await;
    let confirmed = shop.place(0..2_000).await;
    assert_eq!(confirmed.len(), 2_000);
    shop.check(&confirmed, 100).await;
    assert_eq!(shop.states().await["refused"], 1_900);

    let mut told = HashSet::new();
    while told.len() < 2_000 {
        told.insert(next_order_event(&mut events).await.order_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_served_in_the_sequence_of_their_confirms() {
    let shop = Shop::open(&[5]).await;
    for number in 0..20 {
        shop.send(place(number, &[("p0", 1)])).await;
    }
    let _worker = shop.worker().await;
    shop.until_decided(20).await;
    for number in 0..20 {
        let expected = if number < 5 { "held" } else { "refused" };
        assert_eq!(
            shop.state(number).await.as_deref(),
            Some(expected),
            "order {number}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_from_held_to_paid_or_back_and_everything_is_told() {
    let shop = Shop::open(&[2, 1]).await;
    let mut events = shop.listen().await;
    let _worker = shop.worker().await;
    shop.send(place(1, &[("p0", 1), ("p1", 1)])).await;
    let held = next_order_event(&mut events).await;
    assert_eq!(
        (held.state, held.total.map(|total| total.minor)),
        (OrderState::Held, Some(2 * PRICE))
    );
    assert!(held.hold_expires_at_unix_ms.is_some());

    for (command, state) in [
        (captured(1, "a", 2 * PRICE), OrderState::Paid),
        (place(2, &[("p0", 1), ("p1", 1)]), OrderState::Refused),
        (place(3, &[("p0", 1)]), OrderState::Held),
        (cancel(3), OrderState::Cancelled),
        (captured(3, "b", PRICE), OrderState::Paid),
        (place(4, &[("nothing", 1)]), OrderState::Refused),
    ] {
        let number = command.order_id();
        shop.send(command).await;
        let told = next_order_event(&mut events).await;
        assert_eq!((told.order_id, told.state), (number, state));
    }
    assert_eq!(shop.units().await, (2, 0, 2));
    shop.check(&[1, 2, 3, 4], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_sent_again_is_told_again_and_is_still_one() {
    let shop = Shop::open(&[5]).await;
    let mut events = shop.listen().await;
    let _worker = shop.worker().await;
    let command = envelope(place(1, &[("p0", 1)]));
    let mut told = Vec::new();
    for _ in 0..3 {
        shop.publisher.publish(&command).await.unwrap();
        told.push(next_order_event(&mut events).await);
    }
    assert_eq!(told[0].order_id, order_id(1));
    assert!(told.iter().all(|view| *view == told[0]));
    assert_eq!(shop.units().await, (5, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_the_outbox_is_told_later() {
    let shop = Shop::open(&[5]).await;
    let mut events = shop.listen().await;
    // Committed, and nobody is there to relay it: a worker killed between commit and publish leaves just that.
    let decisions = shop.store().apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    let _worker = shop.worker().await;
    let told = next_order_event(&mut events).await;
    assert!(matches!(&decisions.events[0], Event::OrderChanged(changed) if changed.order == told));
    shop.until_told().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_and_closing_are_what_the_database_says_when_the_order_is_decided() {
    let shop = Shop::open(&[5]).await;
    let _worker = shop.worker().await;
    for (number, change, state, refusal) in [
        (
            1,
            "opens_at = clock_timestamp() + interval '1 hour'",
            "refused",
            Some("not_open"),
        ),
        (2, "opens_at = clock_timestamp()", "held", None),
        (
            3,
            "closes_at = clock_timestamp() + interval '1 hour'",
            "held",
            None,
        ),
        (
            4,
            "opens_at = NULL, closes_at = clock_timestamp()",
            "refused",
            Some("closed"),
        ),
        (
            5,
            "closes_at = NULL, state = 'stopped'",
            "refused",
            Some("not_for_sale"),
        ),
        (6, "state = 'on_sale'", "held", None),
    ] {
        let change = sqlx::AssertSqlSafe(format!("UPDATE products SET {change}"));
        sqlx::query(change).execute(&shop.pool).await.unwrap();
        shop.send(place(number, &[("p0", 1)])).await;
        shop.until_state(number, state).await;
        let told: Option<String> = sqlx::query_scalar("SELECT refusal FROM orders WHERE id = $1")
            .bind(order_id(number).as_uuid())
            .fetch_one(&shop.pool)
            .await
            .unwrap();
        assert_eq!(told.as_deref(), refusal, "order {number}");
    }
    shop.check(&[1, 2, 3, 4, 5, 6], 3).await;
}
