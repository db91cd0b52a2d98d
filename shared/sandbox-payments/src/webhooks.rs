//! Telling the shop what became of a payment: signed, and again until it is taken.

use clock::{Clock, SystemClock};
use payments::{
    Report,
    webhooks::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookSecret},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// The pauses between attempts: about half an hour, then it is given up.
const PAUSES_SECONDS: [f64; 12] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0, 900.0,
];
/// How long the receiver may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Webhooks under way, waiting for their next attempt included.
const UNDER_WAY_MAX: usize = 10_000;
/// Requests open to the receiver at the same time.
const CONCURRENT_MAX: usize = 32;

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    url: String,
    secret: WebhookSecret,
    http: reqwest::Client,
    under_way: Arc<Semaphore>,
    concurrent: Arc<Semaphore>,
}

struct Webhook {
    id: String,
    body: Vec<u8>,
}

// === impl Webhooks ===

impl Webhooks {
    /// Webhooks to `url`, signed with `secret`.
    pub fn to(url: String, secret: WebhookSecret) -> Result<Self, reqwest::Error> {
        process::install_tls();
        Ok(Self {
            url,
            secret,
            http: reqwest::Client::builder().timeout(ATTEMPT_TIMEOUT).build()?,
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            concurrent: Arc::new(Semaphore::new(CONCURRENT_MAX)),
        })
    }

    /// Sends a report `copies` times under one name, as a provider does that is not sure of its first attempt.
    pub fn send(&self, report: &Report, copies: usize) -> Result<(), serde_json::Error> {
        let body = report.to_body(SystemClock.utc())?;
        let webhook = Arc::new(Webhook {
            id: crate::app::fresh_id("msg"),
            body,
        });
        for _ in 0..copies {
            let Ok(place) = Arc::clone(&self.under_way).try_acquire_owned() else {
                warn!(
                    webhook = webhook.id,
                    "too many webhooks are under way; this one is lost"
                );
                return Ok(());
            };
            let (this, webhook) = (self.clone(), Arc::clone(&webhook));
            tokio::spawn(async move {
                this.deliver(&webhook).await;
                drop(place);
            });
        }
        Ok(())
    }

    async fn deliver(&self, webhook: &Webhook) {
        let pauses = PAUSES_SECONDS
            .iter()
            .map(|seconds| Some(Duration::from_secs_f64(*seconds)));
        for pause in pauses.chain([None]) {
            match (self.attempt(webhook).await, pause) {
                (Ok(()), _) => return info!(webhook = webhook.id, "webhook taken"),
                (Err(error), Some(pause)) => {
                    warn!(webhook = webhook.id, %error, ?pause, "webhook not taken; trying again");
                    tokio::time::sleep(pause).await;
                }
                (Err(error), None) => warn!(webhook = webhook.id, %error, "webhook given up"),
            }
        }
    }

    async fn attempt(&self, webhook: &Webhook) -> Result<(), reqwest::Error> {
        let _permit = self.concurrent.acquire().await;
        let now = SystemClock.unix_ms() / 1000;
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header(ID_HEADER, &webhook.id)
            .header(TIMESTAMP_HEADER, now.to_string())
            .header(
                SIGNATURE_HEADER,
                self.secret.sign(&webhook.id, now, &webhook.body),
            )
            .body(webhook.body.clone());
        request.send().await?.error_for_status().map(drop)
    }
}
