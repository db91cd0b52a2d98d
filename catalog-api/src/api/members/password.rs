//! New passwords.

use super::{problems::invalid, session::signed_in, sign_up::code_sent};
use crate::api::{ApiProblem, SharedShop, client_address::ClientAddress, fields::Fields, member::Member};
use axum::{extract::State, http::StatusCode, response::Response};
use catalog_domain::member::{Email, Mistakes};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    email: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    reset: Uuid,
    code: String,
    password: String,
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    current_password: String,
    password: String,
}

/// `POST /members/password/forgotten`: 202 whoever exists.
pub async fn forgotten(
    State(shop): State<SharedShop>,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<Forgotten>,
) -> Result<Response, ApiProblem> {
    let mut mistakes = Mistakes::default();
    let email = mistakes.field("email", Email::parse(&fields.email));
    let email = email.ok_or_else(|| invalid(&mistakes.into_list()))?;
    let id = shop.members.password_forgotten(&email, from).await?;
    Ok(code_sent("reset", id))
}

/// `POST /members/password/reset`: signed in with the new password, and nowhere else.
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

/// `PUT /members/me/password`.
pub async fn change(
    State(shop): State<SharedShop>,
    member: Member,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<Change>,
) -> Result<StatusCode, ApiProblem> {
    let Change {
        current_password,
        password,
    } = fields;
    shop.members
        .change_password(member.id, member.sign_in, current_password, password, from)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
