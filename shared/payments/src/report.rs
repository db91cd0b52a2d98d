//! What the provider reports about a payment, after its signature was checked.

use contract::{Money, OrderId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// Why a signed body is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not the JSON that Standard Webhooks ask for.
    #[error("the webhook is not a JSON document with type, timestamp and data")]
    NotAWebhook(#[source] serde_json::Error),
    /// A known type with other data than agreed.
    #[error("the data of a {kind} webhook is malformed")]
    Data {
        /// The webhook's type.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// A webhook's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The money was taken.
    Captured(PaymentReport),
    /// No money was taken, and none will be.
    Failed(PaymentReport),
    /// The shopper left without paying; no money was taken, and none will be.
    Abandoned(PaymentReport),
    /// Money went back.
    Refunded(PaymentReport),
    /// Of a type that we do not act on.
    Other,
}

/// The payment that a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReport {
    /// The provider's name of it.
    pub payment_id: String,
    /// The order that is paid for.
    pub order_id: OrderId,
    /// How much was taken, not taken, or given back.
    pub amount: Money,
    /// Why it failed, e.g. `card_declined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    data: Value,
}

const CAPTURED: &str = "payment.captured";
const FAILED: &str = "payment.failed";
const ABANDONED: &str = "payment.abandoned";
const REFUNDED: &str = "payment.refunded";

// === impl Report ===

impl Report {
    /// Reads a webhook's body.
    ///
    /// # Errors
    /// [`ReportError`]. A type that we do not know is no error: providers add some.
    pub fn parse(body: &[u8]) -> Result<Self, ReportError> {
        let body: Body = serde_json::from_slice(body).map_err(ReportError::NotAWebhook)?;
        match body.kind.as_str() {
            CAPTURED => data(CAPTURED, body.data).map(Self::Captured),
            FAILED => data(FAILED, body.data).map(Self::Failed),
            ABANDONED => data(ABANDONED, body.data).map(Self::Abandoned),
            REFUNDED => data(REFUNDED, body.data).map(Self::Refunded),
            _ => Ok(Self::Other),
        }
    }

    /// The webhook's body, for whoever sends it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_body(&self, timestamp: OffsetDateTime) -> Result<Vec<u8>, serde_json::Error> {
        let (kind, data) = match self {
            Self::Captured(payment) => (CAPTURED, serde_json::to_value(payment)?),
            Self::Failed(payment) => (FAILED, serde_json::to_value(payment)?),
            Self::Abandoned(payment) => (ABANDONED, serde_json::to_value(payment)?),
            Self::Refunded(payment) => (REFUNDED, serde_json::to_value(payment)?),
            Self::Other => ("other", Value::Null),
        };
        serde_json::to_vec(&Body {
            kind: kind.to_owned(),
            timestamp,
            data,
        })
    }
}

fn data(kind: &'static str, data: Value) -> Result<PaymentReport, ReportError> {
    serde_json::from_value(data).map_err(|source| ReportError::Data { kind, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::ShopperId;

    fn payment() -> PaymentReport {
        PaymentReport {
            payment_id: "pay_1".to_owned(),
            order_id: OrderId::derive(&ShopperId::of_session("ann"), "k", 1),
            amount: Money::new(129_000, "KRW".parse().unwrap()),
            reason: Some("card_declined".to_owned()),
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        for report in [
            Report::Captured(payment()),
            Report::Failed(payment()),
            Report::Abandoned(payment()),
            Report::Refunded(payment()),
        ] {
            let body = report.to_body(OffsetDateTime::UNIX_EPOCH).unwrap();
            assert_eq!(Report::parse(&body).unwrap(), report);
        }
    }

    #[test]
    fn an_unknown_type_is_not_a_mistake_but_garbage_is() {
        let other = br#"{"type":"payment.disputed","timestamp":"2026-11-21T00:00:00Z","data":{"x":1}}"#;
        assert_eq!(Report::parse(other).unwrap(), Report::Other);
        let known = br#"{"type":"payment.captured","timestamp":"2026-11-21T00:00:00Z","data":{"x":1}}"#;
        assert!(matches!(
            Report::parse(known),
            Err(ReportError::Data { kind: CAPTURED, .. })
        ));
        for garbage in ["", "{}", "[]", "null", "\u{0}", r#"{"type":"payment.captured"}"#] {
            assert!(
                matches!(
                    Report::parse(garbage.as_bytes()),
                    Err(ReportError::NotAWebhook(_))
                ),
                "{garbage}"
            );
        }
    }
}
