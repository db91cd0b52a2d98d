//! Endpoints that are told of orders, and what they are still to be told.

use super::{Store, StoreError};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long somebody who took a delivery has to send it, in seconds; then another may take it.
const TAKEN_FOR_SECONDS: f64 = 60.0;
/// The first pause after a failure, in seconds; it grows fourfold with each, up to the longest.
const FIRST_PAUSE_SECONDS: f64 = 5.0;
const LONGEST_PAUSE_SECONDS: f64 = 6.0 * 3_600.0;
/// Deliveries of one endpoint that are taken at once.
const OF_ONE_ENDPOINT: i64 = 16;
/// How long an endpoint that takes nothing is left alone, in seconds: as long as it has been doing that, within these bounds.
const LEFT_ALONE_SECONDS: [f64; 2] = [5.0, 300.0];
/// How long an endpoint may fail before it is given up, in seconds.
const GIVEN_UP_AFTER_SECONDS: f64 = 86_400.0;
/// How long deliveries are kept for being replayed, in seconds.
const KEPT_FOR_SECONDS: f64 = 7.0 * 86_400.0;
/// Old deliveries removed at once.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// Somebody who is told of orders.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct WebhookEndpoint {
    /// Its name.
    pub id: Uuid,
    /// Where.
    pub url: String,
    /// Since when it takes nothing.
    pub failing_since: Option<OffsetDateTime>,
    /// When it was given up.
    pub disabled_at: Option<OffsetDateTime>,
    /// How much it is still to be told.
    pub waiting: i64,
}

