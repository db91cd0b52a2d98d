//! Products: for programs as JSON, for people as pages. Both come from memory and need no pass.

use super::{ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop, wants_page};
use crate::{catalog::Shelf, web};
use axum::{
    body::Bytes,
    extract::State,
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::ProductView;
use serde::Serialize;
use std::sync::Arc;

/// The products for sale.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProductList<'a> {
    /// In the order of their identifiers.
    products: Vec<ProductView<'a>>,
}

/// There is no such product.
pub struct NoProduct;

impl Refuses for NoProduct {
    const KINDS: &'static [Kind] = &[(404, "unknown-product")];
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
    web::front_page(&shop.catalog.shelves())
}

/// Lists the products for sale.
#[utoipa::path(
    get,
    path = "/products",
    operation_id = "listProducts",
    tag = "catalog",
    responses((status = 200, description = "The products.", content(
        (ProductList = "application/json"), (String = "text/html")
    )))
)]
pub async fn list(State(shop): State<SharedShop>, headers: HeaderMap) -> Response {
    let shelves = shop.catalog.shelves();
    if wants_page(&headers) {
        web::front_page(&shelves)
    } else {
        json(list_json(&shelves))
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
            (ProductView = "application/json"), (String = "text/html")
        )),
        Refusals<(Segment, NoProduct)>,
    )
)]
pub async fn show(State(shop): State<SharedShop>, Segment(id): Segment, headers: HeaderMap) -> Response {
    let shelf = id.parse().ok().and_then(|id| shop.catalog.shelf(&id));
    match (shelf, wants_page(&headers)) {
        (Some(shelf), false) => json(shelf.json()),
        (Some(shelf), true) => web::product_page(&shelf),
        (None, false) => unknown_product().into_response(),
        (None, true) => web::problem_page(&unknown_product().problem),
    }
}

fn unknown_product() -> ApiProblem {
    ApiProblem::new(
        404,
        "unknown-product",
        "No such product",
        "There is no product at this address.",
    )
}

/// The products are JSON already: the list only joins them.
fn list_json(shelves: &[Arc<Shelf>]) -> Bytes {
    let products: Vec<Bytes> = shelves.iter().map(|shelf| shelf.json()).collect();
    [&b"{\"products\":["[..], &products.join(&b","[..]), b"]}"]
        .concat()
        .into()
}

/// How soon stock is news: a shared cache may keep it for a second, a browser asks again.
const KEPT: &str = "public, max-age=0, s-maxage=1";

fn json(body: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, KEPT),
        (VARY, "accept"),
    ];
    (headers, body).into_response()
}
