//! The pages of products and of the cart.

use super::{
    page,
    template::{Insert, fill},
};
use crate::catalog::{Page, Shelf, server_time};
use axum::{http::StatusCode, response::Response};
use catalog_domain::{CartLineView, CartView, Kind, Listing, Sort, Status, limits::QUANTITY_MAX};
use payments::amount_text;
use time::OffsetDateTime;
use url::form_urlencoded;

const FRONT: &str = include_str!("../../web/front.html");
const CARD: &str = include_str!("../../web/card.html");
const PRODUCT: &str = include_str!("../../web/product.html");
const CART: &str = include_str!("../../web/cart.html");
const CART_LINES: &str = include_str!("../../web/cart-lines.html");
const CART_LINE: &str = include_str!("../../web/cart-line.html");

/// A page of the products, and where it goes on.
pub fn list_page(listing: &Listing, shown: &Page) -> Response {
    let mut cards: String = shown.shelves.iter().map(|shelf| card(shelf)).collect();
    if cards.is_empty() {
        "<li>There is nothing for sale here.</li>".clone_into(&mut cards);
    }
    let category = listing.category.as_ref().map_or("", |category| category.as_str());
    let content = fill(
        FRONT,
        &[
            ("cards", Insert::Html(&cards)),
            ("sorts", Insert::Html(&sorts(listing.sort))),
            ("kinds", Insert::Html(&kinds(listing.kind))),
            ("category", Insert::Text(category)),
            ("more", Insert::Html(&more(listing, shown))),
        ],
    );
    page(StatusCode::OK, "Shop", &content)
}

/// One product, its live stock and ways to buy it.
pub fn product_page(shelf: &Shelf) -> Response {
    let product = &shelf.product;
    let moment = |at: Option<OffsetDateTime>| at.map(server_time).unwrap_or_default();
    let content = fill(
        PRODUCT,
        &[
            ("id", Insert::Text(product.id.as_str())),
            ("name", Insert::Text(&product.name)),
            ("description", Insert::Text(&product.description)),
            ("picture", Insert::Html(&picture(shelf, "picture large"))),
            ("price", Insert::Text(&amount_text(product.price))),
            ("stock", Insert::Text(&stock_text(shelf))),
            ("none", Insert::Html(none(product.status(shelf.stock())))),
            ("opens", Insert::Text(&moment(product.opens_at))),
            ("closes", Insert::Text(&moment(product.closes_at))),
            ("limit", Insert::Html(&limit(product.per_customer))),
            ("most", Insert::Text(&most(product.per_customer).to_string())),
        ],
    );
    page(StatusCode::OK, &product.name, &content)
}

/// What somebody means to buy.
pub fn cart_page(cart: &CartView) -> Response {
    let lines: String = cart.lines.iter().map(cart_line).collect();
    let totals: Vec<String> = cart.totals.iter().map(|total| amount_text(*total)).collect();
    let content = if cart.lines.is_empty() {
        "<p>There is nothing in it yet. <a href=\"/products\">Look around</a></p>".to_owned()
    } else {
        let total = totals.join(" + ");
        fill(
            CART_LINES,
            &[("lines", Insert::Html(&lines)), ("total", Insert::Text(&total))],
        )
    };
    let content = fill(CART, &[("content", Insert::Html(&content))]);
    page(StatusCode::OK, "Your cart", &content)
}

fn card(shelf: &Shelf) -> String {
    let product = &shelf.product;
    fill(
        CARD,
        &[
            ("id", Insert::Text(product.id.as_str())),
            ("name", Insert::Text(&product.name)),
            ("picture", Insert::Html(&picture(shelf, "picture"))),
            ("price", Insert::Text(&amount_text(product.price))),
            ("stock", Insert::Text(&stock_text(shelf))),
            ("none", Insert::Html(none(product.status(shelf.stock())))),
        ],
    )
}

