//! Who is signed in.
//!
//! An access token comes in `Authorization: Bearer`, or, from browsers, in a cookie. It is verified here whatever the edge
//! has verified before. A cookie goes along with requests that other sites make a browser send, so one that changes
//! something must come from our own pages ([`same_origin`](super::same_origin)).

use super::{ApiProblem, Kind, Refuses, Shop, same_origin};
use crate::members::SignedIn;
use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderValue,
        header::{AUTHORIZATION, COOKIE, WWW_AUTHENTICATE},
        request::Parts,
    },
};
use contract::{MemberId, Role};
use std::sync::Arc;
use tracing::debug;
use uuid::Uuid;

/// The cookie with the access token. The edge's config names it, too.
pub const ACCESS_COOKIE: &str = "member-access";

/// Somebody who is signed in; everybody else is answered 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub role: Role,
    /// The sign-in that the token belongs to.
    pub sign_in: Uuid,
}

/// Somebody who may be signed in. A bad token in `Authorization` is answered 401 all the same; a bad cookie is as good as
/// none.
#[derive(Debug, Clone, Copy)]
pub struct MaybeMember(pub Option<Member>);

/// Somebody who is an operator, or more; any other member is answered 403.
#[derive(Debug, Clone, Copy)]
pub struct Operator(pub Member);

/// Somebody who is an admin; any other member is answered 403.
#[derive(Debug, Clone, Copy)]
pub struct Admin(pub Member);

impl Refuses for MaybeMember {
    const KINDS: &'static [Kind] = &[(401, "token-refused"), (403, "foreign-origin")];
}

impl Refuses for Member {
    const KINDS: &'static [Kind] = &[
        (401, "sign-in-needed"),
        (401, "token-refused"),
        (403, "foreign-origin"),
    ];
}

impl Refuses for Operator {
    const KINDS: &'static [Kind] = WITH_ROLE;
}

impl Refuses for Admin {
    const KINDS: &'static [Kind] = WITH_ROLE;
}

const WITH_ROLE: &[Kind] = &[
    (401, "sign-in-needed"),
    (401, "token-refused"),
    (403, "foreign-origin"),
    (403, "role-missing"),
];

impl FromRequestParts<Arc<Shop>> for MaybeMember {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, ApiProblem> {
        if let Some(member) = parts.extensions.get::<Self>() {
            return Ok(*member);
        }
        let member = Self(member(parts, shop)?);
        parts.extensions.insert(member);
        Ok(member)
    }
}

impl FromRequestParts<Arc<Shop>> for Member {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, ApiProblem> {
        let MaybeMember(member) = MaybeMember::from_request_parts(parts, shop).await?;
        member.ok_or_else(sign_in_needed)
    }
}

impl FromRequestParts<Arc<Shop>> for Operator {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, ApiProblem> {
        with_role(parts, shop, Role::Operator).await.map(Self)
    }
}

impl FromRequestParts<Arc<Shop>> for Admin {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, ApiProblem> {
        with_role(parts, shop, Role::Admin).await.map(Self)
    }
}

async fn with_role(parts: &mut Parts, shop: &Arc<Shop>, role: Role) -> Result<Member, ApiProblem> {
    let member = Member::from_request_parts(parts, shop).await?;
    if member.role < role {
        return Err(role_missing(role));
    }
    Ok(member)
}

fn member(parts: &Parts, shop: &Shop) -> Result<Option<Member>, ApiProblem> {
    let now = shop.clock.unix_ms() / 1000;
    if parts.headers.contains_key(AUTHORIZATION) {
        let token = bearer(&parts.headers).ok_or_else(token_refused)?;
        let read = shop.members.tokens.read(token, now).map_err(|error| {
            debug!(%error, "an access token was refused");
            token_refused()
        })?;
        return Ok(Some(read.into()));
    }
    let Some(token) = cookie(&parts.headers, ACCESS_COOKIE) else {
        return Ok(None);
    };
    let read = shop.members.tokens.read(token, now).ok().map(Member::from);
    if read.is_some() && !parts.method.is_safe() {
        same_origin::prove(&parts.headers, &shop.counter.public_url)?;
    }
    Ok(read)
}

/// The token, if there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    let only = values.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    only.then(|| token.trim())
}

/// The first cookie of this name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name && !value.is_empty()).then_some(value)
    })
}

impl From<SignedIn> for Member {
    fn from(who: SignedIn) -> Self {
        let SignedIn { id, role, sign_in } = who;
        Self { id, role, sign_in }
    }
}

fn sign_in_needed() -> ApiProblem {
    ApiProblem::new(
        401,
        "sign-in-needed",
        "Sign in first",
        "This is for members who are signed in.",
    )
    .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn token_refused() -> ApiProblem {
    let detail = "The access token is not valid, or not any more. Take a new one, or sign in again.";
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    ApiProblem::new(401, "token-refused", "The access token is refused", detail)
        .header(WWW_AUTHENTICATE, challenge)
}

fn role_missing(role: Role) -> ApiProblem {
    let challenge = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
    ApiProblem::new(
        403,
        "role-missing",
        "Not allowed",
        format!("This needs the role {role}."),
    )
    .header(WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        pairs
            .collect::<Vec<(axum::http::HeaderName, _)>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            })
    }

    #[test]
    fn a_token_is_the_only_one() {
        for (pairs, expected) in [
            (&[("authorization", "Bearer a.b.c")][..], Some("a.b.c")),
            (&[("authorization", "bearer a")], Some("a")),
            (&[("authorization", "Basic a")], None),
            (&[("authorization", "Bearer")], None),
            (
                &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
                None,
            ),
        ] {
            assert_eq!(bearer(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let sent = headers(&[("cookie", "a=1; member-access=x.y"), ("cookie", "b=2; empty=")]);
        assert_eq!(cookie(&sent, ACCESS_COOKIE), Some("x.y"));
        assert_eq!(cookie(&sent, "b"), Some("2"));
        assert_eq!(cookie(&sent, "empty"), None);
        assert_eq!(cookie(&sent, "access"), None);
    }
}
