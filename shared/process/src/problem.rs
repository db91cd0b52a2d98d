//! A problem document as an axum response.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use contract::{PROBLEM_CONTENT_TYPE, Problem};

/// Answers a [`Problem`] with its status and media type.
#[derive(Debug, Clone)]
pub struct ProblemResponse(pub Problem);

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE))];
        (status, content_type, Json(self.0)).into_response()
    }
}
