//! Who may do what.

use super::{Ending, MemberError, Members, PgTransaction, Sealer};
use anyhow::Context;
use catalog_domain::member::Email;
use clap::Args;
use clock::{Clock, SystemClock};
use contract::{MemberId, Role};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tracing::info;
use uuid::Uuid;

/// Gives a member another role. The first admin is made that way, by whoever has the database and its keys.
#[derive(Debug, Clone, Args)]
pub struct Promotion {
    /// The member's e-mail address.
    #[arg(long)]
    email: String,
    /// The role: user, operator, or admin.
    #[arg(long, default_value_t = Role::Admin)]
    role: Role,
}

impl Members {
    /// Gives a member another role. Access tokens that say the old one count no more: every sign-in of the member ends.
    ///
    /// # Errors
    /// `NotFound` when there is no such member.
    pub async fn set_role(&self, member: MemberId, role: Role) -> Result<(), MemberError> {
        let mut transaction = self.pool.begin().await?;
        if write(&mut transaction, member.as_uuid(), role).await? {
            self.end_sign_ins(&mut transaction, member, Ending::All).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The command.
///
/// # Errors
/// When there is no such member, or the database cannot be reached.
pub async fn promote(
    database_url: &SecretString,
    sealer: &Sealer,
    promotion: &Promotion,
) -> anyhow::Result<()> {
    let email = Email::parse(&promotion.email)?;
    let pool = database::pool(database_url.expose_secret(), 1)?;
    let member = promote_one(&pool, sealer, &email, promotion.role)
        .await
        .context("change the member's role")?;
    let member = member.context("there is no member with this address; sign up first")?;
    info!(%member, role = %promotion.role, "the member has this role now, and has to sign in again");
    Ok(())
}

async fn promote_one(
    pool: &PgPool,
    sealer: &Sealer,
    email: &Email,
    role: Role,
) -> Result<Option<Uuid>, MemberError> {
    let mut transaction = pool.begin().await?;
    let member: Option<Uuid> = sqlx::query_scalar("SELECT id FROM members WHERE email_index = $1")
        .bind(&sealer.email_index(email)[..])
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(member) = member else { return Ok(None) };
    if write(&mut transaction, member, role).await? {
        super::sign_ins::end(
            &mut transaction,
            MemberId::from_uuid(member),
            Ending::All,
            SystemClock.unix_ms(),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(Some(member))
}

/// Whether that changed anything.
async fn write(transaction: &mut PgTransaction, member: Uuid, role: Role) -> Result<bool, MemberError> {
    let before: Option<String> =
        sqlx::query_scalar("SELECT role FROM members WHERE id = $1 AND erased_at IS NULL FOR UPDATE")
            .bind(member)
            .fetch_optional(&mut **transaction)
            .await?;
    let before = before.ok_or(MemberError::NotFound)?;
    sqlx::query("UPDATE members SET role = $2, updated_at = now() WHERE id = $1")
        .bind(member)
        .bind(role.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(before != role.as_str())
}
