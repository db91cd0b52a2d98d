//! Products: for programs as JSON, for people as pages. Both come from memory and need no pass.

use super::{ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop, wants_page};
use crate::{
    catalog::{Page, Shelf, server_time},
    web,
};
use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::{Listing, Mistake, ProductView};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use time::OffsetDateTime;

/// A page of the products.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProductList<'a> {
    /// In the order that was asked for.
    products: Vec<ProductView<'a>>,
    /// Where the list goes on: the value of `after` for the next page. Absent on the last one.
    next: Option<String>,
    /// What time it is by the clock that opens and closes sales (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    server_time: OffsetDateTime,
}

/// A product and what time it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProductShown<'a> {
    #[serde(flatten)]
    product: ProductView<'a>,
    /// What time it is by the clock that opens and closes sales (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    server_time: OffsetDateTime,
}

/// There is no such product.
pub struct NoProduct;

impl Refuses for NoProduct {
    const KINDS: &'static [Kind] = &[(404, "unknown-product"), (503, "unavailable")];
}

/// The products were not read yet.
pub struct NotRead;

impl Refuses for NotRead {
    const KINDS: &'static [Kind] = &[(503, "unavailable")];
}

/// A query that cannot be understood.
pub struct BadQuery;

impl Refuses for BadQuery {
    const KINDS: &'static [Kind] = &[(400, "invalid-query")];
}

/// The shop's front page.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "openShop",
    tag = "pages",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
pub async fn front(State(shop): State<SharedShop>) -> Response {
    let listing = Listing::first();
    match page_of(&shop, &listing) {
        Ok(page) => web::list_page(&listing, &page),
        Err(problem) => web::problem_page(&problem.problem),
    }
}

/// Lists the products for sale, a page at a time.
#[utoipa::path(
    get,
    path = "/products",
    operation_id = "listProducts",
    tag = "catalog",
    params(
        ("sort" = Option<catalog_domain::Sort>, Query, description = "In which order; newest first when nothing is said."),
        ("category" = Option<String>, Query, description = "Only those of this category."),
        ("kind" = Option<catalog_domain::Kind>, Query, description = "Only those of this kind."),
        ("limit" = Option<u32>, Query, description = "How many on a page, at most.", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The `next` of the page before, asked for with the same `sort`."),
    ),
    responses(
        (status = 200, description = "A page of the products.", content(
            (ProductList = "application/json"), (String = "text/html")
        )),
        Refusals<(BadQuery, NotRead)>,
    )
)]
pub async fn list(
    State(shop): State<SharedShop>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let wants_page = wants_page(&headers);
    let listing = Listing::parse(&query.unwrap_or_default()).map_err(bad_query);
    match listing.and_then(|listing| Ok((page_of(&shop, &listing)?, listing))) {
        Ok((page, listing)) if wants_page => Ok(web::list_page(&listing, &page)),
        Ok((page, _)) => {
            let now = shop.catalog.server_time(shop.clock.unix_ms());
            Ok(json(list_json(&page, now)))
        }
        Err(problem) if wants_page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

/// Shows a product with what is left of it.
#[utoipa::path(
    get,
    path = "/products/{id}",
    operation_id = "showProduct",
    tag = "catalog",
    params(("id" = String, Path, description = "The product.")),
    responses(
        (status = 200, description = "The product.", content(
            (ProductShown = "application/json"), (String = "text/html")
        )),
        Refusals<(Segment, NoProduct)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    id: Segment,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let now = shop.catalog.server_time(shop.clock.unix_ms());
    let page = wants_page(&headers);
    match find(&shop, &id) {
        Ok(shelf) if page => Ok(web::product_page(&shelf)),
        Ok(shelf) => Ok(json(shelf.json_at(now))),
        Err(problem) if page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

/// The shelf of the product that an address names.
pub fn find(shop: &SharedShop, Segment(id): &Segment) -> Result<Arc<Shelf>, ApiProblem> {
    let shelf = id.parse().ok().and_then(|id| shop.catalog.shelf(&id));
    shelf.ok_or_else(|| match shop.catalog.is_read() {
        true => ApiProblem::unknown_product(),
        false => ApiProblem::products_not_read(),
    })
}

/// A page of the products, once they are known.
fn page_of(shop: &SharedShop, listing: &Listing) -> Result<Page, ApiProblem> {
    if !shop.catalog.is_read() {
        return Err(ApiProblem::products_not_read());
    }
    Ok(shop.catalog.page(listing))
}

pub fn bad_query(mistakes: Vec<Mistake>) -> ApiProblem {
    let detail = "Some parameters are not valid; every one is listed in errors.";
    ApiProblem::new(400, "invalid-query", "The query is not valid", detail).with("errors", json!(mistakes))
}

/// The products are JSON already: the list only joins them.
fn list_json(page: &Page, now: OffsetDateTime) -> Bytes {
    let products: Vec<Bytes> = page.shelves.iter().map(|shelf| shelf.json()).collect();
    let next = json!(page.next.as_ref().map(|place| place.cursor())).to_string();
    let (products, now) = (products.join(&b","[..]), server_time(now));
    let parts = [
        &b"{\"products\":["[..],
        &products,
        b"],\"next\":",
        next.as_bytes(),
        b",\"server_time\":\"",
        now.as_bytes(),
        b"\"}",
    ];
    parts.concat().into()
}

/// How soon stock is news: a shared cache may keep it for a second, a browser asks again.
pub const KEPT: &str = "public, max-age=0, s-maxage=1";

fn json(body: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, KEPT),
        (VARY, "accept"),
    ];
    (headers, body).into_response()
}
