//! One's own account.

use super::{
    problems::{CodeRefused, CredentialsRefused, Gone, Throttled, Unavailable, invalid},
    sign_up::{CodeSent, code_sent},
};
use crate::{
    api::{
        ApiProblem, Refusals, Segment, SharedShop,
        client_address::ClientAddress,
        fields::Fields,
        member::{Admin, Member},
    },
    members::{Profile, ProfileChange},
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
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileFields {
    #[serde(default)]
    name: Option<String>,
    /// `null` removes the number.
    #[serde(default, deserialize_with = "even_null")]
    #[schema(value_type = Option<String>)]
    phone: Option<Option<String>>,
    #[serde(default)]
    language: Option<Language>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    email: String,
    password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    change: Uuid,
    code: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    role: Role,
}

/// Shows the member's profile.
#[utoipa::path(
    get,
    path = "/members/me",
    operation_id = "showProfile",
    tag = "members",
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The profile.", body = Profile),
        Refusals<(Member, Gone, Unavailable,)>,
    )
)]
pub async fn show(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    Ok(private(&shop.members.profile(member.id).await?))
}

/// Changes name, telephone number or language; what is left out stays.
#[utoipa::path(
    patch,
    path = "/members/me",
    operation_id = "changeProfile",
    tag = "members",
    request_body = ProfileFields,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The profile as it is now.", body = Profile),
        Refusals<(Member, Fields<ProfileFields>, Gone, Unavailable,)>,
    )
)]
pub async fn change(
    State(shop): State<SharedShop>,
    member: Member,
    Fields(fields): Fields<ProfileFields>,
) -> Result<Response, ApiProblem> {
    Ok(private(
        &shop.members.change_profile(member.id, fields.check()?).await?,
    ))
}

/// Erases everything that is known of the member. Orders stay, with a name that leads to nobody.
#[utoipa::path(
    delete,
    path = "/members/me",
    operation_id = "eraseMember",
    tag = "members",
    request_body = Erase,
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Erased."),
        Refusals<(Member, Fields<Erase>, CredentialsRefused, Throttled, Gone,)>,
    )
)]
pub async fn erase(
    State(shop): State<SharedShop>,
    member: Member,
    ClientAddress(from): ClientAddress,
    Fields(fields): Fields<Erase>,
) -> Result<StatusCode, ApiProblem> {
    shop.members.erase(member.id, fields.password, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks for another e-mail address, which a code proves. The answer is the same whoever else has it.
#[utoipa::path(
    post,
    path = "/members/me/email",
    operation_id = "changeEmail",
    tag = "members",
    request_body = ChangeEmail,
    security(("access_token" = [])),
    responses(
        (status = 202, description = "A code is on its way to the new address, if it is free.", body = CodeSent),
        Refusals<(Member, Fields<ChangeEmail>, CredentialsRefused, Throttled, Gone,)>,
    )
)]
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
    Ok(code_sent(CodeSent::change(id)))
}

/// Makes the new e-mail address the account's, and signs out everywhere else.
#[utoipa::path(
    post,
    path = "/members/me/email/confirm",
    operation_id = "confirmEmail",
    tag = "members",
    request_body = ConfirmEmail,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The profile as it is now.", body = Profile),
        Refusals<(Member, Fields<ConfirmEmail>, CodeRefused, Gone, Unavailable,)>,
    )
)]
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

/// Hands out all that is known of the member, as a file.
#[utoipa::path(
    get,
    path = "/members/me/export",
    operation_id = "exportMember",
    tag = "members",
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Profile, addresses, sign-ins and orders.", body = serde_json::Value),
        Refusals<(Member, Gone, Unavailable,)>,
    )
)]
pub async fn export(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    let export = shop.members.export(member.id).await?;
    let as_file = [(CONTENT_DISPOSITION, "attachment; filename=\"my-data.json\"")];
    Ok((as_file, private(&export)).into_response())
}

/// Gives a member another role; every sign-in of the member ends.
#[utoipa::path(
    put,
    path = "/members/{id}/role",
    operation_id = "setRole",
    tag = "members",
    params(("id" = String, Path, description = "The member.")),
    request_body = SetRole,
    security(("access_token" = [])),
    responses(
        (status = 204, description = "The member has this role."),
        Refusals<(Admin, Segment, Fields<SetRole>, Unavailable,)>,
    )
)]
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

impl ProfileFields {
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
