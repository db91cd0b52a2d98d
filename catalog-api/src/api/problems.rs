//! Every error of the surface, in the words that the visitor sees. What we know beyond that goes to the log here.

use super::{Kind, Refuses};
use crate::{
    members::AddressError,
    orders::{CancelError, FindError, PayError, PlaceError, ReturnError, SettleError},
    store::ClaimError,
};
use axum::{
    http::{HeaderName, HeaderValue, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use catalog_domain::{BasketError, KeyError, NotCancellable, NotPayable, NotReturnable, NotSold};
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

    pub fn unknown_product() -> Self {
        Self::new(
            404,
            "unknown-product",
            "No such product",
            "There is no product at this address.",
        )
    }

    /// The shop has just begun, and has not reached its database yet.
    pub fn products_not_read() -> Self {
        let detail =
            "The shop has just been opened and does not know its products yet; try again in a moment.";
        Self::later("unavailable", "Not available now", detail)
    }

    /// An order that the worker refused.
    pub fn refused(order: &OrderView) -> Self {
        let refused = match order.refusal {
            Some(Refusal::NotOpen) => not_sold(NotSold::NotOpen, "A product of this order"),
            Some(Refusal::Closed) => not_sold(NotSold::Closed, "A product of this order"),
            Some(Refusal::NotForSale) => not_sold(NotSold::Stopped, "A product of this order"),
            Some(Refusal::PriceChanged) => price_changed(),
            Some(Refusal::UnknownProduct) => Self::new(
                422,
                "unknown-product",
                "Unknown product",
                "A product of this order is not sold here.",
            ),
            Some(Refusal::LimitReached) => Self::new(
                409,
                "limit-reached",
                "The limit is reached",
                "You would have more units of a product than one customer may have.",
            ),
            Some(Refusal::NoRight) => {
                no_right("This order has no right to what is sold by draw, or not any more.")
            }
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
    pub fn later(name: &str, title: &str, detail: &str) -> Self {
        Self::new(503, name, title, detail).header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    #[must_use]
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

    pub fn not_confirmed(error: &dyn Error) -> Self {
        log("no confirm from the broker", error);
        let detail =
            "It is not known whether this was taken. Send the same request again: it cannot happen twice.";
        Self::later("not-confirmed", "Not confirmed", detail)
    }
}

/// An order that the worker refused, as an answer.
pub struct Refused;

impl Refuses for Refused {
    const KINDS: &'static [Kind] = &[
        (409, "sold-out"),
        (403, "purchase-right-required"),
        (409, "not-open"),
        (409, "closed"),
        (409, "not-for-sale"),
        (409, "price-changed"),
        (409, "limit-reached"),
        (422, "unknown-product"),
        (422, "invalid-order"),
    ];
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = ProblemResponse(*self.problem).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A product is sold by draw.
fn no_right(detail: &str) -> ApiProblem {
    ApiProblem::new(
        403,
        "purchase-right-required",
        "A right to buy is required",
        detail,
    )
}

fn sold_out(detail: &str) -> ApiProblem {
    ApiProblem::new(409, "sold-out", "Sold out", detail)
}

fn not_sold(why: NotSold, product: &str) -> ApiProblem {
    let (name, title) = match why {
        NotSold::Stopped => ("not-for-sale", "Not for sale"),
        NotSold::NotOpen => ("not-open", "The sale has not begun"),
        NotSold::Closed => ("closed", "The sale is over"),
    };
    ApiProblem::new(409, name, title, format!("{product} {why}."))
}

fn price_changed() -> ApiProblem {
    let detail =
        "A price is not the one that you saw. Nothing was ordered: look again, and order at the new price.";
    ApiProblem::new(409, "price-changed", "A price has changed", detail)
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

impl Refuses for KeyError {
    const KINDS: &'static [Kind] = &[(400, "idempotency-key")];
}

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

impl Refuses for BasketError {
    const KINDS: &'static [Kind] = &[(400, "malformed"), (422, "invalid-order")];
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

impl Refuses for PlaceError {
    const KINDS: &'static [Kind] = &[
        (409, "request-in-flight"),
        (409, "sold-out"),
        (409, "not-open"),
        (409, "closed"),
        (409, "not-for-sale"),
        (409, "price-changed"),
        (422, "idempotency-key-reused"),
        (422, "unknown-product"),
        (403, "purchase-right-required"),
        (409, "purchase-right-in-use"),
        (422, "unknown-address"),
        (503, "unavailable"),
        (503, "not-confirmed"),
    ];
}

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
            PlaceError::NotRead => Self::products_not_read(),
            PlaceError::UnknownProduct(product) => {
                let detail = format!("There is no product {product}.");
                Self::new(422, "unknown-product", "Unknown product", detail)
                    .with("product_id", json!(product))
            }
            PlaceError::SoldOut(product) => {
                sold_out(&format!("Not enough is left of {product}.")).with("product_id", json!(product))
            }
            PlaceError::Right(ClaimError::NoRight(product)) => {
                let detail = format!("{product} is sold by draw: one unit to whoever holds a right to it.");
                no_right(&detail).with("product_id", json!(product))
            }
            PlaceError::Right(ClaimError::InUse { product, order_id }) => {
                let detail = format!("Another order of yours has the right to {product}.");
                Self::new(409, "purchase-right-in-use", "The right is in use", detail)
                    .with("product_id", json!(product))
                    .with("order_id", json!(order_id))
            }
            PlaceError::Right(ClaimError::Unavailable(_)) => Self::unavailable(&error),
            PlaceError::Address(AddressError::Unknown) => {
                let detail =
                    "The address is none of yours. Name one of your address book, or none for its default.";
                Self::new(422, "unknown-address", "Unknown address", detail)
            }
            PlaceError::Address(_) => Self::unavailable(&error),
            PlaceError::NotSold(product, why) => {
                not_sold(*why, product.as_str()).with("product_id", json!(product))
            }
            PlaceError::PriceChanged(changes) => price_changed().with("changes", json!(changes)),
            PlaceError::NotConfirmed(_) => Self::not_confirmed(&error),
        }
    }
}

impl Refuses for FindError {
    const KINDS: &'static [Kind] = &[(404, "unknown-order"), (503, "unavailable")];
}

impl From<FindError> for ApiProblem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound => Self::unknown_order(),
            FindError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl Refuses for PayError {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-order"),
        (503, "unavailable"),
        (409, "not-payable"),
        (502, "payment-refused"),
        (503, "not-confirmed"),
    ];
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
            PayError::NotConfirmed(_) => Self::not_confirmed(&error),
            PayError::Provider(provider) if provider.is_retryable() => Self::unavailable(&error),
            PayError::Provider(provider) => {
                error!(error = %provider, "the payment provider refused a checkout");
                let detail = "The payment provider does not take this payment.";
                Self::new(502, "payment-refused", "The payment cannot be started", detail)
            }
        }
    }
}

