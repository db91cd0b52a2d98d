//! Members: signing up and in, one's own account, and who may do what.

mod account;
mod address_book;
mod password;
mod problems;
mod session;
mod sign_up;

use super::{SharedShop, member_keys};
use axum::{
    Router,
    routing::{delete, get, post, put},
};

/// Every address about members.
pub fn routes() -> Router<SharedShop> {
    Router::new()
        .route("/members", post(sign_up::begin))
        .route("/members/verify", post(sign_up::verify))
        .route("/members/resend", post(sign_up::resend))
        .route("/members/session", post(session::begin).delete(session::end))
        .route("/members/session/code", post(session::begin_with_code))
        .route("/members/session/refresh", post(session::refresh))
        .route("/members/sessions", delete(session::end_all))
        .route("/members/password/forgotten", post(password::forgotten))
        .route("/members/password/reset", post(password::reset))
        .route(
            "/members/me",
            get(account::show).patch(account::change).delete(account::erase),
        )
        .route("/members/me/password", put(password::change))
        .route("/members/me/email", post(account::change_email))
        .route("/members/me/email/confirm", post(account::confirm_email))
        .route("/members/me/export", get(account::export))
        .route(
            "/members/me/addresses",
            get(address_book::list).post(address_book::add),
        )
        .route(
            "/members/me/addresses/{id}",
            get(address_book::show)
                .put(address_book::replace)
                .delete(address_book::remove),
        )
        .route("/members/{id}/role", put(account::set_role))
        .route("/members/jwks.json", get(member_keys::jwks))
}
