//! New passwords.

use super::{
    problems::{CodeRefused, CredentialsRefused, Gone, Throttled, WeakPassword, invalid},
    session::{SessionAnswer, signed_in},
    sign_up::{CodeSent, code_sent},
};
use crate::api::{
    ApiProblem, Refusals, SharedShop, client_address::ClientAddress, fields::Fields, member::Member,
};
use axum::{extract::State, http::StatusCode, response::Response};
use catalog_domain::member::{Email, Mistakes};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    email: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    reset: Uuid,
    code: String,
    password: String,
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: String,
    password: String,
}

/// Asks for a code that allows a new password. The answer is the same whoever exists.
#[utoipa::path(
    post,
    path = "/members/password/forgotten",
    operation_id = "forgotPassword",
    tag = "members",
    request_body = Forgotten,
    responses(
        (status = 202, description = "A code is on its way, if there is such an account.", body = CodeSent),
        Refusals<(Fields<Forgotten>, Throttled,)>,
    )
)]
pub async fn forgotten(
    State(shop): State<SharedShop>,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<Forgotten>,
) -> Result<Response, ApiProblem> {
    let mut mistakes = Mistakes::default();
    let email = mistakes.field("email", Email::parse(&fields.email));
    let email = email.ok_or_else(|| invalid(&mistakes.into_list()))?;
    let id = shop.members.password_forgotten(&email, from).await?;
    Ok(code_sent(CodeSent::reset(id)))
}

/// Sets a new password, signs in with it, and signs out everywhere else.
#[utoipa::path(
    post,
    path = "/members/password/reset",
    operation_id = "resetPassword",
    tag = "members",
    request_body = Reset,
    responses(
        (status = 200, description = "Signed in.", body = SessionAnswer),
        Refusals<(Fields<Reset>, CodeRefused, WeakPassword, Throttled,)>,
    )
)]
pub async fn reset(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<Reset>,
) -> Result<Response, ApiProblem> {
    let session = shop
        .members
        .reset_password(fields.reset, &fields.code, fields.password)
        .await?;
    Ok(signed_in(&shop, StatusCode::OK, &session, fields.cookies))
}

/// Changes the password, and signs out everywhere else.
#[utoipa::path(
    put,
    path = "/members/me/password",
    operation_id = "changePassword",
    tag = "members",
    request_body = PasswordChange,
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Changed."),
        Refusals<(Member, Fields<PasswordChange>, CredentialsRefused, WeakPassword, Throttled, Gone,)>,
    )
)]
pub async fn change(
    State(shop): State<SharedShop>,
    member: Member,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<PasswordChange>,
) -> Result<StatusCode, ApiProblem> {
    let PasswordChange {
        current_password,
        password,
    } = fields;
    shop.members
        .change_password(member.id, member.sign_in, current_password, password, from)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
