//! Orders: place, look, pay, cancel, send back. Everything here needs a pass.

use super::{
    ApiProblem, Segment, SharedShop, prefer::Wait, request_body::JsonBytes, shopper::Shopper, wants_page,
};
use crate::{orders::PlaceRequest, web};
use axum::{
    Json,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::{Basket, IdempotencyKey, is_cancelled, is_sent_back};
use contract::{OrderId, OrderState, OrderView};
use serde_json::json;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How soon a pending order is worth another look.
const LOOK_AGAIN_SECONDS: &str = "1";

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
    let request = PlaceRequest {
        key: IdempotencyKey::from_headers(keys)?,
        basket: Basket::parse(&body)?,
        shopper: shopper.id,
        since_unix_ms: shopper.since_unix_ms,
        wait: wait.0,
        accepted_at_unix_ms: shop.clock.unix_ms(),
    };
    let order = shop.intake.place(request).await?;
    Ok(wait.applied_to(placed(&order)))
}

pub async fn show(
    State(shop): State<SharedShop>,
    id: Segment,
    wait: Wait,
    headers: HeaderMap,
    shopper: Result<Shopper, ApiProblem>,
) -> Result<Response, ApiProblem> {
    let page = wants_page(&headers);
    let found = async {
        Ok::<_, ApiProblem>(
            shop.counter
                .find(&shopper?.owners(), order_id(&id)?, wait.0)
                .await?,
        )
    };
    match found.await {
        Ok(order) if page => Ok(web::order_page(&order)),
        Ok(order) => Ok(wait.applied_to(private(StatusCode::OK, &order))),
        Err(problem) if page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

pub async fn pay(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let checkout = shop.counter.pay(&shopper.owners(), order_id(&id)?).await?;
    let body = Json(json!({ "checkout_url": checkout.url }));
    Ok(([(CACHE_CONTROL, "no-store")], body).into_response())
}

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
    Ok(wait.applied_to(private(done_or_accepted(is_cancelled(&order)), &order)))
}

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
    Ok(wait.applied_to(private(done_or_accepted(is_sent_back(&order)), &order)))
}

fn done_or_accepted(done: bool) -> StatusCode {
    if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    }
}

fn order_id(Segment(id): &Segment) -> Result<OrderId, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::unknown_order())
}

/// The answer to an order request, by how the order stands.
fn placed(order: &OrderView) -> Response {
    let location = [(LOCATION, format!("/orders/{}", order.order_id))];
    match order.state {
        OrderState::Pending => {
            let retry = [(RETRY_AFTER, LOOK_AGAIN_SECONDS)];
            (location, retry, private(StatusCode::ACCEPTED, order)).into_response()
        }
        OrderState::Refused => (location, ApiProblem::refused(order)).into_response(),
        _ => (location, private(StatusCode::CREATED, order)).into_response(),
    }
}

/// An order belongs to its shopper: no cache keeps it.
fn private(status: StatusCode, order: &OrderView) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(order)).into_response()
}
