//! Refunds in part, as operators make them.

use super::{
    ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop, idempotency_key::Key, member::Operator,
    orders::order_id, request_body::JsonBytes,
};
use crate::store::{self, OrderMoney, OwedRefund};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use contract::{Money, OrderId, RefundOrder};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tracing::{info, warn};

/// How much of an order's money goes back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// In minor units of the order's currency.
    #[schema(minimum = 1)]
    amount_minor: i64,
}

/// What went back of an order's money, what is to go back, and what is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefundList {
    /// What was captured and is not owed back.
    kept: Money,
    /// The oldest first.
    refunds: Vec<RefundShown>,
}

/// Money that went back or is to go back.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefundShown {
    /// Its name.
    id: String,
    /// How much.
    amount: Money,
    /// Since when it is owed (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
    /// When it went back (RFC 3339), if it did.
    #[serde(with = "time::serde::rfc3339::option")]
    refunded_at: Option<OffsetDateTime>,
}

/// A refund that was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RefundTaken {
    /// Its name among the order's refunds, once the worker has entered it.
    id: String,
}

/// A body that names no amount.
pub struct BadRefund;

impl Refuses for BadRefund {
    const KINDS: &'static [Kind] = &[(422, "invalid-refund"), (422, "idempotency-key-reused")];
}

/// Money that is not there to be given back.
pub struct NoMoney;

impl Refuses for NoMoney {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-order"),
        (409, "refund-exceeds"),
        (503, "unavailable"),
        (503, "not-confirmed"),
    ];
}

/// Lists what went back of an order's money.
#[utoipa::path(
    get,
    path = "/admin/orders/{id}/refunds",
    operation_id = "listRefunds",
    tag = "administration",
    params(("id" = String, Path, description = "The order.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The refunds.", body = RefundList),
        Refusals<(Operator, Segment, NoMoney)>,
    )
)]
pub async fn list(
    State(shop): State<SharedShop>,
    _operator: Operator,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let money = money_of(&shop, order_id(&id)?).await?;
    let refunds = RefundList {
        kept: Money::new(money.kept_minor, money.currency),
        refunds: money.refunds.into_iter().map(RefundShown::from).collect(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(refunds)).into_response())
}

/// Gives a part of an order's money back; the order stays what it is. The same key is the same refund.
#[utoipa::path(
    post,
    path = "/admin/orders/{id}/refunds",
    operation_id = "refundOrder",
    tag = "administration",
    params(
        ("id" = String, Path, description = "The order."),
        ("idempotency-key" = String, Header, description = "Names the refund: a string in double quotes."),
    ),
    request_body = RefundRequest,
    security(("access_token" = [])),
    responses(
        (status = 202, description = "It is taken, and will be made if so much is kept then.", body = RefundTaken),
        Refusals<(Operator, Segment, Key, JsonBytes, BadRefund, NoMoney)>,
    )
)]
pub async fn give(
    State(shop): State<SharedShop>,
    Operator(operator): Operator,
    id: Segment,
    key: Key,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let order_id = order_id(&id)?;
    let asked = read(&body)?;
    let money = money_of(&shop, order_id).await?;
    // Whoever asks: a second operator does not make it a second refund.
    let refund_id = key.names(order_id);
    let id = format!("by-hand-{refund_id}");
    match money.refunds.iter().find(|refund| refund.id == id) {
        Some(known) if known.amount.minor != asked.amount_minor => return Err(key_reused()),
        None if asked.amount_minor > money.kept_minor => return Err(exceeds(&money)),
        _ => {}
    }
    let amount = Money::new(asked.amount_minor, money.currency);
    let refund = RefundOrder {
        order_id,
        refund_id,
        amount,
    };
    shop.counter
        .refund(refund, money.routed_by)
        .await
        .map_err(|error| ApiProblem::not_confirmed(&error))?;
    info!(operator = %operator.id, order = %order_id, minor = amount.minor, "an operator refunds");
    Ok((
        StatusCode::ACCEPTED,
        [(CACHE_CONTROL, "no-store")],
        Json(RefundTaken { id }),
    )
        .into_response())
}

fn read(body: &[u8]) -> Result<RefundRequest, ApiProblem> {
    let invalid = |detail: String| ApiProblem::new(422, "invalid-refund", "This is no refund", detail);
    let asked: RefundRequest = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    if asked.amount_minor < 1 {
        return Err(invalid("amount_minor must be at least 1.".to_owned()));
    }
    Ok(asked)
}

async fn money_of(shop: &SharedShop, order: OrderId) -> Result<OrderMoney, ApiProblem> {
    let money = store::money_of(&shop.pool, order).await.map_err(|error| {
        warn!(%error, "cannot read an order's money");
        ApiProblem::unavailable(&error)
    })?;
    money.ok_or_else(ApiProblem::unknown_order)
}

fn key_reused() -> ApiProblem {
    let detail = "This Idempotency-Key was used for another amount. Take a fresh key for another refund.";
    let title = "The Idempotency-Key was used before";
    ApiProblem::new(422, "idempotency-key-reused", title, detail)
}

fn exceeds(money: &OrderMoney) -> ApiProblem {
    let detail = format!(
        "Of this order's money {} (minor units) are kept; no more can go back.",
        money.kept_minor
    );
    ApiProblem::new(409, "refund-exceeds", "Not so much is kept", detail)
}

impl From<OwedRefund> for RefundShown {
    fn from(refund: OwedRefund) -> Self {
        let OwedRefund {
            id,
            amount,
            due_at,
            refunded_at,
        } = refund;
        Self {
            id,
            amount,
            due_at,
            refunded_at,
        }
    }
}
