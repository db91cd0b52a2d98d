//! The pages of members. They are the same for everybody: what belongs to a member is asked for by their scripts.

use super::page;
use axum::{http::StatusCode, response::Response};

const SIGN_IN: &str = include_str!("../../web/sign-in.html");
const SIGN_UP: &str = include_str!("../../web/sign-up.html");
const ACCOUNT: &str = include_str!("../../web/account.html");

/// Signing in, and a new password.
#[utoipa::path(
    get,
    path = "/sign-in",
    operation_id = "signInPage",
    tag = "pages",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub async fn sign_in() -> Response {
    page(StatusCode::OK, "Sign in", SIGN_IN)
}

/// Signing up.
#[utoipa::path(
    get,
    path = "/sign-up",
    operation_id = "signUpPage",
    tag = "pages",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub async fn sign_up() -> Response {
    page(StatusCode::OK, "Make an account", SIGN_UP)
}

/// One's own account: profile, addresses, password, leaving.
#[utoipa::path(
    get,
    path = "/account",
    operation_id = "accountPage",
    tag = "pages",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub async fn account() -> Response {
    page(StatusCode::OK, "Your account", ACCOUNT)
}
