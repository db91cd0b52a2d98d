//! Tells those who want to hear of orders, by webhooks that are signed as Standard Webhooks say.

use super::{Done, Reconciler};
use crate::store::{DueWebhook, Store, StoreError};
use clock::Clock;
use futures::{StreamExt, stream};
use payments::webhooks::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookMaster};
use std::{sync::Arc, time::Duration};
use time::format_description::well_known::Rfc3339;
use tracing::{error, warn};

/// Deliveries taken in one run, and how many of them are under way at once.
const BATCH: u8 = 64;
const AT_ONCE: usize = 16;
/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends webhooks that are due.
pub struct SendWebhooks {
    store: Store,
    master: WebhookMaster,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
}

impl SendWebhooks {
    /// Webhooks whose secrets are derived from `master`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(store: Store, master: WebhookMaster, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        process::install_tls();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            store,
            master,
            http,
            clock,
        })
    }
}

impl Reconciler for SendWebhooks {
    const NAME: &'static str = "send_webhooks";
    const PAUSE: Duration = Duration::from_secs(1);

    async fn run(&self) -> Result<Done, StoreError> {
        let due = self.store.take_webhooks(BATCH.into()).await?;
        if due.is_empty() {
            self.store.forget_webhooks().await?;
        }
        // Of each endpoint only some are taken at once.
        let more = !due.is_empty();
        let sent = stream::iter(due).map(|webhook| async move { self.tell(&webhook).await });
        let sent = sent.buffer_unordered(AT_ONCE);
        let results: Vec<Result<bool, StoreError>> = sent.collect().await;
        let mut count = 0;
        for taken in results {
            count += usize::from(taken?);
        }
        Ok(Done { count, more })
    }
}

impl SendWebhooks {
    /// Whether the endpoint took it.
    async fn tell(&self, webhook: &DueWebhook) -> Result<bool, StoreError> {
        match self.send(webhook).await {
            Ok(()) => {
                self.store.webhook_delivered(webhook).await?;
                Ok(true)
            }
            Err(failure) => {
                let endpoint = webhook.endpoint_id;
                warn!(%endpoint, error = %failure.without_url(), "a webhook was not taken");
                if self.store.webhook_failed(webhook).await? {
                    error!(%endpoint, "an endpoint took no webhook for a day and is given up; `webhooks replay` begins again");
                }
                Ok(false)
            }
        }
    }

    async fn send(&self, webhook: &DueWebhook) -> Result<(), reqwest::Error> {
        let id = format!("msg_{}", webhook.id);
        let now = self.clock.unix_ms() / 1_000;
        let body = body(webhook);
        let secret = self.master.secret_of(&webhook.endpoint_id.to_string());
        let request = self
            .http
            .post(&webhook.url)
            .header("content-type", "application/json")
            .header(ID_HEADER, &id)
            .header(TIMESTAMP_HEADER, now.to_string())
            .header(SIGNATURE_HEADER, secret.sign(&id, now, body.as_bytes()));
        request.body(body).send().await?.error_for_status().map(drop)
    }
}

/// The data are JSON already, and kinds and times need no escaping.
fn body(webhook: &DueWebhook) -> String {
    let DueWebhook { kind, data, .. } = webhook;
    let timestamp = webhook.created_at.format(&Rfc3339).unwrap_or_default();
    format!(r#"{{"type":"{kind}","timestamp":"{timestamp}","data":{data}}}"#)
}
