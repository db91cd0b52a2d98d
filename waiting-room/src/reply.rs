//! An answer that the edge gives by itself, before it is written to a connection.

use bytes::Bytes;
use contract::{PROBLEM_CONTENT_TYPE, Problem};
use cookie::Cookie;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;
use std::time::{Duration, SystemTime};
use waiting_room_domain::Moment;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Our pages load their own files and talk to their own host, nothing else.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// A room's own file, looked at by itself, runs nothing: a picture may hold a script.
const FILE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// Status, headers, body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Headers but for `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE, content_type)],
            body: body.into(),
        }
    }

    /// A JSON document that is meant for one shopper.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self::new(status, JSON, body).with(CACHE_CONTROL, NO_STORE),
            Err(_) => Self::problem(&Problem::new(500, "internal", "Internal error")),
        }
    }

    /// Plain text.
    pub fn text(text: String) -> Self {
        Self::new(StatusCode::OK, TEXT, text)
    }

    /// A problem document.
    pub fn problem(problem: &Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(problem).unwrap_or_default();
        Self::new(status, HeaderValue::from_static(PROBLEM_CONTENT_TYPE), body).with(CACHE_CONTROL, NO_STORE)
    }

    /// A page that is meant for one shopper.
    pub fn page(status: StatusCode, html: String) -> Self {
        Self::new(status, HTML, html)
            .with(CACHE_CONTROL, NO_STORE)
            .with(CONTENT_SECURITY_POLICY, PAGE_POLICY)
    }

    /// A file of ours that anybody may keep for an hour.
    pub fn file(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static(content_type), body)
            .with(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"))
            .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    }

    /// A file of a room's own pages, likewise.
    pub fn own_file(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::file(content_type, body).with(CONTENT_SECURITY_POLICY, FILE_POLICY)
    }

    /// Nothing, successfully.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: vec![(CACHE_CONTROL, NO_STORE)],
            body: Bytes::new(),
        }
    }

    /// Go and look there, by GET.
    pub fn see_other(place: &str) -> Self {
        let place = HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/"));
        Self {
            status: StatusCode::SEE_OTHER,
            headers: vec![(LOCATION, place), (CACHE_CONTROL, NO_STORE)],
            body: Bytes::new(),
        }
    }

    /// With a further header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With another value for a header.
    #[must_use]
    pub fn instead(mut self, name: &HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.with(name.clone(), value)
    }

    /// With a cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: &Cookie<'_>) -> Self {
        match HeaderValue::from_str(&cookie.to_string()) {
            Ok(value) => self.with(SET_COOKIE, value),
            Err(_) => self,
        }
    }

    /// With word of when to ask again: whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        let seconds = pause.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The whole answer as HTTP/1.1 on a connection that stays open.
    pub fn to_http1(&self, now: Moment) -> Vec<u8> {
        let mut text = Vec::with_capacity(512 + self.body.len());
        let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
        let reason = self.status.canonical_reason().unwrap_or_default();
        put(&[
            b"HTTP/1.1 ",
            self.status.as_str().as_bytes(),
            b" ",
            reason.as_bytes(),
            b"\r\n",
        ]);
        for (name, value) in &self.headers {
            put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        let length = self.body.len().to_string();
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now.unix_seconds());
        let date = httpdate::fmt_http_date(date);
        put(&[
            b"content-length: ",
            length.as_bytes(),
            b"\r\ndate: ",
            date.as_bytes(),
        ]);
        put(&[b"\r\nconnection: keep-alive\r\n\r\n", &self.body]);
        text
    }
}
