//! Signing up: nothing is there until the code from the mail has come back, and the answers are the same whoever exists.

use super::{MemberError, Members, PgTransaction, Session, codes::Purpose};
use catalog_domain::member::{Email, Name, Phone, check_password};
use contract::{Language, MemberId, Role};
use database::transaction;
use mail::{Template, To};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use uuid::Uuid;

/// Somebody who wants an account.
#[derive(Debug)]
pub struct NewMember {
    /// Where the code goes.
    pub email: Email,
    /// What they are called.
    pub name: Name,
    /// A number, perhaps.
    pub phone: Option<Phone>,
    /// The password.
    pub password: String,
    /// The language of mails.
    pub language: Language,
}

/// What is kept until the code has come.
#[derive(Serialize, Deserialize)]
struct Pending {
    email: String,
    name: String,
    phone: Option<String>,
    /// The hash.
    password: String,
    language: Language,
}

impl Members {
    /// Begins a sign-up. Answers how it is named; whether a code was sent, and whether there will be an account, is told to
    /// whoever reads the mail.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn sign_up(&self, new: NewMember, from: IpAddr) -> Result<Uuid, MemberError> {
        check_password(&new.password, new.email.as_str(), new.name.as_str())?;
        self.begin_from(from).await?;
        let NewMember {
            email,
            name,
            phone,
            password,
            language,
        } = new;
        let pending = Pending {
            email: email.as_str().to_owned(),
            name: name.as_str().to_owned(),
            phone: phone.map(|phone| phone.as_str().to_owned()),
            password: self.passwords.hash(password).await?,
            language,
        };
        transaction("member_sign_up", || self.sign_up_once(&email, &pending)).await
    }

    async fn sign_up_once(&self, email: &Email, pending: &Pending) -> Result<Uuid, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let index = self.sealer.email_index(email);
        let known = self
            .account(&mut transaction, &index)
            .await?
            .map(|account| account.id);
        let meant = known.is_none();
        let code = self
            .make_code(&mut transaction, Purpose::SignUp, known, Some(pending), meant)
            .await?;
        if self.may_mail(&mut transaction, &index).await? {
            self.tell_of_sign_up(&mut transaction, known, pending, code.parameters)
                .await?;
        }
        transaction.commit().await?;
        Ok(code.id)
    }

    async fn tell_of_sign_up(
        &self,
        transaction: &mut PgTransaction,
        known: Option<MemberId>,
        pending: &Pending,
        code: Option<Value>,
    ) -> Result<(), MemberError> {
        let to = To::Address {
            address: &pending.email,
            language: pending.language,
        };
        match (known, code) {
            (None, Some(code)) => {
                self.outbox
                    .write(transaction, to, Template::SignUpCode, &code)
                    .await?;
            }
            (Some(member), _) => {
                let url = json!({ "url": self.sign_in_url() });
                self.outbox
                    .write(transaction, member, Template::AlreadyMember, &url)
                    .await?;
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Sends another code.
    ///
    /// # Errors
    /// `Resend` when it is too soon, or there were enough.
    pub async fn resend_sign_up(&self, id: Uuid) -> Result<(), MemberError> {
        let mut transaction = self.pool.begin().await?;
        let (code, waiting) = self.make_another(&mut transaction, Purpose::SignUp, id).await?;
        let pending: Pending = self.details(&waiting)?;
        let email = Email::parse(&pending.email).map_err(|_| MemberError::Unreadable)?;
        let index = self.sealer.email_index(&email);
        // Who has an account was told once that somebody tried.
        if waiting.member.is_none() && self.may_mail(&mut transaction, &index).await? {
            self.tell_of_sign_up(&mut transaction, None, &pending, code.parameters)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the account, if the code is right, and signs its owner in.
    ///
    /// # Errors
    /// `Code` when it is not.
    pub async fn verify(&self, id: Uuid, code: &str) -> Result<Session, MemberError> {
        transaction("member_verify", || self.verify_once(id, code)).await
    }

    async fn verify_once(&self, id: Uuid, code: &str) -> Result<Session, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let Some(proven) = self.try_code(&mut transaction, Purpose::SignUp, id, code).await? else {
            transaction.commit().await?;
            return Err(MemberError::Code);
        };
        let pending: Pending = self.details(&proven)?;
        self.use_code(&mut transaction, &proven).await?;
        let member = self.insert(&mut transaction, &pending).await?;
        let Some(member) = member else {
            // Somebody who reads the same mail was quicker.
            transaction.commit().await?;
            return Err(MemberError::Code);
        };
        let session = self.begin_sign_in(&mut transaction, member, Role::User).await?;
        transaction.commit().await?;
        Ok(session)
    }

    async fn insert(
        &self,
        transaction: &mut PgTransaction,
        pending: &Pending,
    ) -> Result<Option<MemberId>, MemberError> {
        let id = MemberId::new(self.clock.unix_ms(), clock::random_bytes());
        let row = id.as_uuid();
        let email = Email::parse(&pending.email).map_err(|_| MemberError::Unreadable)?;
        let phone = pending
            .phone
            .as_deref()
            .map(Phone::parse)
            .transpose()
            .map_err(|_| MemberError::Unreadable)?;
        let phone_index = match &phone {
            Some(phone) => self.take_phone(transaction, id, phone).await?,
            None => None,
        };
        let seal = |column, text: &str| self.sealer.seal("members", row, column, text);
        let inserted = sqlx::query(
            "INSERT INTO members (id, language, email, email_index, name, phone, phone_index, password)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (email_index) DO NOTHING",
        )
        .bind(row)
        .bind(pending.language.as_str())
        .bind(seal("email", email.as_str()))
        .bind(&self.sealer.email_index(&email)[..])
        .bind(seal("name", &pending.name))
        .bind(phone.as_ref().map(|phone| seal("phone", phone.as_str())))
        .bind(phone_index)
        .bind(&pending.password)
        .execute(&mut **transaction)
        .await?;
        Ok((inserted.rows_affected() == 1).then_some(id))
    }

    /// The number's place in the index, unless it belongs to somebody else: then its owner is told, and nobody else.
    pub(super) async fn take_phone(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
        phone: &Phone,
    ) -> Result<Option<Vec<u8>>, MemberError> {
        let index = self.sealer.phone_index(phone);
        let owner: Option<Uuid> =
            sqlx::query_scalar("SELECT id FROM members WHERE phone_index = $1 AND id <> $2")
                .bind(&index[..])
                .bind(member.as_uuid())
                .fetch_optional(&mut **transaction)
                .await?;
        let Some(owner) = owner else {
            return Ok(Some(index.to_vec()));
        };
        if self.may_mail(transaction, &index).await? {
            let owner = MemberId::from_uuid(owner);
            self.outbox
                .write(transaction, owner, Template::PhoneInUse, &json!({}))
                .await?;
        }
        Ok(None)
    }
}
