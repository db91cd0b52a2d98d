//! The fast path against other readers of HTTP: see [`crate::fuzzing`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

use super::plain_head::{Action, PlainHead, header_space};
use crate::entrance::Head;
use bytes::BytesMut;
use http::HeaderValue;
use pingora_core::protocols::http::v1::server::HttpSession;
use std::sync::LazyLock;
use tokio::{
    io::duplex,
    runtime::{Builder, Runtime},
};

/// Headers that anybody here asks for.
const ASKED: [&str; 12] = [
    "host",
    "cookie",
    "authorization",
    "accept",
    "accept-language",
    "connection",
    "content-length",
    "x-forwarded-for",
    "waiting-room-ticket",
    "waiting-room-pass",
    "waiting-room-proof",
    "waiting-room-invitation",
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

/// Reads a head. What the fast path takes for itself is, for the proxy behind it, one request with the same method, path
/// and headers, from the first byte to the last.
pub fn head(bytes: &[u8]) {
    let mut space = header_space();
    let Some(plain) = PlainHead::read(bytes, &mut space) else {
        return;
    };
    let (method, suffix) = match plain.action {
        Action::Poll => ("GET", "status"),
        Action::Listen => ("GET", "events"),
        Action::Join => ("POST", "join"),
    };
    let path = format!("/.waiting-room/{}/{suffix}", plain.room);
    by_lines(bytes, method, &path);
    RUNTIME.block_on(by_the_proxy(bytes, &plain, method, &path));
}

/// As the grammar of RFC 9112 has it, without anything that it merely tolerates.
fn by_lines(bytes: &[u8], method: &str, path: &str) {
    let text = bytes.strip_suffix(b"\r\n\r\n").expect("an empty line at the end");
    assert!(
        !text.windows(4).any(|four| four == b"\r\n\r\n"),
        "nothing behind it"
    );
    assert!(!text.contains(&0), "no NUL");
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let (last, ended) = lines.split_last().expect("at least one line");
    assert!(!last.contains(&b'\r'));
    let ends_once = |line: &&[u8]| line.iter().position(|byte| *byte == b'\r') == line.len().checked_sub(1);
    assert!(ended.iter().all(ends_once), "every line ends in CR LF");
    let asked = format!("{method} {path} HTTP/1.1");
    let first = lines.first().map_or(&b""[..], |line| line.trim_ascii_end());
    assert_eq!(first, asked.as_bytes());
    for line in lines.iter().skip(1) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        assert!(
            line.contains(&b':') && !name.is_empty() && name.iter().all(is_token),
            "{line:?}"
        );
    }
}

/// As Pingora reads it, on whose connection the next request would be looked for where this one ended.
async fn by_the_proxy(bytes: &[u8], plain: &PlainHead<'_>, method: &str, path: &str) {
    let (_client, server) = duplex(1);
    let mut session = HttpSession::new(Box::new(server));
    session.set_pipelined_prefix(BytesMut::from(bytes));
    let read = session.read_request().await.expect("a request");
    assert_eq!(read, Some(bytes.len()));
    let request = session.req_header();
    assert_eq!(
        (request.method.as_str(), request.raw_path()),
        (method, path.as_bytes())
    );
    for name in ASKED {
        let values = request.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        assert!(plain.values(name).eq(values), "{name}");
    }
    assert!(session.is_body_empty(), "nothing behind it");
}
