//! The HTTP surface.

mod cart;
mod client_address;
mod document;
mod draws;
mod fields;
mod health;
mod idempotency_key;
mod layers;
mod member;
mod member_keys;
mod members;
mod offers;
mod order_events;
mod order_history;
mod orders;
mod prefer;
mod problems;
mod products;
mod refunds;
mod request_body;
mod same_origin;
mod segment;
mod shopper;
mod signals;
mod stock;
mod webhooks;

pub use client_address::Peer;
pub use document::{Kind, Refusals, Refuses};
pub use draws::DrawView;
pub use problems::ApiProblem;
pub use segment::Segment;
pub use signals::Sources;
pub use stock::StockListeners;

use crate::{
    catalog::{Catalog, Nudge},
    draws::Draws,
    members::Members,
    orders::{Counter, Intake},
    web,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{
        HeaderMap,
        header::{ACCEPT, ACCEPT_LANGUAGE},
    },
    middleware,
    routing::get,
};
use broker::Publisher;
use catalog_domain::{limits::BODY_MAX_BYTES, preferred_language, prefers_html};
use clock::Clock;
use contract::Language;
use metrics_exporter_prometheus::PrometheusHandle;
use passes::RemoteKeys;
use payments::webhooks::WebhookSecret;
use secrecy::SecretString;
use sqlx::PgPool;
use std::sync::{Arc, atomic::AtomicBool};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What the handlers work with.
pub struct Shop {
    pub catalog: Arc<Catalog>,
    pub nudge: Arc<Nudge>,
    pub stock_listeners: StockListeners,
    pub intake: Intake,
    pub draws: Draws,
    pub counter: Counter,
    pub passes: RemoteKeys,
    pub members: Arc<Members>,
    pub edge_secret: Option<SecretString>,
    pub webhook_secret: WebhookSecret,
    pub clock: Arc<dyn Clock>,
    pub pool: PgPool,
    pub publisher: Publisher,
    pub keys_seen: AtomicBool,
    pub jwks: reqwest::Client,
    pub jwks_url: String,
}

type SharedShop = Arc<Shop>;

/// Every address, with its operations and their description.
fn routes() -> OpenApiRouter<SharedShop> {
    document::documented()
        .routes(routes!(document::show))
        .routes(routes!(products::front))
        .routes(routes!(products::list))
        .routes(routes!(products::show))
        .routes(routes!(stock::show))
        .routes(routes!(stock::follow))
        .routes(routes!(cart::show, cart::empty))
        .routes(routes!(cart::add))
        .routes(routes!(cart::change, cart::remove))
        .routes(routes!(offers::create))
        .routes(routes!(offers::read, offers::change))
        .routes(routes!(offers::adjust))
        .routes(routes!(orders::place, order_history::list))
        .routes(routes!(order_events::follow))
        .routes(routes!(orders::show))
        .routes(routes!(orders::pay))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::send_back))
        .routes(routes!(draws::list))
        .routes(routes!(draws::show, draws::arrange, draws::cancel))
        .routes(routes!(draws::log))
        .routes(routes!(draws::check))
        .routes(routes!(draws::stand, draws::enter, draws::leave))
        .routes(routes!(draws::receipt))
        .routes(routes!(refunds::list, refunds::give))
        .routes(routes!(webhooks::payments))
        .routes(routes!(member_keys::jwks))
        .merge(members::routes())
        .routes(routes!(web::assets::asset))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// Every address, with what holds for all of them. The order of the layers counts: the last is the outermost.
pub fn router(shop: SharedShop) -> Router {
    Router::from(routes())
        .fallback(layers::no_such_address)
        .method_not_allowed_fallback(layers::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&shop), layers::around))
        .with_state(shop)
}

/// The metrics, and what the edge goes by (signals, and tokens that were taken back), for a listener that shoppers do not
/// reach.
pub fn metrics_router(metrics: PrometheusHandle, sources: Sources) -> Router {
    Router::new()
        .route("/metrics", get(move || async move { metrics.render() }))
        .route("/signals", get(signals::show))
        .route("/revocations", get(member_keys::revocations))
        .with_state(sources)
        .fallback(layers::no_such_address)
}

/// The language that somebody likes best of those that pages speak.
fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    preferred_language(accepted.unwrap_or_default())
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(prefers_html)
}
