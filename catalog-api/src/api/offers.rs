//! Products as administrators put them up, change them and count their units.

use super::{
    ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop, idempotency_key::Key, member::Admin,
    request_body::JsonBytes,
};
use crate::store::{self, Kept, OfferWriteError};
use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, ETAG, IF_MATCH, LOCATION},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::{Adjustment, NewProduct, NewProductRequest, Offer, OfferChange, OfferError};
use contract::{ProductId, StockChanged};
use serde::Serialize;
use serde_json::json;

/// A product with everything that the shop knows of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeptProduct {
    /// Its identifier.
    id: ProductId,
    /// Grows with every change of the offer; the `ETag` of this answer.
    version: i64,
    /// What is said of it.
    offer: Offer,
    /// Its stock.
    stock: KeptStock,
}

/// The stock of a product as the shop knows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeptStock {
    /// Units that exist and are not yet shipped.
    on_hand: i64,
    /// Units in open holds.
    held: i64,
    /// Units paid for.
    sold: i64,
    /// Units that an order could still hold.
    available: i64,
    /// Grows with every change.
    version: i64,
}

/// A change that names no version, or one that is past.
pub struct BadPrecondition;

impl Refuses for BadPrecondition {
    const KINDS: &'static [Kind] = &[(428, "precondition-required"), (400, "if-match")];
}

/// Puts a new product into the shop.
#[utoipa::path(
    post,
    path = "/admin/products",
    operation_id = "createProduct",
    tag = "administration",
    request_body = NewProductRequest,
    security(("access_token" = [])),
    responses(
        (status = 201, description = "It is in the shop.", body = KeptProduct, headers(
            ("location" = String, description = "Where to change it."),
            ("etag" = String, description = "Its version."),
        )),
        Refusals<(Admin, JsonBytes, OfferError, OfferWriteError)>,
    )
)]
pub async fn create(
    State(shop): State<SharedShop>,
    _admin: Admin,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let kept = store::create(&shop.pool, &NewProduct::parse(&body)?).await?;
    let location = [(LOCATION, format!("/admin/products/{}", kept.id))];
    Ok((StatusCode::CREATED, location, shown(kept)).into_response())
}

/// Shows a product with its held and sold units.
#[utoipa::path(
    get,
    path = "/admin/products/{id}",
    operation_id = "readProduct",
    tag = "administration",
    params(("id" = String, Path, description = "The product.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The product.", body = KeptProduct,
            headers(("etag" = String, description = "Its version."))),
        Refusals<(Admin, Segment, OfferWriteError)>,
    )
)]
pub async fn read(
    State(shop): State<SharedShop>,
    _admin: Admin,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let kept = store::find(&shop.pool, &product_id(&id)?).await;
    let kept = kept.map_err(OfferWriteError::Database)?;
    Ok(shown(kept.ok_or(OfferWriteError::Unknown)?))
}

/// Changes a product: its name, price, times, whether it is on sale, stopped or retired.
#[utoipa::path(
    patch,
    path = "/admin/products/{id}",
    operation_id = "changeProduct",
    tag = "administration",
    params(
        ("id" = String, Path, description = "The product."),
        ("if-match" = String, Header, description = "The `ETag` of the product as it was seen.", pattern = r#"^"[0-9]{1,18}"$"#),
    ),
    request_body = OfferChange,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The product as it is now.", body = KeptProduct,
            headers(("etag" = String, description = "Its version."))),
        Refusals<(Admin, Segment, BadPrecondition, JsonBytes, OfferError, OfferWriteError)>,
    )
)]
pub async fn change(
    State(shop): State<SharedShop>,
    _admin: Admin,
    id: Segment,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let (id, version) = (product_id(&id)?, seen_version(&headers)?);
    let change = OfferChange::parse(&body)?;
    Ok(shown(store::change(&shop.pool, &id, version, &change).await?))
}

/// Adds units to a product's stock, or takes some away. The same key is the same adjustment.
#[utoipa::path(
    post,
    path = "/admin/products/{id}/adjustments",
    operation_id = "adjustStock",
    tag = "administration",
    params(
        ("id" = String, Path, description = "The product."),
        ("idempotency-key" = String, Header, description = "Names the adjustment: a string in double quotes.", pattern = r#"^"[ !#-\[\]-~]{1,255}"$"#),
    ),
    request_body = Adjustment,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The stock as it is now.", body = KeptStock),
        Refusals<(Admin, Segment, Key, JsonBytes, OfferError, OfferWriteError)>,
    )
)]
pub async fn adjust(
    State(shop): State<SharedShop>,
    Admin(admin): Admin,
    id: Segment,
    key: Key,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let (id, adjustment) = (product_id(&id)?, Adjustment::parse(&body)?);
    let actor = format!("member:{}", admin.id);
    let named = key.names(&actor);
    let stock = store::adjust(&shop.pool, &id, named, &adjustment, &actor).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(KeptStock::from(&stock))).into_response())
}