/// Something that an endpoint is to be told now.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DueWebhook {
    /// Its name.
    pub id: i64,
    /// To whom.
    pub endpoint_id: Uuid,
    /// Where.
    pub url: String,
    /// What kind of news, e.g. `order.paid`.
    pub kind: String,
    /// The news, as JSON.
    pub data: String,
    /// When it became true.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Tells this endpoint of orders from now on.
    pub async fn add_endpoint(&self, id: Uuid, url: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO webhook_endpoints (id, url) VALUES ($1, $2)")
            .bind(id)
            .bind(url)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets it and what it was to be told; answers whether it was there.
    pub async fn remove_endpoint(&self, id: Uuid) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM webhook_endpoints WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(removed.rows_affected() > 0)
    }

    /// All endpoints, the oldest first.
    pub async fn endpoints(&self) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let endpoints = sqlx::query_as(
            "SELECT id, url, failing_since, disabled_at,
                    (SELECT count(*) FROM webhook_deliveries
                      WHERE endpoint_id = webhook_endpoints.id AND delivered_at IS NULL) AS waiting
               FROM webhook_endpoints
              ORDER BY created_at",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(endpoints)
    }

    /// Tells an endpoint everything again that became true since, and what it missed while it was given up. Answers how
    /// much, or nothing when there is no such endpoint.
    pub async fn replay_webhooks(&self, id: Uuid, since: OffsetDateTime) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let known = sqlx::query(
            "UPDATE webhook_endpoints
                SET failing_since = NULL, paused_until = NULL, disabled_at = NULL
              WHERE id = $1",
        )
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        if known.rows_affected() == 0 {
            return Ok(None);
        }
        let again = sqlx::query(
            "UPDATE webhook_deliveries
                SET delivered_at = NULL, attempts = 0, next_attempt_at = clock_timestamp()
              WHERE endpoint_id = $1 AND (created_at >= $2 OR delivered_at IS NULL)",
        )
        .bind(id)
        .bind(since)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(again.rows_affected()))
    }

    /// Takes at most `limit` deliveries whose time has come: some of each endpoint, and of one that took nothing the last
    /// time a single one, after a pause. Who takes them has a minute to say what became of them.
    pub async fn take_webhooks(&self, limit: i64) -> Result<Vec<DueWebhook>, StoreError> {
        let due = sqlx::query_as(
            "WITH due AS (
                 SELECT waiting.id, url
                   FROM webhook_endpoints
                  CROSS JOIN LATERAL (
                            SELECT id, next_attempt_at
                              FROM webhook_deliveries
                             WHERE endpoint_id = webhook_endpoints.id AND delivered_at IS NULL
                               AND next_attempt_at <= clock_timestamp() + make_interval(secs => $3)
                             ORDER BY next_attempt_at
                             LIMIT CASE WHEN failing_since IS NULL THEN $4 ELSE 1 END
                               FOR UPDATE SKIP LOCKED) AS waiting
                  WHERE disabled_at IS NULL
                    AND (paused_until IS NULL OR paused_until <= clock_timestamp() + make_interval(secs => $3))
                  ORDER BY waiting.next_attempt_at
                  LIMIT $1
             )
             UPDATE webhook_deliveries
                SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $2)
               FROM due
              WHERE webhook_deliveries.id = due.id
             RETURNING webhook_deliveries.id, endpoint_id, url, kind, data::text AS data, created_at",
        )
        .bind(limit)
        .bind(TAKEN_FOR_SECONDS)
        .bind(self.ahead.as_seconds_f64())
        .bind(OF_ONE_ENDPOINT)
        .fetch_all(&self.pool)
        .await?;
        Ok(due)
    }

    /// Notes that an endpoint took a delivery.
    pub async fn webhook_delivered(&self, webhook: &DueWebhook) -> Result<(), StoreError> {
        sqlx::query(
            "WITH taken AS (
                 UPDATE webhook_deliveries SET delivered_at = clock_timestamp() WHERE id = $1
             )
             UPDATE webhook_endpoints
                SET failing_since = NULL, paused_until = NULL
              WHERE id = $2 AND failing_since IS NOT NULL",
        )
        .bind(webhook.id)
        .bind(webhook.endpoint_id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that it did not; the next attempt comes after a pause. Answers whether the endpoint was given up by that.
    pub async fn webhook_failed(&self, webhook: &DueWebhook) -> Result<bool, StoreError> {
        let given_up = sqlx::query_scalar(
            "WITH later AS (
                 UPDATE webhook_deliveries
                    SET next_attempt_at = clock_timestamp()
                                        + make_interval(secs => least($3 * 4 ^ least(attempts - 1, 10), $4))
                  WHERE id = $1
             )
             UPDATE webhook_endpoints
                SET failing_since = coalesce(failing_since, clock_timestamp()),
                    paused_until = clock_timestamp()
                                 + least(greatest(clock_timestamp() - failing_since, make_interval(secs => $6)),
                                         make_interval(secs => $7)),
                    disabled_at = CASE WHEN failing_since < clock_timestamp() - make_interval(secs => $5)
                                       THEN clock_timestamp() END
              WHERE id = $2 AND disabled_at IS NULL
             RETURNING disabled_at IS NOT NULL",
        )
        .bind(webhook.id)
        .bind(webhook.endpoint_id)
        .bind(FIRST_PAUSE_SECONDS)
        .bind(LONGEST_PAUSE_SECONDS)
        .bind(GIVEN_UP_AFTER_SECONDS)
        .bind(LEFT_ALONE_SECONDS[0])
        .bind(LEFT_ALONE_SECONDS[1])
        .fetch_optional(&self.pool)
        .await?;
        Ok(given_up.unwrap_or(false))
    }

    /// Forgets what was delivered a week ago, and what an endpoint was not told that was given up so long ago.
    pub async fn forget_webhooks(&self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM webhook_deliveries
              WHERE id IN (SELECT id FROM webhook_deliveries
                            WHERE delivered_at < clock_timestamp() - make_interval(secs => $1)
                            LIMIT $2)
                 OR id IN (SELECT webhook_deliveries.id
                             FROM webhook_endpoints
                             JOIN webhook_deliveries ON endpoint_id = webhook_endpoints.id
                            WHERE disabled_at < clock_timestamp() - make_interval(secs => $1)
                            LIMIT $2)",
        )
        .bind(KEPT_FOR_SECONDS)
        .bind(FORGOTTEN_AT_ONCE)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
