//! Two things at once, in two transactions, again and again: one of them comes first, and the books add up.

use crate::shop::{PRICE, SOON, Shop, by, cancel, captured, place, shopper};
use futures::future::join_all;
use sqlx::query_scalar;
use time::Duration;

/// How often each race is run.
const RACES: u32 = 40;

impl Shop {
    /// Kept of what was captured, and the price of what is sold.
    async fn money(&self) -> (i64, i64) {
        let kept =
            query_scalar("SELECT coalesce(sum(captured_minor - owed_back_minor), 0)::bigint FROM payments")
                .fetch_one(&self.pool)
                .await
                .unwrap();
        let sold =
            query_scalar("SELECT coalesce(sum(total_minor), 0)::bigint FROM orders WHERE state = 'paid'")
                .fetch_one(&self.pool)
                .await
                .unwrap();
        (kept, sold)
    }

    async fn adds_up(&self) {
        assert_eq!(self.store().mismatches().await.unwrap(), []);
        let (kept, sold) = self.money().await;
        assert_eq!(kept, sold);
        assert_eq!(self.units().await.2 * PRICE, sold);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_races_with_the_payment_gives_units_and_money_back() {
    let shop = Shop::open(&[i64::from(RACES)]).await;
    for number in 0..RACES {
        shop.store().apply(&[place(number, &[("p0", 1)])]).await.unwrap();
        let (cancels, pays) = ([cancel(number)], [captured(number, &number.to_string(), PRICE)]);
        let (store, other) = (shop.store(), shop.store());
        let (one, two) = tokio::join!(store.apply(&cancels), other.apply(&pays));
        one.unwrap();
        two.unwrap();
        assert_eq!(
            shop.state(number).await.as_deref(),
            Some("refund_due"),
            "whichever came first"
        );
    }
    assert_eq!(shop.units().await, (i64::from(RACES), 0, 0));
    shop.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_races_with_the_payment_sells_the_units_once() {
    let shop = Shop::open(&[i64::from(RACES)]).await;
    for number in 0..RACES {
        shop.store().apply(&[place(number, &[("p0", 1)])]).await.unwrap();
        let pays = [captured(number, &number.to_string(), PRICE)];
        let (late, store) = (shop.store().ahead(Duration::hours(1)), shop.store());
        let (expired, paid) = tokio::join!(late.expire_holds(10), store.apply(&pays));
        assert!(expired.unwrap() <= 1);
        paid.unwrap();
        assert_eq!(
            shop.state(number).await.as_deref(),
            Some("paid"),
            "the units are there either way"
        );
    }
    assert_eq!(shop.units().await, (i64::from(RACES), 0, i64::from(RACES)));
    shop.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_two_units_wanted_in_opposite_order_go_to_one() {
    let shop = Shop::open(&[i64::from(RACES), i64::from(RACES)]).await;
    for race in 0..RACES {
        // One of each is left.
        let (one, other) = (2 * race, 2 * race + 1);
        let there = place(one, &[("p0", RACES - race), ("p1", RACES - race)]);
        let back = place(other, &[("p1", RACES - race), ("p0", RACES - race)]);
        let (store, another) = (shop.store(), shop.store());
        let (there, back) = ([there], [back]);
        let (first, second) = tokio::join!(store.apply(&there), another.apply(&back));
        first.unwrap();
        second.unwrap();
        let states = (shop.state(one).await.unwrap(), shop.state(other).await.unwrap());
        let one_each = [("held", "refused"), ("refused", "held")];
        assert!(
            one_each.contains(&(states.0.as_str(), states.1.as_str())),
            "{states:?}"
        );
        let winner = if states.0 == "held" { one } else { other };
        // The winner's go back, and one unit of each is bought by somebody else for the next race.
        shop.store().apply(&[cancel(winner)]).await.unwrap();
        let taken = 1_000 + race;
        shop.store()
            .apply(&[place(taken, &[("p0", 1), ("p1", 1)])])
            .await
            .unwrap();
    }
    assert_eq!(shop.units().await, (i64::from(RACES), i64::from(RACES), 0));
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_buyers_get_ten_units() {
    let shop = Shop::open(&[10]).await;
    let _worker = shop.worker().await;
    let confirmed = shop.place(0..10_000).await;
    assert_eq!(confirmed.len(), 10_000);
    shop.check(&confirmed, 10).await;
    assert_eq!(shop.states().await["refused"], 9_990);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_buyer_who_clicks_again_and_again_has_one_order_of_each_key() {
    let shop = Shop::open(&[100]).await;
    let _worker = shop.worker().await;
    let clicks = (0..50).map(|click| shop.send(by(1, place(click % 3, &[("p0", 1)]))));
    join_all(clicks).await;
    testbed::eventually(SOON, "all of it is decided", async || shop.decided().await == 3).await;
    shop.check(&[0, 1, 2], 3).await;
    let owners: Vec<String> = query_scalar("SELECT DISTINCT shopper FROM orders")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(owners, [shopper(1).as_str()]);
}
