//! The books in PostgreSQL: one transaction for each batch, each expiry, each step of paid orders and each refund.

mod audit;
mod error;
mod expiry;
mod load;
mod load_customers;
mod load_money;
mod questions;
mod refunds;
mod steps;
mod webhooks;
mod write;
mod write_addresses;
mod write_mails;
mod write_money;

pub use audit::Mismatch;
pub use error::{Next, StoreError};
pub use questions::OpenPayment;
pub use refunds::DueRefund;
pub use webhooks::{DueWebhook, WebhookEndpoint};

use contract::Command;
use database::transaction;
use load::Wanted;
use order_domain::{
    batch::{self, Decisions},
    terms::Terms,
};
use sqlx::PgPool;
use std::sync::Arc;
use time::Duration;
use write::write;

/// The only writer of stock, orders, holds, payments, refunds and the outbox.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    terms: Arc<Terms>,
    ahead: Duration,
}

impl Store {
    /// The books behind this pool, of a shop with these terms.
    pub fn new(pool: PgPool, terms: Terms) -> Self {
        Self {
            pool,
            terms: Arc::new(terms),
            ahead: Duration::ZERO,
        }
    }

    /// The same, so far ahead of the database's clock: for walking through a week in a moment.
    #[must_use]
    pub fn ahead(&self, by: Duration) -> Self {
        Self {
            ahead: by,
            ..self.clone()
        }
    }

    /// Where they are.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Decides the commands in their sequence, as of the database's clock, and writes everything down: all of it
    /// or, with an error, nothing.
    pub async fn apply(&self, commands: &[Command]) -> Result<Decisions, StoreError> {
        let wanted = Wanted::by(commands);
        transaction("apply", || async {
            let mut transaction = self.pool.begin().await?;
            let (now, snapshot) = self.load(&mut transaction, &wanted).await?;
            let decisions = batch::decide(now, &self.terms, snapshot, commands);
            write(&mut transaction, &decisions).await?;
            transaction.commit().await?;
            Ok(decisions)
        })
        .await
    }
}
