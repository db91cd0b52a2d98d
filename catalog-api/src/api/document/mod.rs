//! The OpenAPI document of this surface, put together from the handlers: what is routed is what is documented.

mod refusals;

pub use refusals::{Kind, Refusals, Refuses};

use super::SharedShop;
use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
};
use bytes::Bytes;
use catalog_domain::Sort;
use contract::Problem;
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

/// What the document says besides the operations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shop behind the waiting room",
        description = "Products, stock, orders and payment. Errors are problem documents (RFC 9457), named by `type`."
    ),
    servers((url = "/", description = "This shop")),
    components(schemas(Problem, Sort)),
    modifiers(&Securities)
)]
struct Frame;

struct Securities;

impl Modify for Securities {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let pass = ApiKeyValue::with_description(
            "Waiting-Room-Pass",
            "The pass that the edge gave to somebody who was let in; browsers send it as a cookie.",
        );
        components.add_security_scheme("pass", SecurityScheme::ApiKey(ApiKey::Header(pass)));
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    }
}

/// A router that collects what it routes, with the document's frame.
pub fn documented() -> OpenApiRouter<SharedShop> {
    OpenApiRouter::with_openapi(Frame::openapi())
}

/// The document of every route, as JSON.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = super::routes().into_openapi();
    // A document consists of strings, numbers and maps by name, which JSON can always express.
    serde_json::to_vec(&document).unwrap_or_default().into()
});

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "readDocument",
    tag = "operation",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub async fn show() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=60"),
    ];
    (headers, DOCUMENT.clone())
}
