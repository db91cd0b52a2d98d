//! Orders: place, look, pay, cancel, send back. Everything here needs a pass.

use super::{
    ApiProblem, Refusals, Segment, SharedShop, language, prefer::Wait, problems::Refused,
    request_body::JsonBytes, shopper::Shopper, wants_page,
};
use crate::{
    orders::{CancelError, FindError, PayError, PlaceError, PlaceRequest, PriceChange, ReturnError},
    store::carts,
    web,
};
use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::{
    Basket, BasketError, IdempotencyKey, KeyError, OrderRequest, is_cancelled, is_sent_back, member::Address,
};
use contract::{OrderId, OrderState, OrderView, Refusal, RequestedLine};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use tracing::warn;

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How soon a pending order is worth another look.
const LOOK_AGAIN_SECONDS: &str = "1";

/// Takes an order.
///
/// It is durable once this is answered, and decided if the answer is not 202. The same request with the same key is
/// the same order, however often it is sent.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "placeOrder",
    tag = "orders",
    params(
        ("idempotency-key" = String, Header, description = "Names the order among the shopper's: a string in double quotes.", pattern = r#"^"[ !#-\[\]-~]{1,255}"$"#),
        ("prefer" = Option<String>, Header, description = "`wait=10`: answer once it is decided, or after so many seconds."),
    ),
    request_body = OrderRequest,
    security(("pass" = [])),
    responses(
        (status = 201, description = "The units are held; pay until the hold expires.", body = OrderView,
            headers(("location" = String, description = "The order."))),
        (status = 202, description = "Accepted, not decided yet.", body = OrderView,
            headers(("location" = String, description = "The order."))),
        Refusals<(Shopper, KeyError, JsonBytes, BasketError, PlaceError, Refused)>,
    )
)]
pub async fn place(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    wait: Wait,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let keys = headers
        .get_all(IDEMPOTENCY_KEY)
        .iter()
        .map(|value| value.as_bytes());
    let basket = Basket::parse(&body)?;
    let (lines, from_cart) = (basket.lines().to_vec(), basket.is_from_cart());
    let request = PlaceRequest {
        key: IdempotencyKey::from_headers(keys)?,
        basket,
        shopper: shopper.id.clone(),
        member: shopper.member,
        since_unix_ms: shopper.since_unix_ms,
        wait: wait.0,
        accepted_at_unix_ms: shop.clock.unix_ms(),
    };
    let order = shop.intake.place(request).await?;
    if from_cart && order.state != OrderState::Refused {
        leave_cart(&shop, &shopper, order.order_id, &lines).await;
    }
    let changes = shop.intake.price_changes(&lines);
    Ok(wait.applied_to(placed(&order, &changes)))
}

/// An order as its owner sees it, and where it goes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrderShown {
    #[serde(flatten)]
    pub order: OrderView,
    /// The address as it was when the order was placed. Absent when there was none, and from an order that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// Shows an order to its owner.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    operation_id = "showOrder",
    tag = "orders",
    params(
        ("id" = String, Path, description = "The order."),
        ("prefer" = Option<String>, Header, description = "`wait=10`: answer once it is decided, or after so many seconds."),
    ),
    security(("pass" = [])),
    responses(
        (status = 200, description = "The order.", content(
            (OrderShown = "application/json"), (String = "text/html")
        )),
        Refusals<(Shopper, Segment, FindError)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    id: Segment,
    wait: Wait,
    headers: HeaderMap,
    shopper: Result<Shopper, ApiProblem>,
) -> Result<Response, ApiProblem> {
    let page = wants_page(&headers);
    let found = async { find(&shop, &shopper?, order_id(&id)?, wait.0).await };
    match found.await {
        Ok(shown) if page => Ok(web::order_page(&shown.order, language(&headers))),
        Ok(shown) => Ok(wait.applied_to(private(StatusCode::OK, &shown))),
        Err(problem) if page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

async fn find(
    shop: &SharedShop,
    shopper: &Shopper,
    id: OrderId,
    wait: Option<Duration>,
) -> Result<OrderShown, ApiProblem> {
    let order = shop.counter.find(&shopper.owners(), id, wait).await?;
    let address = match shopper.member {
        Some(member) => shop.intake.addresses.of(member, id).await?,
        None => None,
    };
    Ok(OrderShown { order, address })
}

/// Where to pay for an order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CheckoutLink {
    /// The payment provider's page.
    checkout_url: String,
}

/// Starts the payment of an order.
#[utoipa::path(
    post,
    path = "/orders/{id}/pay",
    operation_id = "payOrder",
    tag = "orders",
    params(("id" = String, Path, description = "The order.")),
    security(("pass" = [])),
    responses(
        (status = 200, description = "Where to pay.", body = CheckoutLink),
        Refusals<(Shopper, Segment, PayError)>,
    )
)]
pub async fn pay(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let checkout = shop.counter.pay(&shopper.owners(), order_id(&id)?).await?;
    let body = Json(CheckoutLink {
        checkout_url: checkout.url,
    });
    Ok(([(CACHE_CONTROL, "no-store")], body).into_response())
}

