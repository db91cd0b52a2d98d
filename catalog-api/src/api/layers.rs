//! What holds for every address: time, panics, measurements, and answers where there is nothing.

use super::ApiProblem;
use axum::{
    extract::{MatchedPath, Request},
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

/// Everything that we do is bounded by itself, so what takes this long is a body that trickles in.
pub async fn limit_time(request: Request, next: Next) -> Response {
    let answered = timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answered.unwrap_or_else(|_| {
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
pub async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let status = response.status().as_u16().to_string();
    metrics::histogram!("http_request_seconds", "route" => route, "status" => status)
        .record(started.elapsed());
    response
}
