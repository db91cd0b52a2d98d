//! A shop whose mood a test decides: what it says of itself, how soon it answers and how.

use axum::{
    Json, Router,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;

/// A running shop: `/signals`, and everything else as the origin.
#[derive(Clone)]
pub struct FakeShop {
    pub address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    orders: Arc<Mutex<Vec<String>>>,
}

struct Mood {
    signals: Value,
    status: StatusCode,
    takes: Duration,
}

impl FakeShop {
    /// One that is well, has no orders on their way, and has plenty left.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::new(Mutex::new(Mood {
            signals: Value::Null,
            status: StatusCode::OK,
            takes: Duration::ZERO,
        }));
        let orders = Arc::default();
        let shop = Self {
            address,
            mood,
            orders,
        };
        shop.has(0);
        let (signals, origin, counter) = (shop.clone(), shop.clone(), shop.clone());
        let router = Router::new()
            .route("/signals", get(async move || signals.signals()))
            .route(
                "/orders",
                post(async move |body: String| counter.orders.lock().unwrap().push(body)),
            )
            .fallback(async move || origin.answer().await);
        tokio::spawn(async move { axum::serve(listener, router).await });
        shop
    }

    pub fn url(&self) -> String {
        format!("http://{}/signals", self.address)
    }

    /// So many orders are on their way; there is plenty of stock.
    pub fn has(&self, pending: u64) {
        self.says(json!({
            "orders": { "pending": pending, "oldest_pending_ms": null, "decision_p90_ms": null },
            "stock": stock(1_000_000, 0, 0),
        }));
    }

    /// No orders are on their way, and this is left.
    pub fn has_stock(&self, left: u64, held: u64, sold: u64) {
        self.says(json!({ "orders": { "pending": 0 }, "stock": stock(left, held, sold) }));
    }

    /// Nothing but an error when it is asked how it is.
    pub fn is_silent(&self) {
        self.says(Value::Null);
    }

    /// The bodies of the orders that came here.
    pub fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    /// It answers with this status after this time.
    pub fn answers(&self, status: u16, takes: Duration) {
        let mut mood = self.mood.lock().unwrap();
        mood.status = StatusCode::from_u16(status).unwrap();
        mood.takes = takes;
    }

    fn says(&self, signals: Value) {
        self.mood.lock().unwrap().signals = signals;
    }

    fn signals(&self) -> axum::response::Response {
        match self.mood.lock().unwrap().signals.clone() {
            Value::Null => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            signals => Json(signals).into_response(),
        }
    }

    async fn answer(&self) -> StatusCode {
        let (status, takes) = {
            let mood = self.mood.lock().unwrap();
            (mood.status, mood.takes)
        };
        tokio::time::sleep(takes).await;
        status
    }
}

fn stock(left: u64, held: u64, sold: u64) -> Value {
    json!({ "boot": { "left": left, "held": held, "sold": sold } })
}
