//! Who operates: by a token of their own, or by what they say of themselves.

use super::{Operator, tokens::Shown};
use crate::store::Attribution;
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::Problem;
use fairness::Actor;
use process::ProblemResponse;
use std::sync::Arc;

/// The longest reason that is kept with a change.
const REASON_MAX_CHARS: usize = 200;

pub(super) async fn authorise(
    State(operator): State<Arc<Operator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let shown = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some(shown) = operator.tokens.shown_by(shown) {
        request.extensions_mut().insert(shown);
        return next.run(request).await;
    }
    let problem = Problem::new(401, "unauthorised", "Show the operator's token");
    ProblemResponse(problem.detail("Send it as Authorization: Bearer <token>.")).into_response()
}

/// Who operates, and why: the owner of the token, or the name in `Waiting-Room-Actor` if the token is everybody's; the
/// reason in `Waiting-Room-Reason`.
pub(super) struct Operating(pub(super) Attribution);

impl<S: Sync> FromRequestParts<S> for Operating {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemResponse> {
        let claimed = claimed(&parts.headers)?;
        let (actor, proven) = match parts.extensions.get::<Shown>() {
            Some(Shown::Own(owner)) => {
                if claimed.is_some_and(|claimed| claimed != *owner) {
                    return Err(bad_header(
                        "bad-actor",
                        "Waiting-Room-Actor is not the owner of this token.",
                    ));
                }
                (owner.as_str().to_owned(), true)
            }
            _ => {
                let claimed = claimed.as_ref().map_or("operator", Actor::as_str);
                (claimed.to_owned(), false)
            }
        };
        Ok(Self(Attribution {
            actor,
            proven,
            reason: reason(&parts.headers)?,
            reverts: None,
        }))
    }
}

fn claimed(headers: &HeaderMap) -> Result<Option<Actor>, ProblemResponse> {
    let Some(named) = headers.get("waiting-room-actor") else {
        return Ok(None);
    };
    let actor = named.to_str().ok().and_then(Actor::parse);
    actor
        .map(Some)
        .ok_or_else(|| bad_header("bad-actor", "Waiting-Room-Actor is 1 to 32 of a-z, 0-9, _ and -."))
}

fn reason(headers: &HeaderMap) -> Result<Option<String>, ProblemResponse> {
    let given = headers.get("waiting-room-reason").map(HeaderValue::as_bytes);
    let Some(given) = given.map(<[u8]>::trim_ascii).filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    let reason = std::str::from_utf8(given).ok();
    let reason = reason.filter(|text| text.chars().count() <= REASON_MAX_CHARS);
    let reason = reason.filter(|text| !text.chars().any(char::is_control));
    reason.map(|text| Some(text.to_owned())).ok_or_else(|| {
        let detail = format!("Waiting-Room-Reason is one line of up to {REASON_MAX_CHARS} characters.");
        bad_header("bad-reason", &detail)
    })
}

fn bad_header(name: &str, detail: &str) -> ProblemResponse {
    let problem = Problem::new(400, name, "Who changes this, and why, is not as expected");
    ProblemResponse(problem.detail(detail))
}
