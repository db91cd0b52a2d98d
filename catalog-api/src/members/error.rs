//! Why something about members could not be done.

use super::passwords::HashError;
use catalog_domain::{Mistake, member::WeakPassword};
use database::{Failure, Retry, failure_of};
use mail::OutboxError;
use passes::KeyError;
use sealing::OpenError;
use std::time::Duration;
use uuid::Uuid;

/// Why something about members could not be done.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The database does not answer, or refused.
    #[error("read or write a member")]
    Database(#[from] sqlx::Error),
    /// A sealed value does not open.
    #[error("open what is known of a member")]
    Sealed(#[from] OpenError),
    /// What was sealed is not what it should be.
    #[error("read what is known of a member")]
    Unreadable,
    /// A mail could not be written down.
    #[error("write to a member")]
    Mail(#[from] OutboxError),
    /// No password was looked at: too many are.
    #[error("hash a password")]
    Hash(#[from] HashError),
    /// No token could be signed.
    #[error("sign an access token")]
    Sign(#[from] KeyError),
    /// There were too many tries.
    #[error("too many tries")]
    Wait(Duration),
    /// Address and password are not those of anybody.
    #[error("the credentials are refused")]
    Credentials,
    /// The password is not enough: a code is on its way, if it was right.
    #[error("a code is needed")]
    CodeNeeded(Uuid),
    /// The code is wrong, used, over, or was tried too often.
    #[error("the code is refused")]
    Code,
    /// No further code now, or ever.
    #[error("no other code is sent")]
    Resend(Option<Duration>),
    /// The refresh token is worth nothing.
    #[error("the refresh token is refused")]
    Refresh,
    /// The password is not good enough.
    #[error("the password is weak")]
    Weak(#[from] WeakPassword),
    /// Some fields are not valid.
    #[error("some fields are not valid")]
    Fields(Vec<Mistake>),
    /// There is nothing of that name that belongs to the member.
    #[error("not found")]
    NotFound,
    /// There are as many as there may be.
    #[error("too many addresses")]
    TooMany,
}

impl Retry for MemberError {
    /// Also when somebody else has just taken what is one's own alone: the next attempt sees it.
    fn may_retry(&self) -> bool {
        let error = match self {
            Self::Database(error) | Self::Mail(OutboxError::Database(error)) => error,
            _ => return false,
        };
        error.may_retry() || failure_of(error) == Failure::Duplicate
    }
}
