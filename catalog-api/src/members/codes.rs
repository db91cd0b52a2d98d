//! Codes: made, sent again, tried.

use super::{
    MemberError, Members, PgTransaction,
    sealed::random_uuid,
    tallies::{moment, unix_ms},
};
use catalog_domain::member::{CODE_LIFETIME, CodeState, Judgement, code_from};
use contract::MemberId;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

const TABLE: &str = "member_codes";
const FIELD: &str = "code";

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Making an account.
    SignUp,
    /// A new password.
    Password,
    /// Signing in while somebody guesses.
    SignIn,
    /// Another address.
    Email,
}

/// A code that was just made.
#[derive(Debug)]
pub struct NewCode {
    /// How it is named afterwards.
    pub id: Uuid,
    /// What to write to whoever is to have it; nothing, when nobody is.
    pub parameters: Option<Value>,
}

/// A code that was right.
#[derive(Debug)]
pub struct Proven {
    /// Its name.
    pub id: Uuid,
    /// Whose account it is about.
    pub member: Option<MemberId>,
    details: Option<Vec<u8>>,
}

#[derive(FromRow)]
struct Row {
    member_id: Option<Uuid>,
    code: Vec<u8>,
    details: Option<Vec<u8>>,
    attempts: i32,
    sends: i32,
    sent_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    used_at: Option<OffsetDateTime>,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Password => "password",
            Self::SignIn => "sign_in",
            Self::Email => "email",
        }
    }
}

impl Members {
    /// Makes a code. One that nobody is `meant` to have looks like any other, and no code opens it.
    pub(super) async fn make_code(
        &self,
        transaction: &mut PgTransaction,
        purpose: Purpose,
        member: Option<MemberId>,
        details: Option<&impl Serialize>,
        meant: bool,
    ) -> Result<NewCode, MemberError> {
        let id = random_uuid();
        let (hash, parameters) = self.fresh_code(id, meant);
        let now = self.clock.unix_ms();
        sqlx::query(
            "INSERT INTO member_codes (id, purpose, member_id, code, details, sent_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(purpose.as_str())
        .bind(member.map(|member| member.as_uuid()))
        .bind(&hash[..])
        .bind(details.map(|details| self.sealer.seal_json(TABLE, id, "details", details)))
        .bind(moment(now))
        .bind(moment(now) + CODE_LIFETIME)
        .execute(&mut **transaction)
        .await?;
        Ok(NewCode { id, parameters })
    }

    /// Another code in place of the one that was sent. Whether it is sent is the caller's to say: the answer is the same.
    pub(super) async fn make_another(
        &self,
        transaction: &mut PgTransaction,
        purpose: Purpose,
        id: Uuid,
    ) -> Result<(NewCode, Proven), MemberError> {
        let row = self
            .lock_code(transaction, purpose, id)
            .await?
            .ok_or(MemberError::Resend(None))?;
        let now = self.clock.unix_ms();
        row.state().may_resend(now).map_err(MemberError::Resend)?;
        let meant = row.member_id.is_none();
        let (hash, parameters) = self.fresh_code(id, meant);
        sqlx::query(
            "UPDATE member_codes
             SET code = $2, attempts = 0, sends = sends + 1, sent_at = $3, expires_at = $4
             WHERE id = $1",
        )
        .bind(id)
        .bind(&hash[..])
        .bind(moment(now))
        .bind(moment(now) + CODE_LIFETIME)
        .execute(&mut **transaction)
        .await?;
        Ok((NewCode { id, parameters }, row.proven(id)))
    }

    /// What stands behind a code, if it is right. `None` when it is not: the transaction must be committed all the same,
    /// because the try counts.
    pub(super) async fn try_code(
        &self,
        transaction: &mut PgTransaction,
        purpose: Purpose,
        id: Uuid,
        code: &str,
    ) -> Result<Option<Proven>, MemberError> {
        let Some(row) = self.lock_code(transaction, purpose, id).await? else {
            return Ok(None);
        };
        let matches = self
            .sealer
            .index
            .matches(FIELD, &hashed(id, code.trim()), &row.code);
        match row.state().judge(matches, self.clock.unix_ms()) {
            Judgement::Right => Ok(Some(row.proven(id))),
            Judgement::Over => Ok(None),
            Judgement::Wrong => {
                sqlx::query("UPDATE member_codes SET attempts = attempts + 1 WHERE id = $1")
                    .bind(id)
                    .execute(&mut **transaction)
                    .await?;
                Ok(None)
            }
        }
    }

    /// The code has done its work: what stood behind it is forgotten.
    pub(super) async fn use_code(
        &self,
        transaction: &mut PgTransaction,
        proven: &Proven,
    ) -> Result<(), MemberError> {
        sqlx::query("UPDATE member_codes SET used_at = $2, details = NULL WHERE id = $1")
            .bind(proven.id)
            .bind(moment(self.clock.unix_ms()))
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }

    /// What was written down with the code.
    pub(super) fn details<T: serde::de::DeserializeOwned>(&self, proven: &Proven) -> Result<T, MemberError> {
        let details = proven.details.as_deref().ok_or(MemberError::Unreadable)?;
        self.sealer.open_json(TABLE, proven.id, "details", details)
    }

    async fn lock_code(
        &self,
        transaction: &mut PgTransaction,
        purpose: Purpose,
        id: Uuid,
    ) -> Result<Option<Row>, MemberError> {
        let row = sqlx::query_as(
            "SELECT member_id, code, details, attempts, sends, sent_at, expires_at, used_at
             FROM member_codes
             WHERE id = $1 AND purpose = $2
             FOR UPDATE",
        )
        .bind(id)
        .bind(purpose.as_str());
        Ok(row.fetch_optional(&mut **transaction).await?)
    }

    fn fresh_code(&self, id: Uuid, meant: bool) -> ([u8; 32], Option<Value>) {
        if !meant {
            return (clock::random_bytes(), None);
        }
        let code = code_from(clock::random_bytes());
        let minutes = CODE_LIFETIME.as_secs() / 60;
        let hash = self.sealer.index.of(FIELD, &hashed(id, &code));
        (hash, Some(json!({ "code": code, "minutes": minutes })))
    }
}

impl Row {
    fn state(&self) -> CodeState {
        CodeState {
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            sends: u32::try_from(self.sends).unwrap_or(u32::MAX),
            sent_unix_ms: unix_ms(self.sent_at),
            expires_unix_ms: unix_ms(self.expires_at),
            is_used: self.used_at.is_some(),
        }
    }

    fn proven(self, id: Uuid) -> Proven {
        Proven {
            id,
            member: self.member_id.map(MemberId::from_uuid),
            details: self.details,
        }
    }
}

fn hashed(id: Uuid, code: &str) -> Vec<u8> {
    [id.as_bytes(), code.as_bytes()].concat()
}
