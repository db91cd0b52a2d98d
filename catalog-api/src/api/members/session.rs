//! Signing in and out.
//!
//! An app gets its tokens in the body. A page asks for `"cookies": true` and never sees one: the access token goes along
//! with every request, the refresh token and the device's only to the address that takes them.

use crate::{
    api::{
        ApiProblem, Refusals, SharedShop,
        client_address::ClientAddress,
        fields::Fields,
        member::{ACCESS_COOKIE, Member, cookie},
        members::problems::{
            CodeNeeded, CodeRefused, CredentialsRefused, RefreshRefused, Throttled, Unavailable, invalid,
        },
        same_origin,
    },
    members::{ACCESS_SECONDS, Credentials, Ending, IDLE, Session},
};
use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse, Response},
};
use catalog_domain::member::{Email, Mistakes};
use contract::{MemberId, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const REFRESH_COOKIE: &str = "member-refresh";
const DEVICE_COOKIE: &str = "member-device";
/// Where the refresh token and the device's are sent along, and nowhere else.
const SESSION_PATH: &str = "/members/session";
const DEVICE_SECONDS: u64 = 365 * 24 * 3600;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    email: String,
    password: String,
    #[serde(default)]
    device_token: Option<String>,
    #[serde(default)]
    cookies: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInCode {
    sign_in: Uuid,
    code: String,
    #[serde(default)]
    cookies: bool,
}

/// Signs in.
///
/// An app gets tokens; a page asks for cookies, which its scripts cannot read.
#[utoipa::path(
    post,
    path = "/members/session",
    operation_id = "signIn",
    tag = "members",
    request_body = SignIn,
    responses(
        (status = 200, description = "Signed in.", body = SessionAnswer),
        Refusals<(Fields<SignIn>, CredentialsRefused, CodeNeeded, Throttled,)>,
    )
)]
pub async fn begin(
    State(shop): State<SharedShop>,
    ClientAddress(from): ClientAddress,
    headers: HeaderMap,
    Fields(fields): Fields<SignIn>,
) -> Result<Response, ApiProblem> {
    let mut mistakes = Mistakes::default();
    let email = mistakes.field("email", Email::parse(&fields.email));
    let email = email.ok_or_else(|| invalid(&mistakes.into_list()))?;
    let device = fields
        .device_token
        .or_else(|| cookie(&headers, DEVICE_COOKIE).map(str::to_owned));
    let credentials = Credentials {
        email,
        password: fields.password,
        device,
    };
    let session = shop.members.sign_in(credentials, from).await?;
    Ok(signed_in(&shop, StatusCode::OK, &session, fields.cookies))
}

/// Ends a sign-in for which a code was asked.
#[utoipa::path(
    post,
    path = "/members/session/code",
    operation_id = "signInWithCode",
    tag = "members",
    request_body = SignInCode,
    responses(
        (status = 200, description = "Signed in.", body = SessionAnswer),
        Refusals<(Fields<SignInCode>, CodeRefused, Unavailable,)>,
    )
)]
pub async fn begin_with_code(
    State(shop): State<SharedShop>,
    Fields(fields): Fields<SignInCode>,
) -> Result<Response, ApiProblem> {
    let session = shop
        .members
        .sign_in_with_code(fields.sign_in, &fields.code)
        .await?;
    Ok(signed_in(&shop, StatusCode::OK, &session, fields.cookies))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Exchanges a refresh token, in the body or (from a page) in its cookie, for the next tokens.
///
/// A refresh token is used up by that; one that was used before ends the sign-in.
#[utoipa::path(
    post,
    path = "/members/session/refresh",
    operation_id = "refreshSession",
    tag = "members",
    request_body = Refresh,
    responses(
        (status = 200, description = "The next tokens.", body = SessionAnswer),
        Refusals<(Fields<Refresh>, RefreshRefused, Unavailable,)>,
    )
)]
pub async fn refresh(
    State(shop): State<SharedShop>,
    headers: HeaderMap,
    Fields(fields): Fields<Refresh>,
) -> Result<Response, ApiProblem> {
    if let Some(token) = fields.refresh_token {
        let session = shop.members.renew(&token).await?;
        return Ok(signed_in(&shop, StatusCode::OK, &session, false));
    }
    same_origin::prove(&headers, &shop.counter.public_url)?;
    let token = cookie(&headers, REFRESH_COOKIE).unwrap_or_default();
    match shop.members.renew(token).await {
        Ok(session) => Ok(signed_in(&shop, StatusCode::OK, &session, true)),
        Err(error) => Ok((forget_cookies(&shop), ApiProblem::from(error)).into_response()),
    }
}

