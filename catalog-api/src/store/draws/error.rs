//! What can go wrong with the store itself.

use database::Retry;

/// Why the store of draws could not do it.
#[derive(Debug, thiserror::Error)]
pub enum DrawStoreError {
    /// The database did not do it.
    #[error("the database did not take it")]
    Database(#[from] sqlx::Error),
    /// A row says what this version does not understand.
    #[error("a row of {0} cannot be read")]
    Unreadable(&'static str),
    /// A draw waits for a key that is not there.
    #[error(
        "no key on the ring fits the commitment of a draw; put the key back that was there when it was made"
    )]
    NoKey,
}

impl Retry for DrawStoreError {
    fn may_retry(&self) -> bool {
        match self {
            Self::Database(error) => error.may_retry(),
            Self::Unreadable(_) | Self::NoKey => false,
        }
    }
}
