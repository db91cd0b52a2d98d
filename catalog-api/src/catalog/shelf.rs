//! A product and what is left of it, ready to be sent.

use super::server_time;
use arc_swap::ArcSwap;
use bytes::Bytes;
use catalog_domain::{Product, Status, Stock};
use contract::ProductId;
use serde::Serialize;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::watch;

/// A product and what is left of it.
#[derive(Debug)]
pub struct Shelf {
    /// The product.
    pub product: Product,
    shown: ArcSwap<Shown>,
    /// Says that something else is shown, to whoever listens. It outlives a change of the product.
    news: Arc<watch::Sender<()>>,
}

/// The stock as it is known, and what is shown with it.
#[derive(Debug)]
struct Shown {
    stock: Stock,
    product_json: Bytes,
    stock_json: StockJson,
}

/// What is left of a product, as JSON, and the version of that.
#[derive(Debug, Clone)]
pub struct StockJson {
    /// Changes whenever the JSON does: the versions of product and stock.
    pub version: String,
    /// [`StockShown`].
    pub json: Bytes,
}

/// What is left of a product.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StockShown<'a> {
    /// The product.
    product_id: &'a ProductId,
    /// Units that an order could still hold.
    available: i64,
    /// Whether there is none.
    sold_out: bool,
    /// How the product stands.
    status: Status,
    /// Of two answers the one with the higher version is newer.
    version: i64,
}

impl Shelf {
    pub(super) fn new(product: Product, stock: Stock) -> Self {
        Self {
            shown: ArcSwap::from_pointee(Shown::of(&product, stock)),
            product,
            news: Arc::default(),
        }
    }

    /// A shelf for the changed product in place of this one, with the newer stock of the two that are known.
    pub(super) fn replaced_by(&self, product: Product, stock: Stock) -> Self {
        let known = self.stock();
        let newest = if known.is_newer_than(stock) { known } else { stock };
        let news = Arc::clone(&self.news);
        Self {
            news,
            ..Self::new(product, newest)
        }
    }

    /// What is left.
    pub fn stock(&self) -> Stock {
        self.shown.load().stock
    }

    /// The product with its stock, as JSON.
    pub fn json(&self) -> Bytes {
        self.shown.load().product_json.clone()
    }

    /// The product with its stock and what time it is, as JSON.
    pub fn json_at(&self, now: OffsetDateTime) -> Bytes {
        let json = self.json();
        let fields = json.strip_suffix(b"}").unwrap_or(&json);
        [
            fields,
            b",\"server_time\":\"",
            server_time(now).as_bytes(),
            b"\"}",
        ]
        .concat()
        .into()
    }

    /// What is left, as JSON.
    pub fn stock_json(&self) -> StockJson {
        self.shown.load().stock_json.clone()
    }

    /// Hears whenever something else is shown.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn learn(&self, stock: Stock) {
        let before = self.shown.rcu(|shown| {
            if stock.is_newer_than(shown.stock) {
                Arc::new(Shown::of(&self.product, stock))
            } else {
                Arc::clone(shown)
            }
        });
        if stock.is_newer_than(before.stock) {
            self.tell();
        }
    }

    pub(super) fn tell(&self) {
        self.news.send_replace(());
    }
}

impl Shown {
    fn of(product: &Product, stock: Stock) -> Self {
        let view = stock.view();
        let left = StockShown {
            product_id: &product.id,
            available: view.available,
            sold_out: view.sold_out,
            status: product.status(stock),
            version: view.version,
        };
        // Both consist of strings and numbers, which JSON can always express.
        let json = |bytes: Result<Vec<u8>, _>| -> Bytes { bytes.unwrap_or_default().into() };
        Self {
            stock,
            product_json: json(serde_json::to_vec(&product.view(stock))),
            stock_json: StockJson {
                version: format!("{}.{}", product.version, stock.version),
                json: json(serde_json::to_vec(&left)),
            },
        }
    }
}
