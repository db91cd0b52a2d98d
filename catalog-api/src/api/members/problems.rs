//! What can go wrong with members, in the words that they see.

use crate::{
    api::{ApiProblem, Kind, Refuses},
    members::MemberError,
};
use axum::http::{HeaderValue, header::RETRY_AFTER};
use catalog_domain::Mistake;
use serde_json::json;
use std::time::Duration;

impl From<MemberError> for ApiProblem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Fields(mistakes) => invalid(&mistakes),
            MemberError::Weak(weak) => {
                let detail = format!("The password {weak}.");
                Self::new(422, "weak-password", "The password is not good enough", detail)
            }
            MemberError::Wait(wait) => wait_longer(wait),
            MemberError::Credentials => Self::new(
                401,
                "credentials-refused",
                "Not signed in",
                "E-mail address and password do not belong together.",
            ),
            MemberError::CodeNeeded(id) => code_needed(id),
            MemberError::Code => Self::new(
                422,
                "code-refused",
                "The code is refused",
                "The code is wrong, was used, is older than half an hour, or was tried five times.",
            ),
            MemberError::Resend(Some(wait)) => wait_longer(wait),
            MemberError::Resend(None) => {
                let detail = "There is nothing to send another code for. Begin again.";
                Self::new(409, "no-more-codes", "No further code", detail)
            }
            MemberError::Refresh => {
                let detail = "The refresh token is not valid, or not any more. Sign in again.";
                Self::new(401, "refresh-refused", "Signed out", detail)
            }
            MemberError::NotFound => Self::new(
                404,
                "not-found",
                "Not found",
                "There is nothing of yours at this address.",
            ),
            MemberError::TooMany => {
                let detail = "The address book is full; remove an address first.";
                Self::new(409, "too-many-addresses", "The address book is full", detail)
            }
            MemberError::Hash(_) => Self::busy(&error),
            MemberError::Database(_)
            | MemberError::Sealed(_)
            | MemberError::Unreadable
            | MemberError::Mail(_)
            | MemberError::Sign(_) => Self::unavailable(&error),
        }
    }
}

/// Fields that are not valid, each with what would be right.
pub fn invalid(mistakes: &[Mistake]) -> ApiProblem {
    let detail = "Some fields are not valid; every one is listed in errors.";
    ApiProblem::new(422, "invalid-fields", "The body is not valid", detail).with("errors", json!(mistakes))
}

fn wait_longer(wait: Duration) -> ApiProblem {
    // Rounded up: who comes back then must not be too early.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let detail = format!("There were too many tries. Come again in {seconds} seconds.");
    let after = HeaderValue::from_str(&seconds.to_string()).unwrap_or(HeaderValue::from_static("60"));
    ApiProblem::new(429, "too-many-tries", "Too many tries", detail).header(RETRY_AFTER, after)
}

fn code_needed(id: uuid::Uuid) -> ApiProblem {
    let detail = "Somebody has tried many passwords for this account. If yours was right, a code is on its way to your \
                  e-mail address: send it to /members/session/code.";
    ApiProblem::new(401, "code-needed", "A code is needed", detail).with("sign_in", json!(id))
}

// --- which of them an operation may answer with

macro_rules! refuses {
    ($($(#[$doc:meta])* $name:ident: $kinds:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl Refuses for $name {
                const KINDS: &'static [Kind] = $kinds;
            }
        )*
    };
}

refuses! {
    /// Something is not there, as databases sometimes are not.
    Unavailable: &[(503, "unavailable")];
    /// There is a bound on how often this may be asked for, and on how many may at once.
    Throttled: &[(429, "too-many-tries"), (503, "unavailable"), (503, "busy")];
    /// Address and password do not belong together.
    CredentialsRefused: &[(401, "credentials-refused")];
    /// The password is not enough.
    CodeNeeded: &[(401, "code-needed")];
    /// The code is not right.
    CodeRefused: &[(422, "code-refused")];
    /// There is nothing to send another code for.
    NoMoreCodes: &[(409, "no-more-codes")];
    /// The refresh token is worth nothing.
    RefreshRefused: &[(401, "refresh-refused")];
    /// The password is not good enough.
    WeakPassword: &[(422, "weak-password")];
    /// The account was erased while its token was still good.
    Gone: &[(404, "not-found")];
    /// The address book is full.
    FullBook: &[(409, "too-many-addresses")];
}
