//! Members: accounts, sign-ins, and what is known of the people behind them.

mod addresses;
mod codes;
mod device;
mod erasure;
mod error;
mod order_addresses;
mod passwords;
mod profile;
mod recovery;
mod refresh;
pub mod reseal;
mod revoked;
pub mod roles;
mod sealed;
mod sign_in;
mod sign_ins;
mod sign_up;
mod store;
mod sweep;
mod tallies;
mod tokens;

pub use addresses::StoredAddress;
pub use error::MemberError;
pub use order_addresses::{AddressError, OrderAddresses};
pub use passwords::Passwords;
pub use profile::{Profile, ProfileChange};
pub use refresh::IDLE;
pub use revoked::Revoked;
pub use sealed::Sealer;
pub use sign_in::Credentials;
pub use sign_ins::{Ending, Session};
pub use sign_up::NewMember;
pub use store::{is_forgotten, revocations_since};
pub use tokens::{ACCESS_SECONDS, SignedIn, Tokens};

use clock::Clock;
use contract::{Language, MemberId, Role};
use mail::Outbox;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use uuid::Uuid;

type PgTransaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// Everything that can be done about members.
pub struct Members {
    /// The database.
    pub pool: PgPool,
    /// What seals and finds.
    pub sealer: Sealer,
    /// Where mails are written down.
    pub outbox: Outbox,
    /// What hashes.
    pub passwords: Passwords,
    /// What signs.
    pub tokens: Tokens,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The shop as browsers see it.
    pub public_url: String,
}

/// An account as it is found by its address.
#[derive(Debug)]
struct Account {
    id: MemberId,
    role: Role,
    password: String,
}

impl Members {
    async fn account(
        &self,
        connection: &mut PgConnection,
        email_index: &[u8],
    ) -> Result<Option<Account>, MemberError> {
        let row: Option<(Uuid, String, String)> = sqlx::query_as(
            "SELECT id, role, password
             FROM members
             WHERE email_index = $1 AND erased_at IS NULL",
        )
        .bind(email_index)
        .fetch_optional(connection)
        .await?;
        let account = row.map(|(id, role, password)| {
            let role = role.parse().map_err(|_| MemberError::Unreadable)?;
            Ok(Account {
                id: MemberId::from_uuid(id),
                role,
                password,
            })
        });
        account.transpose()
    }

    /// What freezes addresses on orders.
    pub fn order_addresses(&self) -> OrderAddresses {
        OrderAddresses {
            pool: self.pool.clone(),
            sealer: self.sealer.clone(),
        }
    }

    fn sign_in_url(&self) -> String {
        format!("{}/sign-in", self.public_url)
    }
}

fn language(text: &str) -> Language {
    text.parse().unwrap_or_default()
}
