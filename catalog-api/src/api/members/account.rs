//! One's own account.

use super::{problems::invalid, sign_up::code_sent};
use crate::{
    api::{
        ApiProblem, Segment, SharedShop,
        client_address::ClientAddress,
        fields::Fields,
        member::{Admin, Member},
    },
    members::ProfileChange,
};
use axum::{
    Json,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::member::{Email, Mistakes, Name, Phone};
use contract::{Language, Role};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default)]
    name: Option<String>,
    /// `null` removes the number.
    #[serde(default, deserialize_with = "even_null")]
    phone: Option<Option<String>>,
    #[serde(default)]
    language: Option<Language>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    email: String,
    password: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    change: Uuid,
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    password: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    role: Role,
}

/// `GET /members/me`.
pub async fn show(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    Ok(private(&shop.members.profile(member.id).await?))
}

/// `PATCH /members/me`.
pub async fn change(
    State(shop): State<SharedShop>,
    member: Member,
    Fields(fields): Fields<Change>,
) -> Result<Response, ApiProblem> {
    Ok(private(
        &shop.members.change_profile(member.id, fields.check()?).await?,
    ))
}

/// `DELETE /members/me`: everything that is known of the member is erased.
pub async fn erase(
    State(shop): State<SharedShop>,
    member: Member,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<Erase>,
) -> Result<StatusCode, ApiProblem> {
    shop.members.erase(member.id, fields.password, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /members/me/email`: 202 whoever else has the address.
pub async fn change_email(
    State(shop): State<SharedShop>,
    member: Member,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<ChangeEmail>,
) -> Result<Response, ApiProblem> {
    let mut mistakes = Mistakes::default();
    let email = mistakes.field("email", Email::parse(&fields.email));
    let email = email.ok_or_else(|| invalid(&mistakes.into_list()))?;
    let id = shop
        .members
        .change_email(member.id, email, fields.password, from)
        .await?;
    Ok(code_sent("change", id))
}

/// `POST /members/me/email/confirm`.
pub async fn confirm_email(
    State(shop): State<SharedShop>,
    member: Member,
    Fields(fields): Fields<ConfirmEmail>,
) -> Result<Response, ApiProblem> {
    shop.members
        .confirm_email(member.id, member.sign_in, fields.change, &fields.code)
        .await?;
    Ok(private(&shop.members.profile(member.id).await?))
}

/// `GET /members/me/export`: a file with all that is known of the member.
pub async fn export(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    let export = shop.members.export(member.id).await?;
    let as_file = [(CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\"")];
    Ok((as_file, private(&export)).into_response())
}

/// `PUT /members/{id}/role`, for admins.
pub async fn set_role(
    State(shop): State<SharedShop>,
    admin: Admin,
    Segment(id): Segment,
    Fields(fields): Fields<SetRole>,
) -> Result<StatusCode, ApiProblem> {
    let member = id.parse().map_err(|_| ApiProblem::not_found())?;
    shop.members.set_role(member, fields.role).await?;
    tracing::info!(by = %admin.0.id, %member, role = %fields.role, "a role was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// What belongs to a member: no cache keeps it.
pub fn private(value: &impl Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

impl Change {
    fn check(self) -> Result<ProfileChange, ApiProblem> {
        let mut mistakes = Mistakes::default();
        let name = self
            .name
            .and_then(|name| mistakes.field("name", Name::parse(&name)));
        let phone = self.phone.and_then(|phone| match phone {
            Some(phone) => mistakes.field("phone", Phone::parse(&phone)).map(Some),
            None => Some(None),
        });
        let mistakes = mistakes.into_list();
        if !mistakes.is_empty() {
            return Err(invalid(&mistakes));
        }
        Ok(ProfileChange {
            name,
            phone,
            language: self.language,
        })
    }
}

/// A field that is there and null is another thing than one that is not there.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
