//! Payments that start, and those of which nothing is heard: the provider is asked.

use crate::{
    provider::Provider,
    shop::{SOON, Shop, order_id, place, started},
};
use futures::future::join_all;
use order_worker::reconcilers::{AskProvider, Reconciler};
use sqlx::{query, query_as, query_scalar};
use std::sync::Arc;
use testbed::eventually;
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

impl Shop {
    fn questions(&self, minutes: i64, provider: &Arc<Provider>) -> AskProvider {
        AskProvider {
            store: self.store().ahead(Duration::minutes(minutes)),
            provider: Arc::<Provider>::clone(provider),
            relay: Arc::new(Notify::new()),
        }
    }

    async fn to_ask(&self) -> Vec<String> {
        query_scalar("SELECT payment_reference FROM payments WHERE ask_at IS NOT NULL ORDER BY order_id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    async fn held_for(&self, number: u32) -> Duration {
        let (since, until): (OffsetDateTime, OffsetDateTime) =
            query_as("SELECT created_at, expires_at FROM holds WHERE order_id = $1")
                .bind(order_id(number).as_uuid())
                .fetch_one(&self.pool)
                .await
                .unwrap();
        until - since
    }
}

#[tokio::test]
async fn a_payment_that_starts_keeps_the_units_ten_minutes_longer() {
    let shop = Shop::open(&[1]).await;
    let store = shop.store();
    store.apply(&[place(1, &[("p0", 1)])]).await.unwrap();
    assert_eq!(shop.held_for(1).await, Duration::minutes(30));
    for payment in ["a", "a", "b"] {
        store.apply(&[started(1, payment)]).await.unwrap();
        assert_eq!(shop.held_for(1).await, Duration::minutes(40), "once");
    }
    assert_eq!(
        store.ahead(Duration::minutes(39)).expire_holds(10).await.unwrap(),
        0
    );
    assert_eq!(
        store.ahead(Duration::minutes(41)).expire_holds(10).await.unwrap(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_provider_is_asked_what_became_of_its_payments() {
    let shop = Shop::open(&[10]).await;
    let payments = ["captured", "failed", "abandoned", "open", "forgotten"];
    for (number, payment) in (1..).zip(payments) {
        let commands = [place(number, &[("p0", 1)]), started(number, payment)];
        shop.store().apply(&commands).await.unwrap();
    }
    let provider = Arc::new(Provider::default());
    assert_eq!(
        shop.questions(0, &provider).run().await.unwrap().count,
        0,
        "it may still report"
    );
    provider.is_out_of_order(true);
    assert_eq!(shop.questions(2, &provider).run().await.unwrap().count, 0);
    assert_eq!(shop.to_ask().await, payments, "all of them once more");
    provider.is_out_of_order(false);
    let questions = shop.questions(5, &provider);
    let runs = join_all((0..3).map(|_| async { questions.run().await.unwrap().count })).await;
    assert!(runs.iter().sum::<usize>() >= 3, "{runs:?}");
    for (number, state) in (1..).zip(["paid", "payment_failed", "payment_abandoned", "held", "held"]) {
        assert_eq!(shop.state(number).await.as_deref(), Some(state), "{number}");
    }
    assert_eq!(shop.units().await, (10, 2, 1));
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
    assert_eq!(shop.to_ask().await, ["open"], "asked again later");

    query("UPDATE payments SET started_at = started_at - interval '8 days'")
        .execute(&shop.pool)
        .await
        .unwrap();
    eventually(SOON, "nobody asks after a week", async || {
        shop.questions(120, &provider).run().await.unwrap();
        shop.store()
            .ahead(Duration::days(9))
            .payments_to_ask(10)
            .await
            .unwrap()
            .is_empty()
    })
    .await;
}
