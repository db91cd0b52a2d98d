//! A new password: for who has forgotten it, by a code from the mail; for who is signed in, by the old one.

use super::{
    Ending, MemberError, Members, PgTransaction, Session,
    codes::{Proven, Purpose},
    sign_in::role,
};
use catalog_domain::member::{Email, check_password};
use contract::MemberId;
use database::transaction;
use mail::Template;
use serde_json::json;
use std::net::IpAddr;
use uuid::Uuid;

impl Members {
    /// Sends a code to the owner of the account, if there is one. The answer is the same if there is none.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn password_forgotten(&self, email: &Email, from: IpAddr) -> Result<Uuid, MemberError> {
        self.begin_from(from).await?;
        let index = self.sealer.email_index(email);
        transaction("member_password_forgotten", || self.send_password_code(&index)).await
    }

    async fn send_password_code(&self, index: &[u8; 32]) -> Result<Uuid, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let member = self
            .account(&mut transaction, index)
            .await?
            .map(|account| account.id);
        let code = self
            .make_code(
                &mut transaction,
                Purpose::Password,
                member,
                None::<&()>,
                member.is_some(),
            )
            .await?;
        let may_mail = self.may_mail(&mut transaction, index).await?;
        if let (Some(member), Some(parameters), true) = (member, &code.parameters, may_mail) {
            self.outbox
                .write(&mut transaction, member, Template::PasswordCode, parameters)
                .await?;
        }
        transaction.commit().await?;
        Ok(code.id)
    }

    /// Sets a new password, if the code is right, and signs the owner in; every other sign-in ends.
    ///
    /// # Errors
    /// `Code` when it is not, `Weak` when the password is not good enough: then the code can be used again.
    pub async fn reset_password(
        &self,
        id: Uuid,
        code: &str,
        password: String,
    ) -> Result<Session, MemberError> {
        check_password(&password, "", "")?;
        // Before anything is hashed: hashing is dear, and whoever has no code should not make us do it.
        let member = self.owner_of_code(id, code).await?;
        self.check_own_password(member, &password).await?;
        let hash = self.passwords.hash(password).await?;
        transaction("member_reset_password", || self.reset_once(id, code, &hash)).await
    }

    async fn owner_of_code(&self, id: Uuid, code: &str) -> Result<MemberId, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let proven = self
            .try_code(&mut transaction, Purpose::Password, id, code)
            .await?;
        transaction.commit().await?;
        proven.and_then(|proven| proven.member).ok_or(MemberError::Code)
    }

    async fn reset_once(&self, id: Uuid, code: &str, hash: &str) -> Result<Session, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let proven = self
            .try_code(&mut transaction, Purpose::Password, id, code)
            .await?;
        let Some((proven, member)) = with_member(proven) else {
            transaction.commit().await?;
            return Err(MemberError::Code);
        };
        self.use_code(&mut transaction, &proven).await?;
        self.set_password(&mut transaction, member, hash).await?;
        self.end_sign_ins(&mut transaction, member, Ending::All).await?;
        let role = role(&mut transaction, member).await?;
        let session = self.begin_sign_in(&mut transaction, member, role).await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// Changes the password of somebody who knows the old one; every other sign-in ends.
    ///
    /// # Errors
    /// `Credentials` when it is not the old one, `Weak` when the new one is not good enough, `Wait` after too many tries.
    pub async fn change_password(
        &self,
        member: MemberId,
        sign_in: Uuid,
        old: String,
        new: String,
        from: IpAddr,
    ) -> Result<(), MemberError> {
        check_password(&new, "", "")?;
        self.check_own_password(member, &new).await?;
        self.prove_password(member, old, from).await?;
        let hash = self.passwords.hash(new).await?;
        let mut transaction = self.pool.begin().await?;
        self.set_password(&mut transaction, member, &hash).await?;
        self.end_sign_ins(&mut transaction, member, Ending::Others(sign_in))
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether it is the member's password; tries are counted as those of a sign-in are.
    pub(super) async fn prove_password(
        &self,
        member: MemberId,
        password: String,
        from: IpAddr,
    ) -> Result<(), MemberError> {
        let row: Option<(Vec<u8>, String)> =
            sqlx::query_as("SELECT email_index, password FROM members WHERE id = $1 AND erased_at IS NULL")
                .bind(member.as_uuid())
                .fetch_optional(&self.pool)
                .await?;
        let (index, hash) = row.ok_or(MemberError::NotFound)?;
        let index: [u8; 32] = index.try_into().map_err(|_| MemberError::Unreadable)?;
        // Whoever is signed in stands for a device of their own.
        let tried = self.tried(&index, from, Some((member, *member.as_uuid().as_bytes())));
        if let catalog_domain::member::Gate::Wait(wait) = self.charge(&tried).await? {
            return Err(MemberError::Wait(wait));
        }
        if !self.passwords.compare(password, Some(hash)).await?.is_right {
            return Err(MemberError::Credentials);
        }
        let mut transaction = self.pool.begin().await?;
        self.refund(&mut transaction, &tried).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn check_own_password(&self, member: MemberId, password: &str) -> Result<(), MemberError> {
        let profile = self.profile(member).await?;
        Ok(check_password(password, &profile.email, &profile.name)?)
    }

    async fn set_password(
        &self,
        transaction: &mut PgTransaction,
        member: MemberId,
        hash: &str,
    ) -> Result<(), MemberError> {
        sqlx::query(
            "UPDATE members SET password = $2, updated_at = now() WHERE id = $1 AND erased_at IS NULL",
        )
        .bind(member.as_uuid())
        .bind(hash)
        .execute(&mut **transaction)
        .await?;
        let url = json!({ "url": self.sign_in_url() });
        Ok(self
            .outbox
            .write(transaction, member, Template::PasswordChanged, &url)
            .await?)
    }
}

fn with_member(proven: Option<Proven>) -> Option<(Proven, MemberId)> {
    let proven = proven?;
    let member = proven.member?;
    Some((proven, member))
}
