//! Reconcilers: run twice, run at once, run when nothing is due.

use crate::{
    provider::Provider,
    shop::{PRICE, SOON, Shop, captured, place},
    webhooks::Partner,
};
use futures::future::join_all;
use order_worker::reconcilers::{Audit, Done, ExpireHolds, Reconciler, SettleRefunds};
use sqlx::{query, query_scalar};
use std::sync::Arc;
use testbed::eventually;
use time::Duration;
use tokio::sync::Notify;

impl Shop {
    fn expire_holds(&self) -> ExpireHolds {
        ExpireHolds {
            store: self.store(),
            relay: Arc::new(Notify::new()),
        }
    }

    fn settle_refunds(&self, provider: &Arc<Provider>) -> SettleRefunds {
        SettleRefunds {
            store: self.store(),
            provider: Arc::<Provider>::clone(provider),
            relay: Arc::new(Notify::new()),
        }
    }

    /// As if the time of all holds were over.
    async fn let_holds_run_out(&self) {
        query("UPDATE holds SET expires_at = clock_timestamp() - interval '1 second'")
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn due_holds_are_given_back_once_by_reconcilers_that_run_at_once() {
    let shop = Shop::open(&[300]).await;
    let orders: Vec<_> = (0..200).map(|number| place(number, &[("p0", 1)])).collect();
    shop.store().apply(&orders).await.unwrap();
    assert_eq!(
        shop.expire_holds().run().await.unwrap(),
        Done {
            count: 0,
            more: false
        },
        "not yet"
    );

    shop.let_holds_run_out().await;
    let runs = join_all((0..4).map(|_| async { shop.expire_holds().run().await.unwrap().count })).await;
    assert_eq!(runs.iter().sum::<usize>(), 200, "{runs:?}");
    assert_eq!(shop.units().await, (300, 0, 0));
    assert_eq!(shop.states().await["expired"], 200);
    let resolutions: i64 = query_scalar("SELECT count(*) FROM hold_resolutions")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(resolutions, 200);
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_expires_holds_by_itself_and_takes_a_late_payment() {
    let shop = Shop::open(&[1]).await;
    query("UPDATE products SET hold_seconds = 1")
        .execute(&shop.pool)
        .await
        .unwrap();
    let _worker = shop.worker().await;
    shop.send(place(1, &[("p0", 1)])).await;
    shop.until_state(1, "expired").await;
    shop.send(captured(1, "a", PRICE)).await;
    shop.until_state(1, "paid").await;
    assert_eq!(shop.units().await, (1, 0, 1));
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_a_planted_mismatch_and_changes_nothing() {
    let shop = Shop::open(&[10, 10]).await;
    shop.store()
        .apply(&[place(1, &[("p0", 2)]), place(2, &[("p1", 3)])])
        .await
        .unwrap();
    let audit = Audit { store: shop.store() };
    assert_eq!(audit.run().await.unwrap().count, 0);
    query("UPDATE stock SET held = 1 WHERE product_id = 'p0'")
        .execute(&shop.pool)
        .await
        .unwrap();
    assert_eq!(audit.run().await.unwrap().count, 1);
    let mismatch = &shop.store().mismatches().await.unwrap()[0];
    assert_eq!(
        (mismatch.product_id.as_str(), mismatch.held, mismatch.open),
        ("p0", 1, 2)
    );
    assert_eq!(shop.units().await, (10, 1, 0), "left for people to look at");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_without_units_goes_back_once_also_when_the_provider_fails_first() {
    let shop = Shop::open(&[1]).await;
    let commands = [place(1, &[("p0", 1)]), captured(1, "a", PRICE + 1)];
    shop.store().apply(&commands).await.unwrap();
    assert_eq!(shop.state(1).await.as_deref(), Some("refund_due"));

    let provider = Arc::new(Provider::default());
    let refunds = shop.settle_refunds(&provider);
    provider.is_out_of_order(true);
    assert_eq!(refunds.run().await.unwrap().count, 0);
    provider.is_out_of_order(false);
    eventually(SOON, "the refund is made", async || {
        refunds.run().await.unwrap().count == 1
    })
    .await;
    assert_eq!(shop.state(1).await.as_deref(), Some("refunded"));
    assert_eq!(refunds.run().await.unwrap().count, 0, "nothing is owed any more");
    let once = (
        "payment-of-a".to_owned(),
        "unbought-payment-of-a".to_owned(),
        PRICE + 1,
    );
    assert_eq!(provider.asked(), [once.clone(), once], "under one name");
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_that_are_settled_at_once_are_noted_once() {
    let shop = Shop::open(&[20]).await;
    for number in 0..15 {
        let paid_too_much = captured(number, &number.to_string(), PRICE + 1);
        let commands = [place(number, &[("p0", 1)]), paid_too_much];
        shop.store().apply(&commands).await.unwrap();
    }
    let provider = Arc::new(Provider::default());
    let refunds = || async { shop.settle_refunds(&provider).run().await.unwrap().count };
    let runs = join_all((0..4).map(|_| refunds())).await;
    assert_eq!(runs.iter().sum::<usize>(), 15, "{runs:?}");
    assert_eq!(provider.made().len(), 15);
    assert_eq!(shop.states().await["refunded"], 15);
    let back: i64 = query_scalar("SELECT sum(refunded_minor)::bigint FROM orders")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(back, 15 * (PRICE + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_are_sent_at_once_are_sent_once() {
    let shop = Shop::open(&[50]).await;
    let partner = Partner::of(&shop).await;
    let orders: Vec<_> = (0..40).map(|number| place(number, &[("p0", 1)])).collect();
    shop.store().apply(&orders).await.unwrap();
    let runs = (0..4).map(|_| async { shop.webhooks(Duration::ZERO).run().await.unwrap().count });
    let runs = join_all(runs).await;
    assert_eq!(runs.iter().sum::<usize>(), 40, "{runs:?}");
    assert_eq!(partner.taken.lock().unwrap().len(), 40);
}
