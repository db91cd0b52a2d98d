//! What is left of a product: as an answer that caches may keep for a second, and as events.

use super::{
    ApiProblem, Kind, Refusals, Refuses, Segment, SharedShop,
    products::{KEPT, NoProduct, find},
};
use crate::catalog::{Catalog, StockJson, StockShown};
use axum::{
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use contract::ProductId;
use futures::{Stream, stream};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How many may listen at once on this instance.
const LISTENERS_MAX: usize = 5_000;
/// What is changed faster than this is told together.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

const _: () = assert!(TELL_EVERY.as_millis() < 1_000, "listeners know within a second");

/// Places for listeners.
#[derive(Debug, Clone)]
pub struct StockListeners {
    places: Arc<Semaphore>,
    pub stop: CancellationToken,
}

/// There is no place for another listener.
pub struct NoPlace;

impl Refuses for NoPlace {
    const KINDS: &'static [Kind] = &[(503, "too-many-listeners")];
}

// === impl StockListeners ===

impl StockListeners {
    /// Places, until `stop`: what is asked for then ends by itself, so that nobody waits for its end.
    pub fn new(stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(LISTENERS_MAX));
        Self { places, stop }
    }

    /// A place, or a problem when all are taken.
    pub fn sit(&self) -> Result<OwnedSemaphorePermit, ApiProblem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            ApiProblem::later(
                "too-many-listeners",
                "Too many listeners",
                "Ask for the stock itself, or try again later.",
            )
        })
    }
}

/// Says what is left of a product.
#[utoipa::path(
    get,
    path = "/products/{id}/stock",
    operation_id = "showStock",
    tag = "catalog",
    params(
        ("id" = String, Path, description = "The product."),
        ("if-none-match" = Option<String>, Header, description = "The `ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "What is left.", body = StockShown),
        (status = 304, description = "The same as in the answer with that `ETag`."),
        Refusals<(Segment, NoProduct)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    id: Segment,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let StockJson { version, json } = find(&shop, &id)?.stock_json();
    let tag = format!("\"{version}\"");
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|tags| tags.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    });
    let about = [(CACHE_CONTROL, KEPT.to_owned()), (ETAG, tag)];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, [(CONTENT_TYPE, "application/json")], json).into_response())
}

/// Tells what is left of a product whenever that changes.
///
/// Each event is named `stock` and carries what `/products/{id}/stock` would answer. The first one comes at once, unless
/// `Last-Event-ID` says that it is known. Whoever reads slowly misses what was in between and never the last.
#[utoipa::path(
    get,
    path = "/products/{id}/stock/events",
    operation_id = "followStock",
    tag = "catalog",
    params(
        ("id" = String, Path, description = "The product."),
        ("last-event-id" = Option<String>, Header, description = "The last event that was seen."),
    ),
    responses(
        (status = 200, description = "Events, until somebody leaves.", body = String, content_type = "text/event-stream"),
        Refusals<(Segment, NoProduct, NoPlace)>,
    )
)]
pub async fn follow(
    State(shop): State<SharedShop>,
    id: Segment,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let shelf = find(&shop, &id)?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let listener = Listener {
        catalog: Arc::clone(&shop.catalog),
        product: shelf.product.id.clone(),
        news: shelf.listen(),
        told: seen.map(str::to_owned),
        is_first: true,
        stop: shop.stock_listeners.stop.clone(),
        _place: shop.stock_listeners.sit()?,
    };
    let events = Sse::new(listener.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(([(CACHE_CONTROL, "no-store")], events).into_response())
}

/// Somebody who follows the stock of a product.
struct Listener {
    catalog: Arc<Catalog>,
    product: ProductId,
    news: watch::Receiver<()>,
    /// The version that was told last.
    told: Option<String>,
    is_first: bool,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let stop = listener.stop.clone();
            let event = stop.run_until_cancelled(listener.next()).await??;
            Some((Ok(event), listener))
        })
    }

    /// The next event; nothing once there is no such product.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::take(&mut self.is_first) {
            sleep(TELL_EVERY).await;
            self.news.changed().await.ok()?;
        }
        loop {
            self.news.mark_unchanged();
            let StockJson { version, json } = self.catalog.shelf(&self.product)?.stock_json();
            if self.told.as_ref() != Some(&version) {
                // JSON is UTF-8 without line breaks.
                let data = String::from_utf8_lossy(&json).into_owned();
                self.told = Some(version.clone());
                return Some(Event::default().event("stock").id(version).data(data));
            }
            self.news.changed().await.ok()?;
        }
    }
}
