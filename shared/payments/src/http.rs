//! The provider over HTTP.

use crate::{
    Checkout, CheckoutRequest, PaymentError, PaymentProvider,
    api::{NewPayment, NewRefund, Payment, Refund},
};
use async_trait::async_trait;
use contract::Money;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A shopper waits for the answer, so it comes soon or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a refusal goes to the log.
const DETAIL_MAX_CHARS: usize = 300;

/// A [`PaymentProvider`] at an address.
#[derive(Debug, Clone)]
pub struct HttpProvider {
    base: String,
    http: Client,
}

impl HttpProvider {
    /// The provider whose API is at `base`, e.g. `http://127.0.0.1:17084`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn at(base: &str) -> Result<Self, reqwest::Error> {
        process::install_tls();
        let http = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
        })
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base))
    }
}

#[async_trait]
impl PaymentProvider for HttpProvider {
    async fn create_checkout(&self, request: &CheckoutRequest) -> Result<Checkout, PaymentError> {
        let payment = NewPayment {
            order_id: request.order_id,
            amount: request.amount,
            description: request.description.clone(),
            return_url: request.return_url.clone(),
        };
        let payment: Payment = send("open a payment", self.post("/v1/payments").json(&payment)).await?;
        Ok(Checkout {
            reference: payment.id,
            url: payment.checkout_url,
        })
    }

    async fn find(&self, reference: &str) -> Result<Payment, PaymentError> {
        const OPERATION: &str = "find a payment";
        check_reference(OPERATION, reference)?;
        let request = self.http.get(format!("{}/v1/payments/{reference}", self.base));
        send(OPERATION, request).await
    }

    async fn refund(&self, reference: &str, refund_id: &str, amount: Money) -> Result<(), PaymentError> {
        const OPERATION: &str = "give money back";
        check_reference(OPERATION, reference)?;
        let request = self.post(&format!("/v1/payments/{reference}/refunds"));
        let refund = NewRefund {
            refund_id: refund_id.to_owned(),
            amount,
        };
        let _refund: Refund = send(OPERATION, request.json(&refund)).await?;
        Ok(())
    }
}

fn check_reference(operation: &'static str, reference: &str) -> Result<(), PaymentError> {
    if is_reference(reference) {
        return Ok(());
    }
    Err(PaymentError::Refused {
        operation,
        status: 400,
        detail: "not a payment reference".to_owned(),
    })
}

/// A reference becomes part of a path, so it must not change which path that is.
fn is_reference(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

async fn send<T: DeserializeOwned>(
    operation: &'static str,
    request: RequestBuilder,
) -> Result<T, PaymentError> {
    let unavailable = |source: anyhow::Error| PaymentError::Unavailable { operation, source };
    let response = request.send().await.map_err(|error| unavailable(error.into()))?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(|error| unavailable(error.into()));
    }
    let detail: String = response
        .text()
        .await
        .unwrap_or_default()
        .chars()
        .take(DETAIL_MAX_CHARS)
        .collect();
    if is_final(status) {
        Err(PaymentError::Refused {
            operation,
            status: status.as_u16(),
            detail,
        })
    } else {
        Err(unavailable(anyhow::anyhow!("status {status}: {detail}")))
    }
}

/// Whether it is the last word on what was asked. A key that is not valid, say, is somebody's mistake and tells nothing of
/// the payment: given up for that, money that was taken would be forgotten.
fn is_final(status: StatusCode) -> bool {
    let about_us = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::FORBIDDEN,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::MISDIRECTED_REQUEST,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !about_us.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_and_a_failure_is_not() {
        for (status, verdict) in [
            (400, true),
            (404, true),
            (409, true),
            (422, true),
            (401, false),
            (403, false),
            (408, false),
            (429, false),
            (500, false),
        ] {
            assert_eq!(
                is_final(StatusCode::from_u16(status).unwrap()),
                verdict,
                "{status}"
            );
        }
    }

    #[tokio::test]
    async fn a_reference_that_would_change_the_path_is_refused_before_anything_is_sent() {
        let provider = HttpProvider::at("http://127.0.0.1:1").unwrap();
        let amount = Money::new(1, "KRW".parse().unwrap());
        for bad in ["", "../x", "a/b", "a?b", "a b"] {
            let refused = provider.refund(bad, "r", amount).await;
            assert!(matches!(refused, Err(PaymentError::Refused { .. })), "{bad}");
        }
        assert!(
            provider
                .refund("pay_1", "r", amount)
                .await
                .is_err_and(|error| error.is_retryable())
        );
    }
}
