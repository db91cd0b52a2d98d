//! Members: signing up and in, one's own account, and who may do what.

mod account;
mod address_book;
mod password;
mod problems;
mod session;
mod sign_up;

use super::{SharedShop, order_history};
use crate::web;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Every address about members.
pub fn routes() -> OpenApiRouter<SharedShop> {
    OpenApiRouter::new()
        .routes(routes!(sign_up::begin))
        .routes(routes!(sign_up::verify))
        .routes(routes!(sign_up::resend))
        .routes(routes!(session::begin, session::end))
        .routes(routes!(session::begin_with_code))
        .routes(routes!(session::refresh))
        .routes(routes!(session::end_all))
        .routes(routes!(password::forgotten))
        .routes(routes!(password::reset))
        .routes(routes!(password::change))
        .routes(routes!(account::show, account::change, account::erase))
        .routes(routes!(account::change_email))
        .routes(routes!(account::confirm_email))
        .routes(routes!(account::export))
        .routes(routes!(order_history::list_of_member))
        .routes(routes!(account::set_role))
        .routes(routes!(web::members::sign_in))
        .routes(routes!(web::members::sign_up))
        .routes(routes!(web::members::account))
        .routes(routes!(address_book::list, address_book::add))
        .routes(routes!(
            address_book::show,
            address_book::replace,
            address_book::remove
        ))
}
