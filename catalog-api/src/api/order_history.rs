//! What a shopper has ordered so far.

use super::{ApiProblem, Refusals, SharedShop, member::Member, products::BadQuery, shopper::Shopper};
use crate::{orders::FindError, store};
use axum::{
    Json,
    extract::{RawQuery, State},
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
};
use catalog_domain::{Decided, History};
use contract::{OrderView, ShopperId};
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;
use tracing::warn;

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A page of somebody's orders.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OrderList {
    /// The newest first.
    orders: Vec<OrderView>,
    /// Where the list goes on: the value of `after` for the next page. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the shopper's own orders, the newest first, a page at a time. An order that is not decided yet is not among them.
#[utoipa::path(
    get,
    path = "/orders",
    operation_id = "listOrders",
    tag = "orders",
    params(
        ("limit" = Option<u32>, Query, description = "How many on a page, at most.", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
    ),
    security(("pass" = [])),
    responses(
        (status = 200, description = "A page of orders.", body = OrderList),
        Refusals<(Shopper, BadQuery, FindError)>,
    )
)]
pub async fn list(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiProblem> {
    page_of(&shop, &shopper.owners(), query).await
}

/// Lists the member's own orders, the newest first, a page at a time. That needs no pass.
#[utoipa::path(
    get,
    path = "/members/me/orders",
    operation_id = "listMemberOrders",
    tag = "members",
    params(
        ("limit" = Option<u32>, Query, description = "How many on a page, at most.", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
    ),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "A page of orders.", body = OrderList),
        Refusals<(Member, BadQuery, FindError)>,
    )
)]
pub async fn list_of_member(
    State(shop): State<SharedShop>,
    member: Member,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiProblem> {
    page_of(&shop, &[ShopperId::of_member(member.id)], query).await
}

async fn page_of(
    shop: &SharedShop,
    owners: &[ShopperId],
    query: Option<String>,
) -> Result<Response, ApiProblem> {
    let history = History::parse(&query.unwrap_or_default()).map_err(super::products::bad_query)?;
    let page = timeout(PATIENCE, store::orders_page(&shop.pool, owners, &history)).await;
    let (orders, next) = match page {
        Ok(Ok(page)) => page,
        Ok(Err(error)) => {
            warn!(%error, "cannot read a shopper's orders");
            return Err(FindError::from(store::LookUpError).into());
        }
        Err(_) => return Err(FindError::from(store::LookUpError).into()),
    };
    let next = next.as_ref().map(Decided::cursor);
    Ok(([(CACHE_CONTROL, "no-store")], Json(OrderList { orders, next })).into_response())
}