/// Cancels an order that is not shipped yet; what was paid goes back.
#[utoipa::path(
    post,
    path = "/orders/{id}/cancel",
    operation_id = "cancelOrder",
    tag = "orders",
    params(
        ("id" = String, Path, description = "The order."),
        ("prefer" = Option<String>, Header, description = "`wait=10`: answer once it is decided, or after so many seconds."),
    ),
    security(("pass" = [])),
    responses(
        (status = 200, description = "It is cancelled.", body = OrderView),
        (status = 202, description = "It will be, unless it is shipped first.", body = OrderView),
        Refusals<(Shopper, Segment, CancelError)>,
    )
)]
pub async fn cancel(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    id: Segment,
    wait: Wait,
) -> Result<Response, ApiProblem> {
    let order = shop
        .counter
        .cancel(&shopper.owners(), order_id(&id)?, wait.0)
        .await?;
    Ok(asked(wait, &order, is_cancelled))
}

/// Sends a delivered order back, until the end of the day after it came.
#[utoipa::path(
    post,
    path = "/orders/{id}/return",
    operation_id = "returnOrder",
    tag = "orders",
    params(
        ("id" = String, Path, description = "The order."),
        ("prefer" = Option<String>, Header, description = "`wait=10`: answer once it is decided, or after so many seconds."),
    ),
    security(("pass" = [])),
    responses(
        (status = 200, description = "It is being sent back, or is back.", body = OrderView),
        (status = 202, description = "It will be, unless it is confirmed first.", body = OrderView),
        Refusals<(Shopper, Segment, ReturnError)>,
    )
)]
pub async fn send_back(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    id: Segment,
    wait: Wait,
) -> Result<Response, ApiProblem> {
    let order = shop
        .counter
        .send_back(&shopper.owners(), order_id(&id)?, wait.0)
        .await?;
    Ok(asked(wait, &order, is_sent_back))
}

/// The answer to whoever asked for a change: it is made, or will be.
fn asked(wait: Wait, order: &OrderView, is_made: fn(&OrderView) -> bool) -> Response {
    let status = if is_made(order) {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    wait.applied_to(private(status, order))
}

/// What was ordered leaves the cart. The order stands whether that works or not; sent again, it is tried again.
async fn leave_cart(shop: &SharedShop, shopper: &Shopper, order: OrderId, lines: &[RequestedLine]) {
    let left = async {
        super::cart::gather(shop, shopper).await?;
        carts::ordered(&shop.pool, &shopper.id, order, lines).await
    };
    if let Err(error) = left.await {
        warn!(%error, "what was ordered is still in the cart");
    }
}

pub fn order_id(Segment(id): &Segment) -> Result<OrderId, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::unknown_order())
}

/// The answer to an order request, by how the order stands.
fn placed(order: &OrderView, changes: &[PriceChange]) -> Response {
    let location = [(LOCATION, format!("/orders/{}", order.order_id))];
    match order.state {
        OrderState::Pending => {
            let retry = [(RETRY_AFTER, LOOK_AGAIN_SECONDS)];
            (location, retry, private(StatusCode::ACCEPTED, order)).into_response()
        }
        OrderState::Refused => {
            let problem = ApiProblem::refused(order);
            let prices = order.refusal == Some(Refusal::PriceChanged);
            let problem = if prices {
                problem.with("changes", json!(changes))
            } else {
                problem
            };
            (location, problem).into_response()
        }
        _ => (location, private(StatusCode::CREATED, order)).into_response(),
    }
}

/// An order belongs to its shopper: no cache keeps it.
fn private(status: StatusCode, order: &impl Serialize) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(order)).into_response()
}