/// The first picture. Its text is empty: the name stands beside it.
fn picture(shelf: &Shelf, class: &str) -> String {
    let class = Insert::Text(class);
    match shelf.product.images.first() {
        Some(image) => fill(
            "<img class=\"{{class}}\" src=\"{{image}}\" alt=\"\" loading=\"lazy\" referrerpolicy=\"no-referrer\">",
            &[("class", class), ("image", Insert::Text(image))],
        ),
        None => fill(
            "<span class=\"{{class}}\" aria-hidden=\"true\"></span>",
            &[("class", class)],
        ),
    }
}

fn limit(per_customer: Option<i32>) -> String {
    per_customer.map_or_else(String::new, |units| {
        format!("<p class=\"small\">At most {units} for each customer</p>")
    })
}

/// How many units can be put into one order.
fn most(per_customer: Option<i32>) -> u32 {
    let limit = per_customer.and_then(|units| u32::try_from(units).ok());
    limit.map_or(QUANTITY_MAX, |limit| limit.min(QUANTITY_MAX))
}

fn stock_text(shelf: &Shelf) -> String {
    let stock = shelf.stock();
    match shelf.product.status(stock) {
        Status::OnSale => format!("{} left", stock.available),
        status => status_text(status).to_owned(),
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::OnSale => "",
        Status::SoldOut => "Sold out",
        Status::Stopped => "Not for sale just now",
        Status::Retired => "No longer sold",
    }
}

fn none(status: Status) -> &'static str {
    if status == Status::OnSale { "" } else { " none" }
}

fn sorts(chosen: Sort) -> String {
    let name = |sort| match sort {
        Sort::Newest => "Newest",
        Sort::PriceUp => "Lowest price",
        Sort::PriceDown => "Highest price",
        Sort::Name => "Name",
    };
    let option_of = |sort: &Sort| option(sort.as_str(), name(*sort), *sort == chosen);
    Sort::ALL.iter().map(option_of).collect()
}

fn kinds(chosen: Option<Kind>) -> String {
    let name = |kind| match kind {
        Kind::Ordinary => "Ordinary",
        Kind::Limited => "Limited",
    };
    let option_of = |kind: &Kind| option(kind.as_str(), name(*kind), Some(*kind) == chosen);
    let all = option("", "All", chosen.is_none());
    all + &Kind::ALL.iter().map(option_of).collect::<String>()
}

fn option(value: &str, name: &str, chosen: bool) -> String {
    let chosen = if chosen { " selected" } else { "" };
    let inserts = [
        ("value", Insert::Text(value)),
        ("name", Insert::Text(name)),
        ("chosen", Insert::Html(chosen)),
    ];
    fill(
        "<option value=\"{{value}}\"{{chosen}}>{{name}}</option>",
        &inserts,
    )
}

/// A link to the next page, if there is one.
fn more(listing: &Listing, shown: &Page) -> String {
    let Some(next) = &shown.next else {
        return String::new();
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("sort", listing.sort.as_str());
    if let Some(category) = &listing.category {
        query.append_pair("category", category.as_str());
    }
    if let Some(kind) = listing.kind {
        query.append_pair("kind", kind.as_str());
    }
    query.append_pair("after", &next.cursor());
    let address = format!("/products?{}", query.finish());
    let link = "<p><a href=\"{{address}}\" rel=\"next\">More products</a></p>";
    fill(link, &[("address", Insert::Text(&address))])
}

fn cart_line(line: &CartLineView) -> String {
    let state = match (line.status, line.available) {
        (Status::OnSale, false) => "Not so many are left",
        (status, _) => status_text(status),
    };
    let can_be_ordered = line.status == Status::OnSale && line.available;
    fill(
        CART_LINE,
        &[
            ("id", Insert::Text(line.product_id.as_str())),
            ("name", Insert::Text(&line.name)),
            ("minor", Insert::Text(&line.unit_price.minor.to_string())),
            ("currency", Insert::Text(line.unit_price.currency.as_str())),
            ("quantity", Insert::Text(&line.quantity.to_string())),
            ("amount", Insert::Text(&amount_text(line.amount))),
            ("state", Insert::Text(state)),
            ("none", Insert::Html(if can_be_ordered { "" } else { " none" })),
            (
                "chosen",
                Insert::Html(if can_be_ordered { " checked" } else { "" }),
            ),
            ("most", Insert::Text(&QUANTITY_MAX.to_string())),
        ],
    )
}
