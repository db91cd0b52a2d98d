//! The demo's storefront: a few pages that work from the same addresses as the JSON.

pub mod assets;
mod draws;
pub mod members;
mod products;
mod template;
mod words;

pub use draws::{draw_check_page, draw_page, draws_page};
pub use products::{cart_page, list_page, product_page};

use axum::{
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use contract::{Language, OrderView, Problem};
use payments::amount_text;
use template::{Insert, fill};
use words::Words;

const FRAME: &str = include_str!("../../web/frame.html");
const ORDER: &str = include_str!("../../web/order.html");
const PROBLEM: &str = include_str!("../../web/problem.html");

/// Everything from here, nothing inline, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' https:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// One order; how it goes on is shown as it happens.
pub fn order_page(order: &OrderView, language: Language) -> Response {
    let words = Words::of(language);
    let id = order.order_id.to_string();
    let state = order.state.to_string();
    let total = order.total.map(amount_text).unwrap_or_default();
    let texts = [
        ("id", Insert::Text(&id)),
        ("state", Insert::Text(&state)),
        ("amount", Insert::Text(&total)),
        ("headline", Insert::Text(words.get(&state))),
    ];
    let content = words.fill(ORDER, &texts);
    page_in(words, StatusCode::OK, words.get("your_order"), &content)
}

/// What went wrong, for people.
pub fn problem_page(problem: &Problem) -> Response {
    let detail = problem.detail.as_deref().unwrap_or_default();
    let content = fill(
        PROBLEM,
        &[
            ("title", Insert::Text(&problem.title)),
            ("detail", Insert::Text(detail)),
        ],
    );
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    page(status, &problem.title, &content)
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    page_in(Words::of(Language::En), status, title, content)
}

fn page_in(words: &Words, status: StatusCode, title: &str, content: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept, accept-language"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let version = Insert::Text(assets::version());
    let texts = [
        ("assets", version),
        ("title", Insert::Text(title)),
        ("content", Insert::Html(content)),
    ];
    let body = words.fill(FRAME, &texts);
    (status, headers, body).into_response()
}
