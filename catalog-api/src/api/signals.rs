//! What the edge asks to know how much the shop can bear, and what is left to sell. For the internal listener only:
//! how much is held and sold is nobody else's business.

use crate::{catalog::Catalog, orders::Undecided};
use axum::{
    Json,
    extract::{Query, State},
};
use contract::ProductId;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Products in one answer; who sells more asks for one by name.
const PRODUCTS_MAX: usize = 200;

/// Where the signals come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Stock.
    pub catalog: Arc<Catalog>,
    /// Orders on their way.
    pub undecided: Undecided,
    /// Sign-ins that have ended.
    pub pool: PgPool,
}

#[derive(Debug, Deserialize)]
pub struct Asked {
    product: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Signals {
    orders: Orders,
    stock: BTreeMap<ProductId, Units>,
}

#[derive(Debug, Serialize)]
struct Orders {
    pending: usize,
    oldest_pending_ms: Option<u64>,
    decision_p90_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Units {
    left: i64,
    held: i64,
    sold: i64,
    /// Of two answers the one with the higher version is newer.
    version: i64,
}

/// `GET /signals[?product=<id>]`.
pub async fn show(State(sources): State<Sources>, Query(asked): Query<Asked>) -> Json<Signals> {
    let load = sources.undecided.load();
    Json(Signals {
        orders: Orders {
            pending: load.pending,
            oldest_pending_ms: load.oldest_pending.map(millis),
            decision_p90_ms: load.decision_p90.map(millis),
        },
        stock: stock(&sources.catalog, asked.product.as_deref()),
    })
}

fn stock(catalog: &Catalog, product: Option<&str>) -> BTreeMap<ProductId, Units> {
    let shelves = match product {
        // What cannot be a product's name is the name of none.
        Some(product) => product
            .parse()
            .ok()
            .and_then(|id| catalog.shelf(&id))
            .into_iter()
            .collect(),
        None => catalog.shelves(PRODUCTS_MAX),
    };
    let units = shelves.into_iter().map(|shelf| {
        let stock = shelf.stock();
        let units = Units {
            left: stock.available.max(0),
            held: stock.held,
            sold: stock.sold,
            version: stock.version,
        };
        (shelf.product.id.clone(), units)
    });
    units.collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