/// Signs out here.
#[utoipa::path(
    delete,
    path = "/members/session",
    operation_id = "signOut",
    tag = "members",
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Signed out."),
        Refusals<(Member, Unavailable,)>,
    )
)]
pub async fn end(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    shop.members
        .sign_out(member.id, Ending::One(member.sign_in))
        .await?;
    Ok((StatusCode::NO_CONTENT, forget_cookies(&shop)).into_response())
}

/// Signs out everywhere.
#[utoipa::path(
    delete,
    path = "/members/sessions",
    operation_id = "signOutEverywhere",
    tag = "members",
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Signed out on every device."),
        Refusals<(Member, Unavailable,)>,
    )
)]
pub async fn end_all(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    shop.members.sign_out(member.id, Ending::All).await?;
    Ok((StatusCode::NO_CONTENT, forget_cookies(&shop)).into_response())
}

/// Somebody who is signed in. There are tokens unless they went into cookies.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionAnswer {
    member: SignedInMember,
    /// Seconds until the access token is over.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// For the next access token; used up by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// To be shown at the next sign-in: wrong passwords of others then do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SignedInMember {
    id: MemberId,
    role: Role,
}

/// The answer to somebody who is signed in from now on.
pub fn signed_in(shop: &SharedShop, status: StatusCode, session: &Session, cookies: bool) -> Response {
    let no_store = [(CACHE_CONTROL, "no-store")];
    let token = |token: &str| (!cookies).then(|| token.to_owned());
    let body = SessionAnswer {
        member: SignedInMember {
            id: session.who.id,
            role: session.who.role,
        },
        expires_in: ACCESS_SECONDS,
        token_type: token("Bearer"),
        access_token: token(&session.access_token),
        refresh_token: token(&session.refresh_token),
        device_token: session.device_token.as_deref().and_then(token),
    };
    let cookies = if cookies {
        set_cookies(shop, session)
    } else {
        AppendHeaders(Vec::new())
    };
    (status, no_store, cookies, Json(body)).into_response()
}

type Cookies = AppendHeaders<Vec<(axum::http::HeaderName, HeaderValue)>>;

fn set_cookies(shop: &SharedShop, session: &Session) -> Cookies {
    let device = session.device_token.as_deref();
    let refresh = (
        REFRESH_COOKIE,
        session.refresh_token.as_str(),
        SESSION_PATH,
        "Strict",
        IDLE.as_secs(),
    );
    let access = (
        ACCESS_COOKIE,
        session.access_token.as_str(),
        "/",
        "Lax",
        ACCESS_SECONDS,
    );
    let device = device.map(|device| (DEVICE_COOKIE, device, SESSION_PATH, "Strict", DEVICE_SECONDS));
    written(shop, [access, refresh].into_iter().chain(device))
}

/// The device stays known.
fn forget_cookies(shop: &SharedShop) -> Cookies {
    let over = [
        (ACCESS_COOKIE, "", "/", "Lax", 0),
        (REFRESH_COOKIE, "", SESSION_PATH, "Strict", 0),
    ];
    written(shop, over.into_iter())
}

/// Name, value, path, who sends it along, seconds. The values are base64url and dots.
fn written<'a>(
    shop: &SharedShop,
    cookies: impl Iterator<Item = (&'a str, &'a str, &'a str, &'a str, u64)>,
) -> Cookies {
    let secure = if shop.counter.public_url.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let written = cookies.filter_map(|(name, value, path, same_site, seconds)| {
        let cookie =
            format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}");
        let mut cookie = HeaderValue::from_str(&cookie).ok()?;
        cookie.set_sensitive(true);
        Some((SET_COOKIE, cookie))
    });
    AppendHeaders(written.collect())
}
