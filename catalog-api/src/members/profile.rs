//! What a member is called, and where mails go.

use super::{Ending, MemberError, Members, PgTransaction, codes::Purpose, language};
use catalog_domain::member::{Email, Name, Phone};
use contract::{Language, MemberId, Role};
use database::transaction;
use mail::{Template, To};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// A member as the member sees it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Profile {
    /// The member.
    pub id: MemberId,
    /// What the member may do.
    pub role: Role,
    /// Where mails go.
    pub email: String,
    /// What the member is called.
    pub name: String,
    /// A number, perhaps.
    pub phone: Option<String>,
    /// The language of mails.
    pub language: Language,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub member_since: OffsetDateTime,
}

/// What is to be different; `None` stays as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    /// Another name.
    pub name: Option<Name>,
    /// Another number, or none.
    pub phone: Option<Option<Phone>>,
    /// Another language.
    pub language: Option<Language>,
}

#[derive(Serialize, Deserialize)]
struct NewAddress {
    email: String,
}

#[derive(FromRow)]
struct Row {
    role: String,
    language: String,
    email: Vec<u8>,
    name: Vec<u8>,
    phone: Option<Vec<u8>>,
    created_at: OffsetDateTime,
}

impl Members {
    /// The member's profile.
    ///
    /// # Errors
    /// `NotFound` when the account is gone.
    pub async fn profile(&self, member: MemberId) -> Result<Profile, MemberError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT role, language, email, name, phone, created_at
             FROM members
             WHERE id = $1 AND erased_at IS NULL",
        )
        .bind(member.as_uuid())
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or(MemberError::NotFound)?;
        let open = |column, sealed: &[u8]| self.sealer.open("members", member.as_uuid(), column, sealed);
        Ok(Profile {
            id: member,
            role: row.role.parse().map_err(|_| MemberError::Unreadable)?,
            email: open("email", &row.email)?,
            name: open("name", &row.name)?,
            phone: row.phone.map(|phone| open("phone", &phone)).transpose()?,
            language: language(&row.language),
            member_since: row.created_at,
        })
    }

    /// Changes the profile; answers how it is then.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn change_profile(
        &self,
        member: MemberId,
        change: ProfileChange,
    ) -> Result<Profile, MemberError> {
        transaction("member_profile", || self.change_once(member, &change)).await?;
        self.profile(member).await
    }

    async fn change_once(&self, member: MemberId, change: &ProfileChange) -> Result<(), MemberError> {
        let mut transaction = self.pool.begin().await?;
        let seal = |column, text: &str| self.sealer.seal("members", member.as_uuid(), column, text);
        if let Some(phone) = &change.phone {
            let index = match phone {
                Some(phone) => self.take_phone(&mut transaction, member, phone).await?,
                None => None,
            };
            sqlx::query(
                "UPDATE members SET phone = $2, phone_index = $3 WHERE id = $1 AND erased_at IS NULL",
            )
            .bind(member.as_uuid())
            .bind(phone.as_ref().map(|phone| seal("phone", phone.as_str())))
            .bind(index)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "UPDATE members
             SET name = coalesce($2, name), language = coalesce($3, language), updated_at = now()
             WHERE id = $1 AND erased_at IS NULL",
        )
        .bind(member.as_uuid())
        .bind(change.name.as_ref().map(|name| seal("name", name.as_str())))
        .bind(change.language.map(Language::as_str))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Sends a code to another address, which is to become the account's.
    ///
    /// # Errors
    /// `Credentials` when it is not the member's password. The answer is the same when the address is somebody else's.
    pub async fn change_email(
        &self,
        member: MemberId,
        email: Email,
        password: String,
        from: IpAddr,
    ) -> Result<Uuid, MemberError> {
        self.prove_password(member, password, from).await?;
        self.begin_from(from).await?;
        let language = self.profile(member).await?.language;
        transaction("member_change_email", || {
            self.send_email_code(member, &email, language)
        })
        .await
    }

    async fn send_email_code(
        &self,
        member: MemberId,
        email: &Email,
        language: Language,
    ) -> Result<Uuid, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let index = self.sealer.email_index(email);
        let taken = self.account(&mut transaction, &index).await?.is_some();
        let details = NewAddress {
            email: email.as_str().to_owned(),
        };
        let code = self
            .make_code(
                &mut transaction,
                Purpose::Email,
                Some(member),
                Some(&details),
                !taken,
            )
            .await?;
        if let (Some(parameters), true) = (&code.parameters, self.may_mail(&mut transaction, &index).await?) {
            let to = To::Address {
                address: email.as_str(),
                language,
            };
            self.outbox
                .write(&mut transaction, to, Template::EmailCode, parameters)
                .await?;
        }
        transaction.commit().await?;
        Ok(code.id)
    }

    /// Makes the address the account's, if the code is right; every other sign-in ends.
    ///
    /// # Errors
    /// `Code` when it is not.
    pub async fn confirm_email(
        &self,
        member: MemberId,
        sign_in: Uuid,
        id: Uuid,
        code: &str,
    ) -> Result<(), MemberError> {
        let old = self.profile(member).await?;
        let confirmed = transaction("member_confirm_email", || {
            self.confirm_once(&old, sign_in, id, code)
        })
        .await?;
        if confirmed { Ok(()) } else { Err(MemberError::Code) }
    }

    async fn confirm_once(
        &self,
        old: &Profile,
        sign_in: Uuid,
        id: Uuid,
        code: &str,
    ) -> Result<bool, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let proven = self.try_code(&mut transaction, Purpose::Email, id, code).await?;
        let Some(proven) = proven.filter(|proven| proven.member == Some(old.id)) else {
            transaction.commit().await?;
            return Ok(false);
        };
        let NewAddress { email } = self.details(&proven)?;
        let email = Email::parse(&email).map_err(|_| MemberError::Unreadable)?;
        self.use_code(&mut transaction, &proven).await?;
        let to = To::Address {
            address: &old.email,
            language: old.language,
        };
        self.outbox
            .write(&mut transaction, to, Template::EmailChanged, &json!({}))
            .await?;
        let moved = self.move_to(&mut transaction, old.id, &email).await?;
        self.end_sign_ins(&mut transaction, old.id, Ending::Others(sign_in))
            .await?;
        if moved {
            transaction.commit().await?;
        }
        Ok(moved)
    }

    /// Whether the address was still free.
    async fn move_to(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
        email: &Email,
    ) -> Result<bool, MemberError> {
        let index = self.sealer.email_index(email);
        let moved = sqlx::query(
            "UPDATE members
             SET email = $2, email_index = $3, updated_at = now()
             WHERE id = $1 AND erased_at IS NULL
               AND NOT EXISTS (SELECT FROM members WHERE email_index = $3 AND id <> $1)",
        )
        .bind(member.as_uuid())
        .bind(
            self.sealer
                .seal("members", member.as_uuid(), "email", email.as_str()),
        )
        .bind(&index[..])
        .execute(&mut **transaction)
        .await?;
        Ok(moved.rows_affected() == 1)
    }
}
