//! What the schema itself refuses, whoever writes.

use crate::{
    saga::by_member,
    shop::{PRICE, Shop, captured, place, send_back},
};
use order_worker::reconcilers::{Reconciler, TakeSteps};
use sqlx::{AssertSqlSafe, query};
use std::sync::Arc;
use time::Duration;
use tokio::sync::Notify;

const UNIQUE_VIOLATION: &str = "23505";

#[tokio::test]
async fn what_happens_once_cannot_be_written_twice() {
    let shop = Shop::open(&[5]).await;
    query("UPDATE products SET per_customer = 2")
        .execute(&shop.pool)
        .await
        .unwrap();
    let bought = [by_member(place(1, &[("p0", 1)])), captured(1, "a", PRICE)];
    shop.store().apply(&bought).await.unwrap();
    for days in 1..=3 {
        let store = shop.store().ahead(Duration::days(days));
        let relay = Arc::new(Notify::new());
        let steps = TakeSteps {
            store: store.clone(),
            relay,
        };
        assert_eq!(steps.run().await.unwrap().count, 1);
        store.apply(&[by_member(send_back(1))]).await.unwrap();
    }
    for table in [
        "orders",
        "order_lines",
        "holds",
        "hold_resolutions",
        "payments",
        "payment_reports",
        "restocks",
        "refunds",
        "order_mails",
        "customer_units",
    ] {
        let again = format!("INSERT INTO {table} SELECT * FROM {table} LIMIT 1");
        let refused = query(AssertSqlSafe(again)).execute(&shop.pool).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some(UNIQUE_VIOLATION), "{table}: {refused}");
    }
}
