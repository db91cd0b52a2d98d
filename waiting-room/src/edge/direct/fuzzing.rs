//! What goes to origins directly, and whatever they say, however it comes: see [`crate::fuzzing`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

use super::{
    answer::{AnswerHead, Nonsense},
    body::Body,
    request::{Request, is_of_connections},
};
use crate::edge::fuzzing::{LIMITS, RUNTIME, as_the_proxy};
use bytes::BytesMut;
use http::{
    HeaderValue,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

/// Reads a request. What goes to its origin directly is, for the proxy, one request with the same method, target, headers and
/// body; and what is sent there is this request.
pub fn direct(bytes: &[u8]) {
    let Some(request) = Request::read(bytes, &LIMITS) else {
        return;
    };
    let sent = request.write();
    for bytes in [bytes, &sent] {
        is_read_so_by_the_proxy(bytes, &request);
    }
}

fn is_read_so_by_the_proxy(bytes: &[u8], ours: &Request) {
    let (head, body) = bytes.split_at(bytes.len() - ours.body.len());
    assert_eq!(body, ours.body);
    let session = RUNTIME
        .block_on(as_the_proxy(head))
        .expect("a request for the proxy");
    let read = session.req_header();
    assert_eq!(
        (&read.method, read.raw_path()),
        (&ours.head.method, ours.head.raw_path())
    );
    for name in read
        .headers
        .keys()
        .filter(|name| !is_of_connections(name.as_str()))
    {
        let values = read.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let our_values = ours.head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        assert!(values.eq(our_values), "{name}");
    }
    assert!(
        ours.head
            .headers
            .keys()
            .all(|name| read.headers.contains_key(name))
    );
    assert!(!read.headers.contains_key(TRANSFER_ENCODING));
    let length = read.headers.get(CONTENT_LENGTH);
    let length = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    assert_eq!(body.len(), length, "the body ends where it says");
}

/// Reads an answer. Its head is the same head as soon as it is whole and not before, and what its visitor gets does not
/// depend on the pieces it came in.
pub fn answer(bytes: &[u8]) {
    let Ok(Some(head)) = AnswerHead::read(bytes) else {
        return;
    };
    assert!(AnswerHead::read(&bytes[..head.bytes - 1]).is_ok_and(|head| head.is_none()));
    let whole = carried(head.body, &bytes[head.bytes..], usize::MAX);
    for size in [1, 2, 5] {
        assert_eq!(
            carried(head.body, &bytes[head.bytes..], size),
            whole,
            "in pieces of {size}"
        );
    }
}

/// The content that reaches the visitor of a body that comes in pieces of this size, and what is left behind it.
fn carried(mut body: Body, bytes: &[u8], size: usize) -> Result<(Vec<u8>, usize), Nonsense> {
    let is_chunked = body.is_chunked();
    let (mut read, mut to_send) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size) {
        read.extend_from_slice(piece);
        body.take(&mut read, &mut to_send)?;
    }
    if !body.is_done() {
        body.end(&mut to_send)?;
    }
    let content = if is_chunked { unchunked(&to_send) } else { to_send };
    Ok((content, read.len()))
}

/// What is in chunks that are written as they must be.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&chunks[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, rest) = chunks[end + 2..].split_at(size);
        content.extend_from_slice(chunk);
        chunks = rest.strip_prefix(b"\r\n").unwrap();
        if size == 0 {
            assert_eq!(chunks, b"");
            return content;
        }
    }
}
