//! Mails for people and for programs.

use crate::mails::Mails;
use axum::{
    Json, Router,
    extract::{Query, State},
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::{IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, context};
use serde::Deserialize;
use serde_json::json;

const PAGE: &str = include_str!("../web/mails.html");
const STYLE: &str = include_str!("../web/mailbox.css");
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

#[derive(Debug, Deserialize)]
struct Wanted {
    to: Option<String>,
}

impl Wanted {
    fn address(&self) -> Option<&str> {
        self.to.as_deref().filter(|to| !to.is_empty())
    }
}

/// Every address.
pub fn router(mails: Mails) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/mails", get(list))
        .route("/assets/mailbox.css", get(style))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .with_state(mails)
}

async fn list(State(mails): State<Mails>, Query(wanted): Query<Wanted>) -> impl IntoResponse {
    let mails = mails.to(wanted.address());
    ([(CACHE_CONTROL, "no-store")], Json(json!({ "mails": mails })))
}

async fn style() -> impl IntoResponse {
    (
        [
            (CONTENT_TYPE, "text/css; charset=utf-8"),
            (CACHE_CONTROL, "max-age=300"),
        ],
        STYLE,
    )
}

async fn page(State(mails): State<Mails>, Query(wanted): Query<Wanted>) -> Response {
    let mut environment = Environment::new();
    // By its name the template is HTML, so that everything put in is escaped.
    let written = environment
        .add_template("mails.html", PAGE)
        .and_then(|()| environment.get_template("mails.html"))
        .and_then(|page| page.render(context! { to => wanted.to, mails => mails.to(wanted.address()) }));
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match written {
        Ok(page) => (headers, page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page cannot be written");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
