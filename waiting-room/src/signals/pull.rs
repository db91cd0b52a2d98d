//! Asking the shop how it is.
//!
//! Only the edge that decides asks: a shop under load is not asked by every edge there is.

use serde::Deserialize;
use std::{collections::HashMap, time::Duration};
use tokio::{task::JoinSet, time::Instant};
use url::Url;
use waiting_room_domain::Stock;

/// How long an answer may take. It is asked for every second.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What a shop says of itself; a shop that says less leaves the rest out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShopReport {
    /// Its orders.
    pub orders: Option<OrdersReport>,
    /// What is left of what the room sells.
    pub stock: Option<Stock>,
}

/// Orders on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrdersReport {
    /// Accepted and not decided yet.
    pub pending: u64,
    /// How long the oldest of them waits, in milliseconds.
    pub oldest_pending_ms: u64,
    /// Within which time nine of ten are decided, in milliseconds.
    pub decision_p90_ms: u64,
}

/// A report and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// The report.
    pub report: ShopReport,
    /// When it came.
    pub at: Instant,
}

/// Why one address told nothing.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// No answer in time, or none that is HTTP.
    #[error("ask for the signals")]
    NoAnswer(#[source] reqwest::Error),
    /// Another status than 200.
    #[error("ask for the signals: answered {0}")]
    Status(u16),
    /// More than anybody has to say.
    #[error("ask for the signals: the answer is longer than {BODY_MAX_BYTES} bytes")]
    TooLong,
    /// Not the JSON that was asked for.
    #[error("read the signals")]
    NotSignals(#[source] serde_json::Error),
}

/// Asks all instances of a shop.
#[derive(Debug, Clone)]
pub struct Puller {
    client: reqwest::Client,
    urls: Vec<Url>,
    product: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Body {
    orders: Option<Orders>,
    #[serde(default)]
    stock: HashMap<String, Units>,
}

#[derive(Debug, Deserialize)]
struct Orders {
    pending: u64,
    oldest_pending_ms: Option<u64>,
    decision_p90_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Units {
    left: u64,
    #[serde(default)]
    held: u64,
    #[serde(default)]
    sold: u64,
    #[serde(default)]
    version: u64,
}

/// One instance's answer, with the version of its stock.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    orders: Option<OrdersReport>,
    stock: Option<(u64, Stock)>,
}

impl Puller {
    /// Asks at these addresses; `product` is what the room sells, if its stock is to be known.
    ///
    /// # Errors
    /// When there is no HTTP client to be had.
    pub fn new(urls: &[Url], product: Option<&str>) -> Result<Self, reqwest::Error> {
        process::install_tls();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .build()?;
        let mut urls = urls.to_vec();
        for url in &mut urls {
            if let Some(product) = product {
                url.query_pairs_mut().append_pair("product", product);
            }
        }
        Ok(Self {
            client,
            urls,
            product: product.map(str::to_owned),
        })
    }

    /// Asks every instance at once. What some of them say counts although others are silent: an instance that is gone
    /// has nothing to decide any more. Nothing when all are silent. The errors are those of the silent ones.
    pub async fn pull(&self) -> (Option<ShopReport>, Vec<PullError>) {
        let mut asked = JoinSet::new();
        for url in &self.urls {
            let (client, url, product) = (self.client.clone(), url.clone(), self.product.clone());
            asked.spawn(async move { ask(&client, url, product.as_deref()).await });
        }
        let (mut told, mut silent) = (Vec::new(), Vec::new());
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(report)) => told.push(report),
                Ok(Err(error)) => silent.push(error),
                // Nothing here panics or is aborted; if it were, it would be silence.
                Err(_) => {}
            }
        }
        (merge(&told), silent)
    }
}

