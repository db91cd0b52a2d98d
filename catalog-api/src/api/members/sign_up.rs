//! Signing up.

use super::{
    problems::{CodeRefused, NoMoreCodes, Throttled, Unavailable, WeakPassword, invalid},
    session::{SessionAnswer, signed_in},
};
use crate::{
    api::{ApiProblem, Refusals, SharedShop, client_address::ClientAddress, fields::Fields},
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
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    sign_up: Uuid,
    code: String,
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    sign_up: Uuid,
}

/// Begins a sign-up.
///
/// The answer is the same whether there is such an account or not; what becomes of it is told to whoever reads the mail.
#[utoipa::path(
    post,
    path = "/members",
    operation_id = "signUp",
    tag = "members",
    request_body = SignUp,
    responses(
        (status = 202, description = "A code is on its way, if there is no account yet.", body = CodeSent),
        Refusals<(Fields<SignUp>, WeakPassword, Throttled,)>,
    )
)]
pub async fn begin(
    State(shop): State<SharedShop>,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<SignUp>,
) -> Result<Response, ApiProblem> {
    let id = shop.members.sign_up(fields.check()?, from).await?;
    Ok(code_sent(CodeSent::sign_up(id)))
}

/// Makes the account that the code from the mail was for, and signs its owner in.
#[utoipa::path(
    post,
    path = "/members/verify",
    operation_id = "verifySignUp",
    tag = "members",
    request_body = Verify,
    responses(
        (status = 201, description = "Signed in.", body = SessionAnswer),
        Refusals<(Fields<Verify>, CodeRefused, Unavailable,)>,
    )
)]
pub async fn verify(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<Verify>,
) -> Result<Response, ApiProblem> {
    let session = shop.members.verify(fields.sign_up, &fields.code).await?;
    Ok(signed_in(&shop, StatusCode::CREATED, &session, fields.cookies))
}

/// Sends another code, after a minute, three times at most.
#[utoipa::path(
    post,
    path = "/members/resend",
    operation_id = "resendSignUpCode",
    tag = "members",
    request_body = Resend,
    responses(
        (status = 202, description = "Another code is on its way.", body = CodeSent),
        Refusals<(Fields<Resend>, NoMoreCodes, Throttled,)>,
    )
)]
pub async fn resend(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<Resend>,
) -> Result<Response, ApiProblem> {
    shop.members.resend_sign_up(fields.sign_up).await?;
    Ok(code_sent(CodeSent::sign_up(fields.sign_up)))
}

/// How what was begun is named, under the name of what it is, and how long its code is valid.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CodeSent {
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_up: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Uuid>,
    code_valid_seconds: u64,
}

impl CodeSent {
    pub fn sign_up(id: Uuid) -> Self {
        Self {
            sign_up: Some(id),
            ..Self::default()
        }
    }

    pub fn reset(id: Uuid) -> Self {
        Self {
            reset: Some(id),
            ..Self::default()
        }
    }

    pub fn change(id: Uuid) -> Self {
        Self {
            change: Some(id),
            ..Self::default()
        }
    }
}

/// The answer whether or not there is anybody to send a code to.
pub fn code_sent(sent: CodeSent) -> Response {
    let body = CodeSent {
        code_valid_seconds: CODE_LIFETIME.as_secs(),
        ..sent
    };
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
