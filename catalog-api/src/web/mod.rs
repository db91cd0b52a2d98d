//! The demo's storefront: a few pages that work from the same addresses as the JSON.

pub mod assets;
mod template;

use crate::catalog::{Page, Shelf};
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
use catalog_domain::{Listing, Stock, limits::QUANTITY_MAX};
use contract::{OrderView, Problem};
use payments::amount_text;
use template::{Insert, fill};

const FRAME: &str = include_str!("../../web/frame.html");
const FRONT: &str = include_str!("../../web/front.html");
const CARD: &str = include_str!("../../web/card.html");
const PRODUCT: &str = include_str!("../../web/product.html");
const ORDER: &str = include_str!("../../web/order.html");
const PROBLEM: &str = include_str!("../../web/problem.html");

/// Everything from here, nothing inline, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page of the products.
pub fn list_page(_listing: &Listing, shown: &Page) -> Response {
    let cards = shown.shelves.iter().map(|shelf| card(shelf)).collect::<String>();
    let cards = if cards.is_empty() {
        "<p>There is nothing for sale yet.</p>".to_owned()
    } else {
        cards
    };
    page(
        StatusCode::OK,
        "Shop",
        &fill(FRONT, &[("cards", Insert::Html(&cards))]),
    )
}

/// One product, its live stock and a way to buy it.
pub fn product_page(shelf: &Shelf) -> Response {
    let (product, stock) = (&shelf.product, shelf.stock());
    let most = QUANTITY_MAX.to_string();
    let content = fill(
        PRODUCT,
        &[
            ("id", Insert::Text(product.id.as_str())),
            ("name", Insert::Text(&product.name)),
            ("description", Insert::Text(&product.description)),
            ("price", Insert::Text(&amount_text(product.price))),
            ("stock", Insert::Text(&stock_text(stock))),
            ("most", Insert::Text(&most)),
        ],
    );
    page(StatusCode::OK, &product.name, &content)
}

/// One order; how it goes on is shown as it happens.
pub fn order_page(order: &OrderView) -> Response {
    let id = order.order_id.to_string();
    let state = order.state.to_string();
    let total = order.total.map(amount_text).unwrap_or_default();
    let texts = [
        ("id", Insert::Text(&id)),
        ("state", Insert::Text(&state)),
        ("total", Insert::Text(&total)),
    ];
    page(StatusCode::OK, "Your order", &fill(ORDER, &texts))
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

fn card(shelf: &Shelf) -> String {
    let product = &shelf.product;
    fill(
        CARD,
        &[
            ("id", Insert::Text(product.id.as_str())),
            ("name", Insert::Text(&product.name)),
            ("price", Insert::Text(&amount_text(product.price))),
            ("stock", Insert::Text(&stock_text(shelf.stock()))),
        ],
    )
}

fn stock_text(stock: Stock) -> String {
    match stock.available {
        ..=0 => "Sold out".to_owned(),
        1 => "1 left".to_owned(),
        left => format!("{left} left"),
    }
}

fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let version = Insert::Text(assets::version());
    let texts = [
        ("assets", version),
        ("title", Insert::Text(title)),
        ("content", Insert::Html(content)),
    ];
    let body = fill(FRAME, &texts);
    (status, headers, body).into_response()
}
