//! Whatever an origin says, however it comes: see [`crate::fuzzing`].

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is told by a panic"
)]

use super::{
    answer::{AnswerHead, Nonsense},
    body::Body,
};
use bytes::BytesMut;

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