fn product_id(Segment(id): &Segment) -> Result<ProductId, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::unknown_product())
}

/// The version in the one `If-Match` header.
fn seen_version(headers: &HeaderMap) -> Result<i64, ApiProblem> {
    let mut tags = headers.get_all(IF_MATCH).iter();
    let tag = tags.next().ok_or_else(|| {
        let detail = "Send If-Match with the ETag of the product as you saw it.";
        ApiProblem::new(428, "precondition-required", "Say what you saw", detail)
    })?;
    let inner = |text: &str| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    let version = tag
        .to_str()
        .ok()
        .and_then(inner)
        .filter(|_| tags.next().is_none());
    version.ok_or_else(|| {
        let detail = "Send one If-Match header with one ETag of this product, as it was answered.";
        ApiProblem::new(400, "if-match", "The If-Match header is malformed", detail)
    })
}

fn shown(kept: Kept) -> Response {
    let Kept {
        id,
        offer,
        version,
        stock,
    } = kept;
    let headers = [
        (CACHE_CONTROL, "no-store".to_owned()),
        (ETAG, format!("\"{version}\"")),
    ];
    let stock = KeptStock::from(&stock);
    (
        headers,
        Json(KeptProduct {
            id,
            version,
            offer,
            stock,
        }),
    )
        .into_response()
}

impl From<&StockChanged> for KeptStock {
    fn from(stock: &StockChanged) -> Self {
        Self {
            on_hand: stock.on_hand,
            held: stock.held,
            sold: stock.sold,
            available: stock.available(),
            version: stock.version,
        }
    }
}

// --- what can be wrong

impl Refuses for OfferError {
    const KINDS: &'static [Kind] = &[(400, "malformed"), (422, "invalid-product")];
}

impl From<OfferError> for ApiProblem {
    fn from(error: OfferError) -> Self {
        let invalid = |detail: &str| Self::new(422, "invalid-product", "This is not valid", detail);
        match error {
            OfferError::NotJson(detail) => Self::new(400, "malformed", "The body is not JSON", detail),
            OfferError::Shape(detail) => invalid(&detail),
            OfferError::Values(mistakes) => {
                invalid("Some values are not valid; every one is listed in errors.")
                    .with("errors", json!(mistakes))
            }
        }
    }
}

impl Refuses for OfferWriteError {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-product"),
        (409, "product-exists"),
        (409, "units-needed"),
        (412, "changed-meanwhile"),
        (422, "invalid-product"),
        (422, "idempotency-key-reused"),
        (503, "unavailable"),
    ];
}

impl From<OfferWriteError> for ApiProblem {
    fn from(error: OfferWriteError) -> Self {
        match error {
            OfferWriteError::Unknown => Self::unknown_product(),
            OfferWriteError::Exists => {
                let detail = "There is a product with this id. Take another one, or change that product.";
                Self::new(409, "product-exists", "The id is taken", detail)
            }
            OfferWriteError::Stale => {
                let detail = "Somebody has changed the product since you saw it. Look again, then decide.";
                Self::new(412, "changed-meanwhile", "The product has changed", detail)
            }
            OfferWriteError::UnitsNeeded => {
                let detail = "So many units are held or sold. Take fewer away, or wait until holds expire.";
                Self::new(409, "units-needed", "The units are needed", detail)
            }
            OfferWriteError::KeyReused => {
                let detail = "This Idempotency-Key was used for another adjustment. Take a fresh key.";
                Self::new(
                    422,
                    "idempotency-key-reused",
                    "The Idempotency-Key was used before",
                    detail,
                )
            }
            OfferWriteError::Invalid(error) => error.into(),
            OfferWriteError::Database(error) => Self::unavailable(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_etag_as_it_was_answered() {
        for (tags, expected) in [
            (&["\"7\""][..], Ok(7)),
            (&[], Err(428)),
            (&["7"], Err(400)),
            (&["*"], Err(400)),
            (&["W/\"7\""], Err(400)),
            (&["\"7\", \"8\""], Err(400)),
            (&["\"7\"", "\"8\""], Err(400)),
            (&["\"x\""], Err(400)),
        ] {
            let mut headers = HeaderMap::new();
            for tag in tags {
                headers.append(IF_MATCH, tag.parse().unwrap());
            }
            let read = seen_version(&headers).map_err(|problem| problem.problem.status);
            assert_eq!(read, expected, "{tags:?}");
        }
    }
}
