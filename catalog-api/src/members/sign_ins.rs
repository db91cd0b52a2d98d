//! Sign-ins: begun, renewed, ended.

use super::{
    ACCESS_SECONDS, MemberError, Members, PgTransaction, SignedIn,
    device::device_token,
    refresh::{IDLE, Shown, SignInState, Worth, token_of},
    sealed::random_uuid,
    tallies::{moment, unix_ms},
};
use contract::{MemberId, Role};
use database::transaction;
use sqlx::FromRow;
use std::time::Duration;
use time::OffsetDateTime;
use tracing::warn;
use uuid::Uuid;

/// Devices on which a member may be signed in; with one more the one that was used least lately is signed out.
const LIVE_MAX: i64 = 10;
/// However busy, a sign-in ends, and the password is asked for.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 3600);

/// What somebody who has signed in gets.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who it is.
    pub who: SignedIn,
    /// For a quarter of an hour.
    pub access_token: String,
    /// For the next access token.
    pub refresh_token: String,
    /// What makes the device known; only when somebody has just signed in.
    pub device_token: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    member_id: Uuid,
    generation: i32,
    seed: Vec<u8>,
    created_at: OffsetDateTime,
    renewed_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
    role: String,
}

/// Which sign-ins of a member end.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// This one.
    One(Uuid),
    /// All of them.
    All,
    /// All but this one.
    Others(Uuid),
}

impl Members {
    /// Begins a sign-in in the caller's transaction.
    pub(super) async fn begin_sign_in(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
        role: Role,
    ) -> Result<Session, MemberError> {
        let now = self.clock.unix_ms();
        let state = SignInState {
            id: random_uuid(),
            generation: 1,
            seed: clock::random_bytes(),
            renewed_unix_ms: now,
            expires_unix_ms: 0,
            has_ended: false,
        };
        sqlx::query(
            "INSERT INTO sign_ins (id, member_id, seed, created_at, renewed_at, expires_at)
             VALUES ($1, $2, $3, $4, $4, $5)",
        )
        .bind(state.id)
        .bind(member.as_uuid())
        .bind(&state.seed[..])
        .bind(moment(now))
        .bind(moment(now) + IDLE)
        .execute(&mut **transaction)
        .await?;
        self.end_surplus(transaction, member).await?;
        let device = device_token(&self.sealer.index, member, clock::random_bytes());
        let session = self.session(member, role, &state)?;
        Ok(Session {
            device_token: Some(device),
            ..session
        })
    }

    /// The next access token for a refresh token, which is used up by that.
    ///
    /// # Errors
    /// `Refresh` when it is worth nothing; a copy ends its sign-in.
    pub async fn renew(&self, token: &str) -> Result<Session, MemberError> {
        let shown = Shown::parse(token).ok_or(MemberError::Refresh)?;
        transaction("member_renew", || self.renew_once(shown)).await
    }

    async fn renew_once(&self, shown: Shown) -> Result<Session, MemberError> {
        let now = self.clock.unix_ms();
        let mut transaction = self.pool.begin().await?;
        let row = lock(&mut transaction, shown.sign_in)
            .await?
            .ok_or(MemberError::Refresh)?;
        let (mut state, member) = (row.state()?, MemberId::from_uuid(row.member_id));
        let role = row.role.parse().map_err(|_| MemberError::Unreadable)?;
        match shown.worth(&self.sealer.index, &state, now) {
            Worth::Nothing => return Err(MemberError::Refresh),
            Worth::Repeat => {}
            Worth::Renew => {
                let expires = (moment(now) + IDLE).min(row.created_at + LONGEST);
                state.generation += 1;
                sqlx::query(
                    "UPDATE sign_ins SET generation = generation + 1, renewed_at = $2, expires_at = $3 WHERE id = $1",
                )
                .bind(state.id)
                .bind(moment(now))
                .bind(expires)
                .execute(&mut *transaction)
                .await?;
            }
            Worth::Copy => {
                warn!(sign_in = %state.id, "a refresh token was used twice: its sign-in ends");
                metrics::counter!("member_refresh_copies_total").increment(1);
                end(&mut transaction, member, Ending::One(state.id), now).await?;
                transaction.commit().await?;
                return Err(MemberError::Refresh);
            }
        }
        transaction.commit().await?;
        self.session(member, role, &state)
    }