async fn ask(client: &reqwest::Client, url: Url, product: Option<&str>) -> Result<Told, PullError> {
    let mut answer = client.get(url).send().await.map_err(PullError::NoAnswer)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(PullError::Status(answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(PullError::NoAnswer)? {
        if body.len() + part.len() > BODY_MAX_BYTES {
            return Err(PullError::TooLong);
        }
        body.extend_from_slice(&part);
    }
    read(&body, product)
}

fn read(body: &[u8], product: Option<&str>) -> Result<Told, PullError> {
    let body: Body = serde_json::from_slice(body).map_err(PullError::NotSignals)?;
    let units = product.and_then(|product| body.stock.get(product));
    Ok(Told {
        orders: body.orders.map(OrdersReport::from),
        stock: units.map(|units| {
            let Units {
                left,
                held,
                sold,
                version,
            } = *units;
            (version, Stock { left, held, sold })
        }),
    })
}

impl From<Orders> for OrdersReport {
    fn from(orders: Orders) -> Self {
        let oldest_pending_ms = orders.oldest_pending_ms.unwrap_or(0);
        Self {
            pending: orders.pending,
            oldest_pending_ms,
            // Without a single decision lately they take at least as long as the oldest order has waited by now.
            decision_p90_ms: orders.decision_p90_ms.unwrap_or(oldest_pending_ms),
        }
    }
}

/// Orders add up, the slowest counts, and the newest stock is the stock: all instances look at the same.
fn merge(told: &[Told]) -> Option<ShopReport> {
    if told.is_empty() {
        return None;
    }
    let orders = told.iter().filter_map(|told| told.orders);
    let orders = orders.reduce(|sum, orders| OrdersReport {
        pending: sum.pending.saturating_add(orders.pending),
        oldest_pending_ms: sum.oldest_pending_ms.max(orders.oldest_pending_ms),
        decision_p90_ms: sum.decision_p90_ms.max(orders.decision_p90_ms),
    });
    let stock = told.iter().filter_map(|told| told.stock);
    let stock = stock.max_by_key(|(version, _)| *version);
    Some(ShopReport {
        orders,
        stock: stock.map(|(_, stock)| stock),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "orders": {"pending": 7, "oldest_pending_ms": 900, "decision_p90_ms": 40},
        "stock": {"boot": {"left": 3, "held": 2, "sold": 1, "version": 9}, "hat": {"left": 0, "held": 0, "sold": 4}},
        "more": "than we know"
    }"#;

    fn told(body: &str, product: &str) -> Told {
        read(body.as_bytes(), Some(product)).unwrap()
    }

    #[test]
    fn a_shop_says_as_much_as_it_knows() {
        let report = merge(&[told(FULL, "boot")]).unwrap();
        let orders = OrdersReport {
            pending: 7,
            oldest_pending_ms: 900,
            decision_p90_ms: 40,
        };
        let stock = Stock {
            left: 3,
            held: 2,
            sold: 1,
        };
        assert_eq!(
            report,
            ShopReport {
                orders: Some(orders),
                stock: Some(stock)
            }
        );
        assert_eq!(merge(&[told("{}", "boot")]), Some(ShopReport::default()));
        assert_eq!(merge(&[told(FULL, "scarf")]).unwrap().stock, None);
        assert_eq!(merge(&[]), None);
        let stuck = told(r#"{"orders": {"pending": 7, "oldest_pending_ms": 900}}"#, "boot")
            .orders
            .unwrap();
        assert_eq!(
            stuck.decision_p90_ms, 900,
            "nothing is decided: it takes as long as the oldest has waited"
        );
        for bad in [
            "",
            "[]",
            r#"{"orders": {"pending": -1}}"#,
            r#"{"stock": {"boot": {"left": "many"}}}"#,
        ] {
            assert!(
                matches!(read(bad.as_bytes(), None), Err(PullError::NotSignals(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn instances_are_put_together() {
        let other = r#"{
            "orders": {"pending": 5, "oldest_pending_ms": 100, "decision_p90_ms": 80},
            "stock": {"boot": {"left": 1, "held": 4, "sold": 1, "version": 11}}
        }"#;
        let report = merge(&[told(other, "boot"), told(FULL, "boot"), told("{}", "boot")]).unwrap();
        let orders = OrdersReport {
            pending: 12,
            oldest_pending_ms: 900,
            decision_p90_ms: 80,
        };
        assert_eq!(report.orders, Some(orders));
        assert_eq!(
            report.stock,
            Some(Stock {
                left: 1,
                held: 4,
                sold: 1
            }),
            "the newer one"
        );
    }
}
