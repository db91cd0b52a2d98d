//! An answer that the edge gives by itself, before it is written to a connection.

use crate::http1::Http1;
use bytes::Bytes;
use contract::{PROBLEM_CONTENT_TYPE, Problem};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;
use std::time::Duration;
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
            Ok(body) => Self::written_json(status, body),
            Err(_) => Self::problem(&Problem::new(500, "internal", "Internal error")),
        }
    }

    /// The same, written already.
    pub fn written_json(status: StatusCode, body: Vec<u8>) -> Self {
        Self::new(status, JSON, body).with(CACHE_CONTROL, NO_STORE)
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

    /// With a cookie, as it stands in a header.
    #[must_use]
    pub fn with_cookie(self, cookie: &HeaderValue) -> Self {
        self.with(SET_COOKIE, cookie.clone())
    }

    /// With word of when to ask again: whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.with(RETRY_AFTER, HeaderValue::from(retry_seconds(pause)))
    }

    /// The whole answer as HTTP/1.1 on a connection that stays open.
    pub fn to_http1(&self, now: Moment) -> Vec<u8> {
        let mut answer = self.begin_http1();
        answer.date(now);
        answer.stays_open(true);
        answer.end(&self.body)
    }

    /// The whole answer as HTTP/1.1, after which the connection ends.
    pub fn to_http1_and_close(&self) -> Vec<u8> {
        let mut answer = self.begin_http1();
        answer.stays_open(false);
        answer.end(&self.body)
    }

    fn begin_http1(&self) -> Http1 {
        let mut answer = Http1::new(self.status);
        for (name, value) in &self.headers {
            answer.field(name.as_str(), value.as_bytes());
        }
        // Whoever reads an answer without content looks for no length.
        if self.status != StatusCode::NO_CONTENT {
            answer.length(self.body.len());
        }
        answer
    }
}

/// Milliseconds as `Retry-After` says them: whole seconds, rounded up, at least one.
fn retry_seconds(pause_ms: u64) -> u64 {
    pause_ms.div_ceil(1_000).max(1)
}

/// A JSON document for one shopper who is to ask again, as HTTP/1.1: the same bytes as by [`Reply::json`],
/// [`Reply::retry_after`] and [`Reply::to_http1`] (a test compares them), without the parts in between. A million people
/// poll; nothing else is asked for so often.
pub fn json_to_http1(json: &[u8], retry_after_ms: u64, now: Moment) -> Vec<u8> {
    let mut answer = Http1::new(StatusCode::OK);
    answer.field(CONTENT_TYPE.as_str(), JSON.as_bytes());
    answer.field(CACHE_CONTROL.as_str(), NO_STORE.as_bytes());
    let mut digits = itoa::Buffer::new();
    let seconds = digits.format(retry_seconds(retry_after_ms));
    answer.field(RETRY_AFTER.as_str(), seconds.as_bytes());
    answer.length(json.len());
    answer.date(now);
    answer.stays_open(true);
    answer.end(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_writes_the_same_bytes() {
        for (pause_ms, seconds) in [(0, "1"), (1_000, "1"), (1_001, "2"), (61_999, "62")] {
            let now = Moment::from_unix_ms(1_800_000_000_000 + pause_ms);
            let body = serde_json::json!({"ahead": pause_ms});
            let reply = Reply::json(StatusCode::OK, &body).retry_after(Duration::from_millis(pause_ms));
            assert_eq!(reply.headers.last().unwrap().1, seconds);
            let written = json_to_http1(&serde_json::to_vec(&body).unwrap(), pause_ms, now);
            assert_eq!(written, reply.to_http1(now), "{pause_ms} ms");
        }
    }
}
