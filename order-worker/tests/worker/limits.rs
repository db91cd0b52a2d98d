//! How many units of a product one customer may have, when they ask at once, and in the last instance.

use crate::shop::{PRICE, Shop, by, captured, place, shopper};
use futures::future::join_all;
use sqlx::{query, query_scalar};

const ANN: u32 = 1_000;

impl Shop {
    async fn limit(&self, units: Option<i32>) {
        query("UPDATE products SET per_customer = $1 WHERE id = 'p0'")
            .bind(units)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn units_of_ann(&self) -> Option<i64> {
        query_scalar("SELECT units FROM customer_units WHERE product_id = 'p0' AND shopper = $1")
            .bind(shopper(ANN).as_str())
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }

    async fn ann_buys(&self, number: u32, units: u32) -> String {
        let order = by(ANN, place(number, &[("p0", units)]));
        self.store().apply(&[order]).await.unwrap();
        self.state(number).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customer_who_asks_many_times_at_once_gets_the_limit() {
    let shop = Shop::open(&[100]).await;
    shop.limit(Some(3)).await;
    join_all((0..20).map(|number| shop.ann_buys(number, 1))).await;
    let states = shop.states().await;
    assert_eq!((states["held"], states["refused"]), (3, 17));
    assert_eq!(shop.units().await, (100, 3, 0), "the refused touched no stock");
    assert_eq!(shop.units_of_ann().await, Some(3));
    let reason: Vec<String> = query_scalar("SELECT DISTINCT refusal FROM orders WHERE refusal IS NOT NULL")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(reason, ["limit_reached"]);
}

#[tokio::test]
async fn what_was_bought_without_a_limit_counts_when_there_is_one() {
    let shop = Shop::open(&[100]).await;
    assert_eq!(shop.ann_buys(1, 2).await, "held");
    assert_eq!(shop.units_of_ann().await, None, "nobody counts without a limit");
    shop.limit(Some(3)).await;
    assert_eq!(shop.ann_buys(2, 2).await, "refused");
    assert_eq!(shop.ann_buys(3, 1).await, "held");
    shop.store().apply(&[captured(3, "a", PRICE)]).await.unwrap();

    shop.limit(Some(1)).await;
    assert_eq!(
        shop.units_of_ann().await,
        None,
        "counted afresh when it is needed"
    );
    assert_eq!(shop.ann_buys(4, 1).await, "refused");
    let gives_back = by(ANN, place(5, &[("p0", 1)]));
    let cancelled = contract::Command::CancelOrder(contract::CancelOrder {
        order_id: crate::shop::order_id(1),
        shopper: shopper(ANN),
    });
    shop.store().apply(&[cancelled, gives_back]).await.unwrap();
    assert_eq!(shop.state(1).await.as_deref(), Some("cancelled"));
    assert_eq!(shop.state(5).await.as_deref(), Some("refused"), "one is paid for");
}

#[tokio::test]
async fn the_database_has_the_last_word_on_the_limit() {
    let shop = Shop::open(&[100]).await;
    shop.limit(Some(3)).await;
    shop.ann_buys(1, 2).await;
    let more = query("UPDATE customer_units SET units = units + 2")
        .execute(&shop.pool)
        .await;
    let refused = more.unwrap_err().to_string();
    assert!(refused.contains("customer_units_limited"), "{refused}");
}
