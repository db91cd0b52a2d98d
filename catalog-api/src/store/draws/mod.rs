//! Draws in PostgreSQL.
//!
//! Whatever changes a draw locks its row first and takes the time after that, so that all that happens to a draw is in
//! one sequence, on the database's clock, on however many instances.

mod arrange;
mod claim;
mod enter;
mod error;
mod log;
mod read;
mod row;
mod sell;
mod settle;
mod step;

#[cfg(test)]
mod tests;

pub use arrange::{Arranged, Cancelled};
pub use claim::ClaimError;
pub use enter::{Entrant, Entry, NotTaken};
pub use error::DrawStoreError;
pub use read::{Board, Member};
pub use row::StoredDraw;
pub(in crate::store::draws) use step::Granted;
pub use step::Stepped;

use mail::Outbox;
use sqlx::PgPool;

/// Draws, their entries, logs and rights.
#[derive(Debug, Clone)]
pub struct DrawStore {
    pool: PgPool,
    mails: Outbox,
    public_url: String,
}

impl DrawStore {
    /// The draws behind this pool. Whoever is offered a right is written to, and told to come to `public_url`.
    pub fn new(pool: PgPool, mails: Outbox, public_url: &str) -> Self {
        let public_url = public_url.to_owned();
        Self {
            pool,
            mails,
            public_url,
        }
    }
}
