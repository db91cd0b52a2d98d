//! What holds for every address: time, panics, measurements, and answers where there is nothing.

use super::{ApiProblem, SharedShop, same_origin};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use catalog_domain::limits::REQUEST_TIMEOUT;
use std::any::Any;
use tokio::time::{Instant, timeout};
use tracing::error;

pub async fn no_such_address() -> ApiProblem {
    ApiProblem::not_found()
}

pub async fn no_such_method() -> ApiProblem {
    let detail = "This address does not take that method; see the Allow header.";
    ApiProblem::new(405, "method-not-allowed", "Method not allowed", detail)
}

/// What is done around every request: requests that another site makes are refused, the others have so much time, and all
/// are measured. In one layer, because each costs every request some allocations.
pub async fn around(State(shop): State<SharedShop>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match same_origin::refuse_foreign(&request, &shop.counter.public_url) {
        Ok(()) => in_time(next.run(request)).await,
        Err(refused) => refused.into_response(),
    };
    measure(route.as_ref(), &response, started);
    response
}

/// Everything that we do is bounded by itself, so what takes this long is a body that trickles in.
async fn in_time(answer: impl Future<Output = Response>) -> Response {
    timeout(REQUEST_TIMEOUT, answer).await.unwrap_or_else(|_| {
        ApiProblem::new(
            408,
            "timeout",
            "The request took too long",
            "Send it again, faster.",
        )
        .into_response()
    })
}

pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    error!(panic = text, "a request panicked");
    ApiProblem::new(
        500,
        "internal",
        "Something went wrong",
        "This is our mistake, and it is logged.",
    )
    .into_response()
}

/// `http_request_seconds{route, status}`, by the route as declared: addresses have too many forms.
fn measure(route: Option<&MatchedPath>, response: &Response, started: Instant) {
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let status = response.status().as_u16().to_string();
    metrics::histogram!("http_request_seconds", "route" => route, "status" => status)
        .record(started.elapsed());
}
