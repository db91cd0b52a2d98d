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
use http::{
    HeaderValue,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use pingora_core::protocols::http::v1::server::HttpSession;
use std::sync::LazyLock;
use tokio::{
    io::duplex,
    runtime::{Builder, Runtime},
};
use waiting_room_domain::{HeadLimits, HeadRead, read_head};

pub(super) const LIMITS: HeadLimits = HeadLimits {
    bytes: 4_096,
    target_bytes: 1_024,
    headers: 32,
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

pub(super) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().unwrap());

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

/// Reads any request's head. What goes on to the proxy ends for it at the same byte, and not before; and nothing in it says
/// the length of its body in two ways.
pub fn request(bytes: &[u8]) {
    let HeadRead::Whole(length) = read_head(bytes, &LIMITS) else {
        return;
    };
    for cut in [length - 1, length / 2, length.min(3)] {
        assert_eq!(
            read_head(&bytes[..cut], &LIMITS),
            HeadRead::Partial,
            "cut at {cut}"
        );
    }
    RUNTIME.block_on(async {
        let shorter = as_the_proxy(&bytes[..length - 1]).await;
        assert!(shorter.is_none(), "the proxy needs no more");
        let Some(session) = as_the_proxy(&bytes[..length]).await else {
            return;
        };
        let headers = &session.req_header().headers;
        let (hosts, lengths) = (headers.get_all(HOST), headers.get_all(CONTENT_LENGTH));
        assert!(hosts.iter().count() <= 1, "one host");
        let framings = lengths.iter().count() + headers.get_all(TRANSFER_ENCODING).iter().count();
        assert!(framings <= 1, "one length");
    });
}

/// What the proxy makes of these bytes, when nothing more comes; nothing if that is no whole request.
pub(super) async fn as_the_proxy(bytes: &[u8]) -> Option<HttpSession> {
    let (client, server) = duplex(1);
    drop(client);
    let mut session = HttpSession::new(Box::new(server));
    session.set_pipelined_prefix(BytesMut::from(bytes));
    let read = session.read_request().await.ok()??;
    assert_eq!(read, bytes.len());
    Some(session)
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
