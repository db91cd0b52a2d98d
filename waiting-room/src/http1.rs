//! An answer of HTTP/1.1 while it is written, without the maps and copies that a more general way would need.

use http::StatusCode;
use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};
use waiting_room_domain::Moment;

/// Room for an answer to a poll.
const ANSWER_BYTES: usize = 1_024;

/// An answer so far: its first line and the headers that it has.
pub(crate) struct Http1(Vec<u8>);

impl Http1 {
    pub(crate) fn new(status: StatusCode) -> Self {
        let mut answer = Self(Vec::with_capacity(ANSWER_BYTES));
        answer.put(b"HTTP/1.1 ");
        answer.put(status.as_str().as_bytes());
        answer.put(b" ");
        answer.put(status.canonical_reason().unwrap_or_default().as_bytes());
        answer.put(b"\r\n");
        answer
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A header; `value` is a valid one.
    pub(crate) fn field(&mut self, name: &str, value: &[u8]) {
        self.put(name.as_bytes());
        self.put(b": ");
        self.put(value);
        self.put(b"\r\n");
    }

    /// How long the body is.
    pub(crate) fn length(&mut self, bytes: usize) {
        self.field("content-length", itoa::Buffer::new().format(bytes).as_bytes());
    }

    /// When it is given.
    pub(crate) fn date(&mut self, now: Moment) {
        with_date(now, |date| self.field("date", date.as_bytes()));
    }

    /// Whether another request may follow on the connection.
    pub(crate) fn stays_open(&mut self, stays: bool) {
        self.field("connection", if stays { b"keep-alive" } else { b"close" });
    }

    /// The bytes to send: all of the head, and what is there of the body.
    pub(crate) fn end(mut self, body: &[u8]) -> Vec<u8> {
        self.put(b"\r\n");
        self.put(body);
        self.0
    }
}

/// The moment as the `Date` header says it. Each thread writes it down once a second, not for every answer.
fn with_date(now: Moment, write: impl FnOnce(&str)) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    LAST.with_borrow_mut(|(second, date)| {
        if *second != now.unix_seconds() {
            *second = now.unix_seconds();
            *date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(*second));
        }
        write(date);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_goes_on() {
        for (ms, expected) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ] {
            let mut answer = Http1::new(StatusCode::NO_CONTENT);
            answer.date(Moment::from_unix_ms(ms));
            let expected = format!("HTTP/1.1 204 No Content\r\ndate: {expected}\r\n\r\n");
            assert_eq!(answer.end(b""), expected.as_bytes(), "{ms}");
        }
    }
}
