//! The cart of whoever shops. What a session has put into it belongs to the member once the shopper has signed in.

use super::{
    ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop, products::NoProduct, products::find,
    request_body::JsonBytes, shopper::Shopper, wants_page,
};
use crate::{
    store::{CartWriteError, carts},
    web,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use catalog_domain::{
    CartAddition, CartError, CartLine, CartQuantity, CartView, SaleState,
    limits::{CART_LINES_MAX, QUANTITY_MAX},
    parse_quantity,
};
use serde_json::json;

/// A product that has left the shop.
pub struct Retired;

impl Refuses for Retired {
    const KINDS: &'static [Kind] = &[(409, "not-for-sale")];
}

/// Shows the cart with what it costs now.
#[utoipa::path(
    get,
    path = "/cart",
    operation_id = "showCart",
    tag = "cart",
    security(("pass" = [])),
    responses(
        (status = 200, description = "The cart.", content(
            (CartView = "application/json"), (String = "text/html")
        )),
        Refusals<(Shopper, CartWriteError)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    headers: HeaderMap,
    shopper: Result<Shopper, ApiProblem>,
) -> Result<Response, ApiProblem> {
    let page = wants_page(&headers);
    let found = async { cart_of(&shop, &shopper?).await };
    match found.await {
        Ok(cart) if page => Ok(web::cart_page(&cart)),
        Ok(cart) => Ok(shown(&cart)),
        Err(problem) if page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

/// Puts a product into the cart, with the units of it that are there already.
#[utoipa::path(
    post,
    path = "/cart/lines",
    operation_id = "addToCart",
    tag = "cart",
    request_body = CartAddition,
    security(("pass" = [])),
    responses(
        (status = 200, description = "The cart as it is now.", body = CartView),
        Refusals<(Shopper, JsonBytes, CartError, NoProduct, Retired, CartWriteError)>,
    )
)]
pub async fn add(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let line = CartLine::parse(&body)?;
    let shelf = find(&shop, &Segment(line.product_id.to_string()))?;
    if shelf.product.state == SaleState::Retired {
        let detail = format!("{} has left the shop.", line.product_id);
        return Err(ApiProblem::new(409, "not-for-sale", "Not for sale", detail));
    }
    gather(&shop, &shopper).await?;
    carts::add(&shop.pool, &shopper.id, &line).await?;
    Ok(shown(&read(&shop, &shopper).await?))
}

/// Changes how many units of a product are in the cart.
#[utoipa::path(
    put,
    path = "/cart/lines/{product}",
    operation_id = "changeCart",
    tag = "cart",
    params(("product" = String, Path, description = "The product.")),
    request_body = CartQuantity,
    security(("pass" = [])),
    responses(
        (status = 200, description = "The cart as it is now.", body = CartView),
        Refusals<(Shopper, Segment, JsonBytes, CartError, CartWriteError)>,
    )
)]
pub async fn change(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    Segment(product): Segment,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let quantity = parse_quantity(&body)?;
    let product = product.parse().map_err(|_| CartWriteError::NotThere)?;
    gather(&shop, &shopper).await?;
    carts::set(&shop.pool, &shopper.id, &product, quantity).await?;
    Ok(shown(&read(&shop, &shopper).await?))
}

/// Takes a product out of the cart. One that is not there stays out.
#[utoipa::path(
    delete,
    path = "/cart/lines/{product}",
    operation_id = "removeFromCart",
    tag = "cart",
    params(("product" = String, Path, description = "The product.")),
    security(("pass" = [])),
    responses(
        (status = 200, description = "The cart as it is now.", body = CartView),
        Refusals<(Shopper, Segment, CartWriteError)>,
    )
)]
pub async fn remove(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    Segment(product): Segment,
) -> Result<Response, ApiProblem> {
    let product = product.parse().map_err(|_| CartWriteError::NotThere)?;
    gather(&shop, &shopper).await?;
    carts::remove(&shop.pool, &shopper.id, Some(&product)).await?;
    Ok(shown(&read(&shop, &shopper).await?))
}

/// Empties the cart.
#[utoipa::path(
    delete,
    path = "/cart",
    operation_id = "emptyCart",
    tag = "cart",
    security(("pass" = [])),
    responses(
        (status = 200, description = "The cart as it is now.", body = CartView),
        Refusals<(Shopper, CartWriteError)>,
    )
)]
pub async fn empty(State(shop): State<SharedShop>, shopper: Shopper) -> Result<Response, ApiProblem> {
    gather(&shop, &shopper).await?;
    carts::remove(&shop.pool, &shopper.id, None).await?;
    Ok(shown(&read(&shop, &shopper).await?))
}

/// What the session has gathered before its shopper signed in goes to the member.
pub async fn gather(shop: &SharedShop, shopper: &Shopper) -> Result<(), CartWriteError> {
    if shopper.id == shopper.session {
        return Ok(());
    }
    carts::pour(&shop.pool, &shopper.session, &shopper.id).await
}

async fn cart_of(shop: &SharedShop, shopper: &Shopper) -> Result<CartView, ApiProblem> {
    gather(shop, shopper).await?;
    Ok(read(shop, shopper).await?)
}

/// The cart at the prices of the moment.
async fn read(shop: &SharedShop, shopper: &Shopper) -> Result<CartView, CartWriteError> {
    let lines = carts::lines(&shop.pool, &shopper.id).await?;
    let view = |line: CartLine| {
        let shelf = shop.catalog.shelf(&line.product_id)?;
        line.view(&shelf.product, shelf.stock())
    };
    Ok(CartView::of(lines.into_iter().filter_map(view).collect()))
}

/// A cart belongs to its shopper: no cache keeps it.
fn shown(cart: &CartView) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(cart)).into_response()
}

// --- what can be wrong

impl Refuses for CartError {
    const KINDS: &'static [Kind] = &[(400, "malformed"), (422, "invalid-cart")];
}

impl From<CartError> for ApiProblem {
    fn from(error: CartError) -> Self {
        let invalid = |detail: &str| Self::new(422, "invalid-cart", "This is not valid", detail);
        match error {
            CartError::NotJson(detail) => Self::new(400, "malformed", "The body is not JSON", detail),
            CartError::Shape(detail) => invalid(&detail),
            CartError::Values(mistakes) => {
                invalid("Some values are not valid; every one is listed in errors.")
                    .with("errors", json!(mistakes))
            }
        }
    }
}

impl Refuses for CartWriteError {
    const KINDS: &'static [Kind] = &[
        (404, "not-in-cart"),
        (409, "cart-full"),
        (409, "too-many-units"),
        (503, "unavailable"),
    ];
}

impl From<CartWriteError> for ApiProblem {
    fn from(error: CartWriteError) -> Self {
        match error {
            CartWriteError::NotThere => Self::new(
                404,
                "not-in-cart",
                "Not in the cart",
                "The product is not in the cart.",
            ),
            CartWriteError::Full => {
                let detail = format!("A cart takes {CART_LINES_MAX} products. Order some, or take some out.");
                Self::new(409, "cart-full", "The cart is full", detail)
            }
            CartWriteError::TooMany(there) => {
                let detail = format!("A cart takes {QUANTITY_MAX} units of a product, and has {there}.");
                Self::new(409, "too-many-units", "Too many units", detail)
            }
            CartWriteError::Database(error) => Self::unavailable(&error),
        }
    }
}
