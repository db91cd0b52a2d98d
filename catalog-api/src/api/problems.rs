//! Every error of the surface, in the words that the visitor sees. What we know beyond that goes to the log here.

use crate::orders::{CancelError, FindError, PayError, PlaceError, SettleError};
use axum::{
    http::{HeaderName, HeaderValue, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use catalog_domain::{BasketError, KeyError, NotCancellable, NotPayable};
use contract::{OrderView, Problem, Refusal};
use process::ProblemResponse;
use serde_json::json;
use std::error::Error;
use tracing::{error, warn};

/// A problem with the headers that belong to it.
#[derive(Debug, Clone)]
pub struct ApiProblem {
    /// Boxed, so that a result that may be a problem stays small.
    pub problem: Box<Problem>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

// === impl ApiProblem ===

impl ApiProblem {
    pub fn new(status: u16, name: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(status, name, title).detail(detail)),
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn not_found() -> Self {
        Self::new(404, "not-found", "Not found", "There is nothing at this address.")
    }

    pub fn unknown_order() -> Self {
        Self::new(
            404,
            "unknown-order",
            "No such order",
            "There is no order of yours at this address.",
        )
    }

    /// An order that the worker refused.
    pub fn refused(order: &OrderView) -> Self {
        let refused = match order.refusal {
            Some(Refusal::UnknownProduct) => Self::new(
                422,
                "unknown-product",
                "Unknown product",
                "A product of this order is not sold here.",
            ),
            Some(Refusal::Invalid) => Self::new(
                422,
                "invalid-order",
                "The order is not valid",
                "These lines do not make an order.",
            ),
            Some(Refusal::SoldOut) | None => sold_out("Not enough was left when it was this order's turn."),
        };
        refused.with("order", json!(order))
    }

    /// The problem of somebody who may come again, soon.
    fn later(name: &str, title: &str, detail: &str) -> Self {
        Self::new(503, name, title, detail).header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub fn with(mut self, name: &str, value: serde_json::Value) -> Self {
        self.problem = Box::new(self.problem.with(name, value));
        self
    }

    pub fn unavailable(error: &dyn Error) -> Self {
        log("cannot serve now", error);
        Self::later(
            "unavailable",
            "Not available now",
            "This cannot be answered just now; try again in a moment.",
        )
    }

    /// Too much is under way just now.
    pub fn busy(error: &dyn Error) -> Self {
        log("too busy", error);
        let detail = "The shop is very busy just now; try again in a moment.";
        Self::later("busy", "Busy", detail)
    }

    fn not_confirmed(error: &dyn Error) -> Self {
        log("no confirm from the broker", error);
        let detail =
            "It is not known whether this was taken. Send the same request again: it cannot happen twice.";
        Self::later("not-confirmed", "Not confirmed", detail)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = ProblemResponse(*self.problem).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

fn sold_out(detail: &str) -> ApiProblem {
    ApiProblem::new(409, "sold-out", "Sold out", detail)
}

/// An error with its causes, once.
fn log(what: &str, error: &dyn Error) {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    warn!(error = chain, "{what}");
}

// --- what can be wrong with a request

impl From<KeyError> for ApiProblem {
    fn from(error: KeyError) -> Self {
        Self::new(
            400,
            "idempotency-key",
            "The Idempotency-Key header is missing or malformed",
            error.to_string(),
        )
    }
}

impl From<BasketError> for ApiProblem {
    fn from(error: BasketError) -> Self {
        match error {
            BasketError::NotJson(detail) => Self::new(400, "malformed", "The body is not JSON", detail),
            BasketError::Shape(detail) => Self::new(422, "invalid-order", "The order is not valid", detail),
            BasketError::Values(mistakes) => {
                let detail = "Some values are not valid; every one is listed in errors.";
                Self::new(422, "invalid-order", "The order is not valid", detail)
                    .with("errors", json!(mistakes))
            }
        }
    }
}

// --- what can be wrong with an order

impl From<PlaceError> for ApiProblem {
    fn from(error: PlaceError) -> Self {
        match &error {
            PlaceError::InFlight => {
                let detail =
                    "The first request with this Idempotency-Key is not answered yet; wait for its answer.";
                Self::new(409, "request-in-flight", "The request is in flight", detail)
                    .header(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            PlaceError::OtherPayload => {
                let detail =
                    "This Idempotency-Key was used for another order. Take a fresh key for a new order.";
                Self::new(
                    422,
                    "idempotency-key-reused",
                    "The Idempotency-Key was used before",
                    detail,
                )
            }
            PlaceError::UnknownProduct(product) => {
                let detail = format!("There is no product {product}.");
                Self::new(422, "unknown-product", "Unknown product", detail)
                    .with("product_id", json!(product))
            }
            PlaceError::SoldOut(product) => {
                sold_out(&format!("Not enough is left of {product}.")).with("product_id", json!(product))
            }
            PlaceError::NotConfirmed(_) => Self::not_confirmed(&error),
        }
    }
}

impl From<FindError> for ApiProblem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound => Self::unknown_order(),
            FindError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<PayError> for ApiProblem {
    fn from(error: PayError) -> Self {
        match &error {
            PayError::Find(find) => (*find).into(),
            PayError::NotPayable(reason) => {
                let problem = Self::new(
                    409,
                    "not-payable",
                    "The order cannot be paid",
                    format!("{reason}."),
                );
                match reason {
                    NotPayable::Pending => problem.header(RETRY_AFTER, HeaderValue::from_static("1")),
                    NotPayable::State(state) => problem.with("state", json!(state)),
                }
            }
            PayError::Provider(provider) if provider.is_retryable() => Self::unavailable(&error),
            PayError::Provider(provider) => {
                error!(error = %provider, "the payment provider refused a checkout");
                let detail = "The payment provider does not take this payment.";
                Self::new(502, "payment-refused", "The payment cannot be started", detail)
            }
        }
    }
}

impl From<CancelError> for ApiProblem {
    fn from(error: CancelError) -> Self {
        match &error {
            CancelError::Find(find) => (*find).into(),
            CancelError::NotCancellable(reason @ NotCancellable(state)) => Self::new(
                409,
                "not-cancellable",
                "The order cannot be cancelled",
                format!("{reason}."),
            )
            .with("state", json!(state)),
            CancelError::NotConfirmed(_) => Self::not_confirmed(&error),
        }
    }
}

impl From<SettleError> for ApiProblem {
    fn from(error: SettleError) -> Self {
        match &error {
            SettleError::UnknownOrder => {
                error!("the payment provider reports a payment of an order that does not exist");
                Self::new(
                    422,
                    "unknown-order",
                    "No such order",
                    "The report is about no order of this shop.",
                )
            }
            SettleError::Unavailable(_) => Self::unavailable(&error),
            SettleError::NotConfirmed(_) => Self::not_confirmed(&error),
        }
    }
}
