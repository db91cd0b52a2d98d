//! Whose place it is: the account, by an access token, as a room keeps it.

use super::{AccountSecret, Head};
use crate::access::{AccountIssuer, NotKnown, sign_in_address};
use contract::RoomId;
use std::sync::Arc;
use waiting_room_domain::{Holder, Moment};

/// The accounts of one issuer, in one room.
pub struct Identity {
    room: RoomId,
    issuer: Arc<AccountIssuer>,
    sign_in_url: Option<String>,
    secret: AccountSecret,
}

impl Identity {
    /// The accounts of this issuer; a browser signs in at `sign_in_url`.
    pub fn new(
        room: RoomId,
        issuer: Arc<AccountIssuer>,
        sign_in_url: Option<String>,
        secret: AccountSecret,
    ) -> Self {
        Self {
            room,
            issuer,
            sign_in_url,
            secret,
        }
    }

    /// Where a browser goes to sign in, so that it comes back to `path` (with its query).
    pub fn sign_in_address(&self, path: &str) -> Option<String> {
        Some(sign_in_address(self.sign_in_url.as_deref()?, path))
    }

    /// The account of whoever sent this request, as a key that says nothing about it.
    ///
    /// # Errors
    /// [`NotKnown`].
    pub async fn account(&self, head: &impl Head, now: Moment) -> Result<Holder, NotKnown> {
        let account = self.issuer.account(head, now).await?;
        let issuer = &self.issuer.config().issuer;
        let holder = self.secret.account(&self.room, issuer, &account.subject);
        holder.map_err(|_| NotKnown::NoKeys)
    }
}
