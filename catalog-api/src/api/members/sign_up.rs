//! Signing up.

use super::{problems::invalid, session::signed_in};
use crate::{
    api::{ApiProblem, SharedShop, client_address::ClientAddress, fields::Fields},
    members::NewMember,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use catalog_domain::member::{CODE_LIFETIME, Email, Mistakes, Name, Phone};
use contract::Language;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    email: String,
    password: String,
    name: String,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    language: Language,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    sign_up: Uuid,
    code: String,
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    sign_up: Uuid,
}

/// `POST /members`: 202 whoever exists.
pub async fn begin(
    State(shop): State<SharedShop>,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<SignUp>,
) -> Result<Response, ApiProblem> {
    let id = shop.members.sign_up(fields.check()?, from).await?;
    Ok(code_sent("sign_up", id))
}

/// `POST /members/verify`: 201 with an account, signed in.
pub async fn verify(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<Verify>,
) -> Result<Response, ApiProblem> {
    let session = shop.members.verify(fields.sign_up, &fields.code).await?;
    Ok(signed_in(&shop, StatusCode::CREATED, &session, fields.cookies))
}

/// `POST /members/resend`.
pub async fn resend(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<Resend>,
) -> Result<Response, ApiProblem> {
    shop.members.resend_sign_up(fields.sign_up).await?;
    Ok(code_sent("sign_up", fields.sign_up))
}

/// The answer whether or not there is anybody to send a code to.
pub fn code_sent(name: &str, id: Uuid) -> Response {
    let body = json!({ name: id, "code_valid_seconds": CODE_LIFETIME.as_secs() });
    (StatusCode::ACCEPTED, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

impl SignUp {
    fn check(self) -> Result<NewMember, ApiProblem> {
        let mut mistakes = Mistakes::default();
        let email = mistakes.field("email", Email::parse(&self.email));
        let name = mistakes.field("name", Name::parse(&self.name));
        let phone = self.phone.filter(|phone| !phone.trim().is_empty());
        let phone = phone.map(|phone| mistakes.field("phone", Phone::parse(&phone)));
        match (email, name, &phone) {
            (Some(email), Some(name), None | Some(Some(_))) => Ok(NewMember {
                email,
                name,
                phone: phone.flatten(),
                password: self.password,
                language: self.language,
            }),
            _ => Err(invalid(&mistakes.into_list())),
        }
    }
}
