//! Signing in.

use super::{
    Account, MemberError, Members, PgTransaction, Session, codes::Purpose, device::known_device,
    tallies::Tried,
};
use catalog_domain::member::{Email, Gate};
use database::transaction;
use mail::Template;
use std::net::IpAddr;
use uuid::Uuid;

/// What somebody shows who wants to sign in.
#[derive(Debug)]
pub struct Credentials {
    /// The address of the account.
    pub email: Email,
    /// The password.
    pub password: String,
    /// The token of a device that has signed in before.
    pub device: Option<String>,
}

impl Members {
    /// Signs somebody in.
    ///
    /// # Errors
    /// `Credentials`, the same whether there is such an account or not; `CodeNeeded`, the same whether the password was
    /// right or not; `Wait` after too many tries.
    pub async fn sign_in(&self, shown: Credentials, from: IpAddr) -> Result<Session, MemberError> {
        let index = self.sealer.email_index(&shown.email);
        let account = self.account(&mut *self.pool.acquire().await?, &index).await?;
        let tried = self.tried(
            &index,
            from,
            self.device(account.as_ref(), shown.device.as_deref()),
        );
        let gate = self.charge(&tried).await?;
        if let Gate::Wait(wait) = gate {
            return Err(MemberError::Wait(wait));
        }
        let hash = account.as_ref().map(|account| account.password.clone());
        let compared = self.passwords.compare(shown.password.clone(), hash).await?;
        let right = account.filter(|_| compared.is_right);
        if gate == Gate::PasswordAndCode {
            let id = transaction("member_sign_in_code", || self.ask_for_code(right.as_ref())).await?;
            return Err(MemberError::CodeNeeded(id));
        }
        let account = right.ok_or(MemberError::Credentials)?;
        if compared.is_old {
            self.hash_anew(&account, shown.password).await?;
        }
        transaction("member_sign_in", || self.enter(&account, &tried)).await
    }

    /// Ends a sign-in that needs a code.
    ///
    /// # Errors
    /// `Code` when it is not right.
    pub async fn sign_in_with_code(&self, id: Uuid, code: &str) -> Result<Session, MemberError> {
        transaction("member_sign_in_with_code", || self.enter_with_code(id, code)).await
    }

    /// The device, if the account knows it.
    fn device(
        &self,
        account: Option<&Account>,
        token: Option<&str>,
    ) -> Option<(contract::MemberId, [u8; 16])> {
        let (account, token) = account.zip(token)?;
        let device = known_device(&self.sealer.index, account.id, token)?;
        Some((account.id, device))
    }

    async fn enter(&self, account: &Account, tried: &Tried) -> Result<Session, MemberError> {
        let mut transaction = self.pool.begin().await?;
        self.refund(&mut transaction, tried).await?;
        let session = self
            .begin_sign_in(&mut transaction, account.id, account.role)
            .await?;
        transaction.commit().await?;
        Ok(session)
    }

    /// A code for whoever showed the right password; for anybody else one that nobody has.
    async fn ask_for_code(&self, right: Option<&Account>) -> Result<Uuid, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let member = right.map(|account| account.id);
        let meant = member.is_some();
        let code = self
            .make_code(&mut transaction, Purpose::SignIn, member, None::<&()>, meant)
            .await?;
        if let (Some(member), Some(parameters)) = (member, &code.parameters) {
            self.outbox
                .write(&mut transaction, member, Template::SignInCode, parameters)
                .await?;
        }
        transaction.commit().await?;
        Ok(code.id)
    }

    async fn enter_with_code(&self, id: Uuid, code: &str) -> Result<Session, MemberError> {
        let mut transaction = self.pool.begin().await?;
        let proven = self.try_code(&mut transaction, Purpose::SignIn, id, code).await?;
        let Some((proven, member)) = proven.and_then(|proven| proven.member.map(|member| (proven, member)))
        else {
            transaction.commit().await?;
            return Err(MemberError::Code);
        };
        self.use_code(&mut transaction, &proven).await?;
        let role = role(&mut transaction, member).await?;
        let session = self.begin_sign_in(&mut transaction, member, role).await?;
        transaction.commit().await?;
        Ok(session)
    }

    async fn hash_anew(&self, account: &Account, password: String) -> Result<(), MemberError> {
        let hash = self.passwords.hash(password).await?;
        // Not over a password that was changed meanwhile.
        sqlx::query("UPDATE members SET password = $3 WHERE id = $1 AND password = $2")
            .bind(account.id.as_uuid())
            .bind(&account.password)
            .bind(hash)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// What a member may do now.
pub(super) async fn role(
    transaction: &mut PgTransaction,
    member: contract::MemberId,
) -> Result<contract::Role, MemberError> {
    let role: Option<String> =
        sqlx::query_scalar("SELECT role FROM members WHERE id = $1 AND erased_at IS NULL")
            .bind(member.as_uuid())
            .fetch_optional(&mut **transaction)
            .await?;
    role.ok_or(MemberError::NotFound)?
        .parse()
        .map_err(|_| MemberError::Unreadable)
}
