//! The books in PostgreSQL: one transaction for each batch, each expiry and each refund.

mod audit;
mod error;
mod expiry;
mod load;
mod refunds;
mod write;

pub use audit::Mismatch;
pub use error::{Next, StoreError};
pub use refunds::DueRefund;

use contract::Command;
use database::transaction;
use load::{Wanted, load};
use order_domain::batch::{self, Decisions};
use sqlx::PgPool;
use write::write;

/// The only writer of stock, orders, holds, payments, refunds and the outbox.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// The books behind this pool.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
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
            let (now, snapshot) = load(&mut transaction, &wanted).await?;
            let decisions = batch::decide(now, snapshot, commands);
            write(&mut transaction, &decisions).await?;
            transaction.commit().await?;
            Ok(decisions)
        })
        .await
    }
}