    /// Ends sign-ins of a member. Within a second no edge takes their access tokens any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sign_out(&self, member: MemberId, which: Ending) -> Result<(), MemberError> {
        let mut transaction = self.pool.begin().await?;
        end(&mut transaction, member, which, self.clock.unix_ms()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The same in the caller's transaction.
    pub(super) async fn end_sign_ins(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
        which: Ending,
    ) -> Result<(), MemberError> {
        end(transaction, member, which, self.clock.unix_ms()).await
    }

    fn session(&self, member: MemberId, role: Role, state: &SignInState) -> Result<Session, MemberError> {
        let who = SignedIn {
            id: member,
            role,
            sign_in: state.id,
        };
        Ok(Session {
            who,
            access_token: self.tokens.sign(&who, self.clock.unix_ms() / 1000)?,
            refresh_token: token_of(&self.sealer.index, state),
            device_token: None,
        })
    }

    async fn end_surplus(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
    ) -> Result<(), MemberError> {
        let surplus: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id
             FROM sign_ins
             WHERE member_id = $1 AND ended_at IS NULL
             ORDER BY renewed_at DESC, id
             OFFSET $2",
        )
        .bind(member.as_uuid())
        .bind(LIVE_MAX)
        .fetch_all(&mut **transaction)
        .await?;
        for sign_in in surplus {
            end(transaction, member, Ending::One(sign_in), self.clock.unix_ms()).await?;
        }
        Ok(())
    }
}

impl Row {
    fn state(&self) -> Result<SignInState, MemberError> {
        Ok(SignInState {
            id: self.id,
            generation: u32::try_from(self.generation).map_err(|_| MemberError::Unreadable)?,
            seed: self
                .seed
                .as_slice()
                .try_into()
                .map_err(|_| MemberError::Unreadable)?,
            renewed_unix_ms: unix_ms(self.renewed_at),
            expires_unix_ms: unix_ms(self.expires_at),
            has_ended: self.ended_at.is_some(),
        })
    }
}

async fn lock(transaction: &mut PgTransaction, sign_in: Uuid) -> Result<Option<Row>, MemberError> {
    let row = sqlx::query_as(
        "SELECT s.id, s.member_id, s.generation, s.seed, s.created_at, s.renewed_at, s.expires_at, s.ended_at, m.role
         FROM sign_ins s
         JOIN members m ON m.id = s.member_id AND m.erased_at IS NULL
         WHERE s.id = $1
         FOR UPDATE OF s",
    )
    .bind(sign_in);
    Ok(row.fetch_optional(&mut **transaction).await?)
}

/// Ends sign-ins, and tells the edges for as long as an access token of theirs may live.
pub(super) async fn end(
    transaction: &mut PgTransaction,
    member: MemberId,
    which: Ending,
    now_unix_ms: u64,
) -> Result<(), MemberError> {
    let (only, but) = match which {
        Ending::One(one) => (Some(one), None),
        Ending::Others(one) => (None, Some(one)),
        Ending::All => (None, None),
    };
    let now = moment(now_unix_ms);
    sqlx::query(
        "WITH ended AS (
             UPDATE sign_ins
             SET ended_at = $4
             WHERE member_id = $1 AND ended_at IS NULL
               AND ($2::uuid IS NULL OR id = $2)
               AND ($3::uuid IS NULL OR id <> $3)
             RETURNING id)
         INSERT INTO revocations (sign_in_id, until)
         SELECT id, $5 FROM ended",
    )
    .bind(member.as_uuid())
    .bind(only)
    .bind(but)
    .bind(now)
    .bind(now + Duration::from_secs(ACCESS_SECONDS + 60))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
