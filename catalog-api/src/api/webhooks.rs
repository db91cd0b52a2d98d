//! Reports of the payment provider.

use super::{ApiProblem, Kind, Refusals, Refuses, SharedShop, request_body::JsonBytes};
use crate::orders::SettleError;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use payments::{
    Report,
    webhooks::{ID_HEADER, SIGNATURE_HEADER, SignedHeaders, TIMESTAMP_HEADER, VerifyError},
};
use tracing::warn;

impl Refuses for VerifyError {
    const KINDS: &'static [Kind] = &[(400, "webhook-signature"), (401, "webhook-signature")];
}

/// Takes a report of the payment provider, signed as Standard Webhooks are.
///
/// Believes what is signed, and answers 2xx only when the report is durable. The same report again is harmless: the
/// worker knows it by its name.
#[utoipa::path(
    post,
    path = "/webhooks/payments",
    operation_id = "reportPayment",
    tag = "payment",
    params(
        ("webhook-id" = String, Header, description = "The provider's name of the report."),
        ("webhook-timestamp" = String, Header, description = "When it was sent, Unix seconds."),
        ("webhook-signature" = String, Header, description = "`v1,` and an HMAC-SHA256 in base64; several are separated by spaces."),
    ),
    request_body(content = serde_json::Value, description = "The report."),
    responses(
        (status = 204, description = "The report is durable."),
        Refusals<(JsonBytes, VerifyError, SettleError)>,
    )
)]
pub async fn payments(
    State(shop): State<SharedShop>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<StatusCode, ApiProblem> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let signed = SignedHeaders {
        id: header(ID_HEADER),
        timestamp: header(TIMESTAMP_HEADER),
        signatures: header(SIGNATURE_HEADER),
    };
    shop.webhook_secret
        .verify(signed, &body, shop.clock.unix_ms() / 1000)
        .map_err(|error| refused(&error))?;
    let report = Report::parse(&body).map_err(|error| {
        warn!(%error, "a signed webhook cannot be read");
        ApiProblem::new(400, "malformed", "The webhook cannot be read", error.to_string())
    })?;
    shop.counter.settle(signed.id.to_owned(), report).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: &VerifyError) -> ApiProblem {
    warn!(%error, "a webhook was not believed");
    let status = if *error == VerifyError::Headers { 400 } else { 401 };
    ApiProblem::new(
        status,
        "webhook-signature",
        "The webhook is not believed",
        format!("{error}."),
    )
}