impl Refuses for CancelError {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-order"),
        (503, "unavailable"),
        (409, "not-cancellable"),
        (503, "not-confirmed"),
    ];
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

impl Refuses for ReturnError {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-order"),
        (409, "not-returnable"),
        (503, "unavailable"),
        (503, "not-confirmed"),
    ];
}

impl From<ReturnError> for ApiProblem {
    fn from(error: ReturnError) -> Self {
        match &error {
            ReturnError::Find(find) => (*find).into(),
            ReturnError::NotReturnable(reason @ NotReturnable(state)) => Self::new(
                409,
                "not-returnable",
                "The order cannot be sent back",
                format!("{reason}."),
            )
            .with("state", json!(state)),
            ReturnError::NotConfirmed(_) => Self::not_confirmed(&error),
        }
    }
}

impl Refuses for SettleError {
    const KINDS: &'static [Kind] = &[
        (422, "unknown-order"),
        (503, "unavailable"),
        (503, "not-confirmed"),
    ];
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether these errors become problems that are listed for them.
    fn check<E: Refuses + Into<ApiProblem>>(errors: impl IntoIterator<Item = E>) {
        for error in errors {
            let problem = error.into().problem;
            let name = problem.kind.trim_start_matches("urn:problem:");
            let listed = E::KINDS
                .iter()
                .any(|(status, kind)| (*status, *kind) == (problem.status, name));
            assert!(listed, "{} {name}", problem.status);
        }
    }

    #[test]
    fn what_an_error_becomes_is_listed_for_it() {
        use contract::OrderState;
        let product = || "a".parse().unwrap();
        check([
            KeyError::Missing,
            KeyError::Repeated,
            KeyError::NotAString,
            KeyError::Length,
        ]);
        check([
            BasketError::NotJson(String::new()),
            BasketError::Shape(String::new()),
            BasketError::Values(Vec::new()),
        ]);
        check([
            PlaceError::InFlight,
            PlaceError::OtherPayload,
            PlaceError::NotRead,
            PlaceError::UnknownProduct(product()),
            PlaceError::SoldOut(product()),
            PlaceError::NotSold(product(), NotSold::Stopped),
            PlaceError::NotSold(product(), NotSold::NotOpen),
            PlaceError::NotSold(product(), NotSold::Closed),
            PlaceError::PriceChanged(Vec::new()),
            PlaceError::Address(AddressError::Unknown),
            PlaceError::Address(AddressError::Late),
        ]);
        check([FindError::NotFound]);
        check([
            PayError::Find(FindError::NotFound),
            PayError::NotPayable(NotPayable::Pending),
            PayError::NotPayable(NotPayable::State(OrderState::Paid)),
        ]);
        check([
            CancelError::Find(FindError::NotFound),
            CancelError::NotCancellable(NotCancellable(OrderState::Paid)),
        ]);
        check([
            ReturnError::Find(FindError::NotFound),
            ReturnError::NotReturnable(NotReturnable(OrderState::Paid)),
        ]);
        check([SettleError::UnknownOrder]);
    }
}
