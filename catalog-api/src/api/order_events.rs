//! An order as it goes on, told as it happens.

use super::{ApiProblem, Refusals, Segment, SharedShop, orders::order_id, shopper::Shopper, stock::NoPlace};
use crate::orders::{FindError, Listener, Waiting};
use axum::{
    extract::State,
    http::{HeaderMap, header::CACHE_CONTROL},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use contract::OrderView;
use futures::{Stream, stream};
use std::{convert::Infallible, time::Duration};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";
/// What somebody knows who knows nothing: a pending order has version 0.
const NOTHING: i32 = -1;

/// Tells how an order stands whenever that changes.
///
/// Each event is named `order` and carries what `/orders/{id}` would answer; its id is the order's version. The first one
/// comes at once, unless `Last-Event-ID` says that it is known. Whoever reads slowly misses what was in between and never
/// the last.
#[utoipa::path(
    get,
    path = "/orders/{id}/events",
    operation_id = "followOrder",
    tag = "orders",
    params(
        ("id" = String, Path, description = "The order."),
        ("last-event-id" = Option<String>, Header, description = "The last event that was seen."),
    ),
    security(("pass" = [])),
    responses(
        (status = 200, description = "Events, until somebody leaves.", body = String, content_type = "text/event-stream"),
        Refusals<(Shopper, Segment, FindError, NoPlace)>,
    )
)]
pub async fn follow(
    State(shop): State<SharedShop>,
    shopper: Shopper,
    id: Segment,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let id = order_id(&id)?;
    // Before it is looked at, so that no change is missed in between.
    let listener = shop.counter.waiting.listen(id);
    let order = shop.counter.find(&shopper.owners(), id, None).await?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let follower = Follower {
        waiting: shop.counter.waiting.clone(),
        listener,
        told: seen.and_then(|seen| seen.parse().ok()).unwrap_or(NOTHING),
        first: Some(order),
        stop: shop.stock_listeners.stop.clone(),
        _place: shop.stock_listeners.sit()?,
    };
    let events = Sse::new(follower.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([(CACHE_CONTROL, "no-store")], events).into_response())
}

/// Somebody who follows an order.
struct Follower {
    waiting: Waiting,
    listener: Listener,
    /// The version that was told last.
    told: i32,
    first: Option<OrderView>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut follower| {
            let stop = follower.stop.clone();
            let order = stop.run_until_cancelled(follower.next()).await?;
            let event = Event::default().event("order").id(order.version.to_string());
            // A view consists of strings and numbers, which JSON can always express.
            let data = serde_json::to_string(&order).unwrap_or_default();
            Some((Ok(event.data(data)), follower))
        })
    }

    async fn next(&mut self) -> OrderView {
        let first = self.first.take().filter(|first| first.version > self.told);
        let order = match first {
            Some(first) => first,
            None => self.waiting.newer_than(&mut self.listener, self.told).await,
        };
        self.told = order.version;
        order
    }
}
