//! What to do after the books could not be written.

use database::{Failure, Retry, failure_of};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not, or refused.
    #[error("write the books: {0}")]
    Database(#[from] sqlx::Error),
    /// Another worker wrote an order of ours at the same time, so that we lack one of its products.
    #[error("an order appeared while its products were being locked")]
    Raced,
    /// A row says something that this version does not understand.
    #[error("a row of the table {table} cannot be understood")]
    Unreadable {
        /// Where it stands.
        table: &'static str,
    },
    /// An event could not be written as JSON.
    #[error("encode an event")]
    Encode(#[from] serde_json::Error),
}

/// What to do with the command that met an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait, and try again, however long it takes: the command is not to blame.
    Retry,
    /// Set it aside: it will fail again.
    GiveUp,
}

impl StoreError {
    /// What to do next, after the transaction was run again as often as made sense.
    pub fn next(&self) -> Next {
        match self {
            Self::Database(error) => match failure_of(error) {
                Failure::Duplicate | Failure::Rejected => Next::GiveUp,
                Failure::Conflict | Failure::Unavailable | Failure::Broken => Next::Retry,
            },
            Self::Raced => Next::Retry,
            Self::Unreadable { .. } | Self::Encode(_) => Next::GiveUp,
        }
    }
}

impl Retry for StoreError {
    fn may_retry(&self) -> bool {
        match self {
            // A duplicate is another worker's row; when we read again, we see it.
            Self::Database(error) => error.may_retry() || failure_of(error) == Failure::Duplicate,
            Self::Raced => true,
            Self::Unreadable { .. } | Self::Encode(_) => false,
        }
    }
}
