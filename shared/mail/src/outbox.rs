//! Writing mails down.

use crate::Template;
use clock::{Clock, SystemClock};
use contract::{Language, MemberId};
use sealing::{KeyRing, Place};
use serde::Serialize;
use sqlx::PgConnection;
use std::sync::Arc;
use uuid::Uuid;

/// Parameters are a few short texts.
const PARAMETERS_MAX_BYTES: usize = 16 * 1024;

/// Whom a mail is for.
#[derive(Debug, Clone, Copy)]
pub enum To<'a> {
    /// A member, at the address that the account has when the mail is sent, in the member's language.
    Member(MemberId),
    /// Somebody who is no member yet, or no more.
    Address {
        /// Where.
        address: &'a str,
        /// In which language.
        language: Language,
    },
}

impl From<MemberId> for To<'_> {
    fn from(member: MemberId) -> Self {
        Self::Member(member)
    }
}

/// Why a mail could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database refused, or is gone.
    #[error("write a mail to the outbox")]
    Database(#[from] sqlx::Error),
    /// The parameters are no JSON, or longer than any mail's.
    #[error("write the parameters of a mail")]
    Parameters,
    /// There is no such member.
    #[error("a mail to nobody")]
    NoMember,
}

/// Where mails wait until they are sent.
#[derive(Debug, Clone)]
pub struct Outbox {
    keys: Arc<KeyRing>,
}

/// Where a sealed column of the outbox stands.
pub fn sealed_place(mail: Uuid, column: &'static str) -> Place<'static> {
    Place {
        table: "mails",
        row: mail,
        column,
    }
}

impl Outbox {
    /// An outbox whose contents are sealed by `keys`.
    pub fn new(keys: Arc<KeyRing>) -> Self {
        Self { keys }
    }

    /// Writes a mail down in the caller's transaction; it is sent soon after the commit. `parameters` is an object with
    /// what the template names.
    ///
    /// # Errors
    /// [`OutboxError`]; the transaction is then best given up.
    pub async fn write<'a>(
        &self,
        transaction: &mut PgConnection,
        to: impl Into<To<'a>>,
        template: Template,
        parameters: &impl Serialize,
    ) -> Result<(), OutboxError> {
        let id = uuid::Builder::from_unix_timestamp_millis(SystemClock.unix_ms(), &clock::random_bytes());
        let id = id.into_uuid();
        let parameters = serde_json::to_vec(parameters).map_err(|_| OutboxError::Parameters)?;
        if parameters.len() > PARAMETERS_MAX_BYTES {
            return Err(OutboxError::Parameters);
        }
        let parameters = self.seal(id, "parameters", &parameters);
        let written = match to.into() {
            To::Member(member) => {
                self.to_member(transaction, id, member, template, parameters)
                    .await?
            }
            To::Address { address, language } => {
                let recipient = self.seal(id, "recipient", address.as_bytes());
                self.to_address(transaction, id, recipient, language, template, parameters)
                    .await?
            }
        };
        (written == 1).then_some(()).ok_or(OutboxError::NoMember)
    }

    async fn to_member(
        &self,
        transaction: &mut PgConnection,
        id: Uuid,
        member: MemberId,
        template: Template,
        parameters: Vec<u8>,
    ) -> Result<u64, sqlx::Error> {
        let written = sqlx::query(
            "INSERT INTO mails (id, member_id, template, language, parameters)
             SELECT $1, m.id, $3, m.language, $4
             FROM members m
             WHERE m.id = $2",
        )
        .bind(id)
        .bind(member.as_uuid())
        .bind(template.as_str())
        .bind(parameters)
        .execute(transaction)
        .await?;
        Ok(written.rows_affected())
    }

    async fn to_address(
        &self,
        transaction: &mut PgConnection,
        id: Uuid,
        recipient: Vec<u8>,
        language: Language,
        template: Template,
        parameters: Vec<u8>,
    ) -> Result<u64, sqlx::Error> {
        let written = sqlx::query(
            "INSERT INTO mails (id, recipient, template, language, parameters)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(recipient)
        .bind(template.as_str())
        .bind(language.as_str())
        .bind(parameters)
        .execute(transaction)
        .await?;
        Ok(written.rows_affected())
    }

    fn seal(&self, id: Uuid, column: &'static str, plain: &[u8]) -> Vec<u8> {
        self.keys
            .seal(sealed_place(id, column), plain, clock::random_bytes())
    }
}
