//! What can go wrong with the store itself.

use database::Retry;
use mail::OutboxError;

/// Why the store of draws could not do it.
#[derive(Debug, thiserror::Error)]
pub enum DrawStoreError {
    /// The database did not do it.
    #[error("the database did not take it")]
    Database(#[from] sqlx::Error),
    /// A row says what this version does not understand.
    #[error("a row of {0} cannot be read")]
    Unreadable(&'static str),
    /// A mail could not be written down.
    #[error("write to a member")]
    Mail(#[from] OutboxError),
    /// A draw waits for a key that is not there.
    #[error(
        "no key on the ring fits the commitment of a draw; put the key back that was there when it was made"
    )]
    NoKey,
}

impl Retry for DrawStoreError {
    fn may_retry(&self) -> bool {
        match self {
            Self::Database(error) | Self::Mail(OutboxError::Database(error)) => error.may_retry(),
            Self::Mail(_) | Self::Unreadable(_) | Self::NoKey => false,
        }
    }
}
