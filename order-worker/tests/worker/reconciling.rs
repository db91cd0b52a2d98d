//! Reconcilers: run twice, run at once, run when nothing is due.

use crate::shop::{PRICE, SOON, Shop, captured, place};
use async_trait::async_trait;
use contract::Money;
use futures::future::join_all;
use order_worker::reconcilers::{Audit, Done, ExpireHolds, Reconciler, SettleRefunds};
use payments::{Checkout, CheckoutRequest, PaymentError, PaymentProvider, api::Payment};
use sqlx::{query, query_scalar};
use std::sync::{Arc, Mutex};
use testbed::eventually;
use tokio::sync::Notify;

impl Shop {
    fn expire_holds(&self) -> ExpireHolds {
        ExpireHolds {
            store: self.store(),
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

/// A provider that fails the first time.
#[derive(Default)]
struct Provider {
    asked: Mutex<Vec<(String, String, i64)>>,
}

#[async_trait]
impl PaymentProvider for Provider {
    async fn create_checkout(&self, _: &CheckoutRequest) -> Result<Checkout, PaymentError> {
        unreachable!("the worker opens no payments")
    }

    async fn find(&self, _: &str) -> Result<Payment, PaymentError> {
        unreachable!("nobody asks in this test")
    }

    async fn refund(&self, reference: &str, refund_id: &str, amount: Money) -> Result<(), PaymentError> {
        let mut asked = self.asked.lock().unwrap();
        asked.push((reference.to_owned(), refund_id.to_owned(), amount.minor));
        if asked.len() == 1 {
            let source = anyhow::anyhow!("out of order");
            return Err(PaymentError::Unavailable {
                operation: "refund",
                source,
            });
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_without_units_goes_back_once_also_when_the_provider_fails_first() {
    let shop = Shop::open(&[1]).await;
    let commands = [place(1, &[("p0", 1)]), captured(1, "a", PRICE + 1)];
    shop.store().apply(&commands).await.unwrap();
    assert_eq!(shop.state(1).await.as_deref(), Some("refund_due"));

    let provider = Arc::new(Provider::default());
    let (store, relay) = (shop.store(), Arc::new(Notify::new()));
    let refunds = SettleRefunds {
        store,
        provider: provider.clone(),
        relay,
    };
    assert_eq!(refunds.run().await.unwrap().count, 0, "the provider failed");
    eventually(SOON, "the refund is made", async || {
        refunds.run().await.unwrap().count == 1
    })
    .await;
    assert_eq!(shop.state(1).await.as_deref(), Some("refunded"));
    assert_eq!(refunds.run().await.unwrap().count, 0, "nothing is owed any more");
    let asked = provider.asked.lock().unwrap().clone();
    let once = (
        "payment-of-a".to_owned(),
        "unbought-payment-of-a".to_owned(),
        PRICE + 1,
    );
    assert_eq!(asked, [once.clone(), once], "under one name");
}
