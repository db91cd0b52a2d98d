//! The body of an origin's answer: where it ends, and how it is passed on.

use super::answer::Nonsense;
use bytes::{Buf, BytesMut};
use httparse::{Status, parse_chunk_size};

/// A line between chunks, with whatever is said there of the next one.
const LINE_MAX: usize = 256;
/// All lines behind the last chunk.
const TRAILERS_MAX: usize = 8 * 1024;

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing.
    Done,
    /// So many bytes.
    Bytes(u64),
    /// Whatever comes until the connection ends. The visitor gets it in chunks.
    UntilClosed,
    /// The line that says how long the next chunk is.
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of its line.
    ChunkEnd,
    /// Lines behind the last chunk, of which so many bytes have come. They are not passed on.
    Trailers(usize),
}

impl Body {
    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Whether the visitor gets it in chunks.
    pub(super) fn is_chunked(self) -> bool {
        matches!(self, Self::UntilClosed | Self::ChunkSize)
    }

    /// Takes what has come of the body out of `read`, and adds it to what is sent to the visitor.
    ///
    /// # Errors
    /// When chunks are not written as they must be.
    pub(super) fn take(&mut self, read: &mut BytesMut, to_send: &mut Vec<u8>) -> Result<(), Nonsense> {
        while !self.is_done() && !read.is_empty() {
            match *self {
                Self::Done => {}
                Self::Bytes(left) => {
                    let taken = take(read, left, |bytes| to_send.extend_from_slice(bytes));
                    *self = match left - taken {
                        0 => Self::Done,
                        left => Self::Bytes(left),
                    };
                }
                Self::UntilClosed => {
                    take(read, u64::MAX, |bytes| add_chunk(bytes, to_send));
                }
                Self::Chunk(left) => {
                    let taken = take(read, left, |bytes| add_chunk(bytes, to_send));
                    *self = match left - taken {
                        0 => Self::ChunkEnd,
                        left => Self::Chunk(left),
                    };
                }
                Self::ChunkSize => match chunk_size(read)? {
                    None => break,
                    Some(0) => *self = Self::Trailers(0),
                    Some(size) => *self = Self::Chunk(size),
                },
                Self::ChunkEnd => match &read[..] {
                    [b'\r', b'\n', ..] => {
                        read.advance(2);
                        *self = Self::ChunkSize;
                    }
                    [b'\r'] => break,
                    _ => return Err(Nonsense),
                },
                Self::Trailers(bytes) => match trailer(read, bytes)? {
                    None => break,
                    Some(0) => {
                        add_last_chunk(to_send);
                        *self = Self::Done;
                    }
                    Some(more) => *self = Self::Trailers(bytes + more),
                },
            }
        }
        Ok(())
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// When the body has not.
    pub(super) fn end(&mut self, to_send: &mut Vec<u8>) -> Result<(), Nonsense> {
        match self {
            Self::Done => {}
            Self::UntilClosed => add_last_chunk(to_send),
            _ => return Err(Nonsense),
        }
        *self = Self::Done;
        Ok(())
    }
}

/// Takes at most so many bytes; answers how many.
fn take(read: &mut BytesMut, most: u64, add: impl FnOnce(&[u8])) -> u64 {
    let taken = usize::try_from(most).unwrap_or(usize::MAX).min(read.len());
    add(&read[..taken]);
    read.advance(taken);
    taken as u64
}

/// Takes the line before a chunk; nothing when it is not whole.
fn chunk_size(read: &mut BytesMut) -> Result<Option<u64>, Nonsense> {
    if !read.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Nonsense);
    }
    match parse_chunk_size(read) {
        Ok(Status::Complete((length, size))) if length <= LINE_MAX => {
            read.advance(length);
            Ok(Some(size))
        }
        Ok(Status::Partial) if read.len() <= LINE_MAX => Ok(None),
        _ => Err(Nonsense),
    }
}

/// Takes a line behind the last chunk; answers how long it was, 0 for the one that ends them, nothing when it is not whole.
fn trailer(read: &mut BytesMut, before: usize) -> Result<Option<usize>, Nonsense> {
    let end = memchr::memchr(b'\n', read);
    let length = end.map_or(read.len(), |end| end + 1);
    if before + length > TRAILERS_MAX {
        return Err(Nonsense);
    }
    match (end, &read[..length]) {
        (None, _) => Ok(None),
        (Some(_), b"\r\n") => {
            read.advance(length);
            Ok(Some(0))
        }
        (Some(_), line) if line.ends_with(b"\r\n") => {
            read.advance(length);
            Ok(Some(length))
        }
        (Some(_), _) => Err(Nonsense),
    }
}

fn add_chunk(bytes: &[u8], to_send: &mut Vec<u8>) {
    to_send.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    to_send.extend_from_slice(bytes);
    to_send.extend_from_slice(b"\r\n");
}

fn add_last_chunk(to_send: &mut Vec<u8>) {
    to_send.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body becomes that comes in pieces of this size, and what is left when it is done.
    fn passed_on(mut body: Body, text: &str, piece: usize) -> Result<(String, usize), Nonsense> {
        let (mut read, mut to_send) = (BytesMut::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            read.extend_from_slice(piece);
            body.take(&mut read, &mut to_send)?;
        }
        if !body.is_done() {
            body.end(&mut to_send)?;
        }
        Ok((String::from_utf8(to_send).unwrap(), read.len()))
    }

    /// What was in these chunks.
    fn content(chunks: &str) -> String {
        let (mut rest, mut content) = (chunks, String::new());
        loop {
            let (size, after) = rest.split_once("\r\n").unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            content.push_str(&after[..size]);
            rest = after[size..].strip_prefix("\r\n").unwrap();
            if size == 0 {
                assert_eq!(rest, "");
                return content;
            }
        }
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        for piece in [1, 3, 100] {
            let (passed, left) = passed_on(Body::Bytes(5), "hello, and more", piece).unwrap();
            assert_eq!((passed.as_str(), left), ("hello", 10));
            assert_eq!(passed_on(Body::Bytes(5), "hell", piece), Err(Nonsense));
            assert_eq!(passed_on(Body::Done, "x", piece).unwrap(), (String::new(), 1));
        }
    }

    #[test]
    fn chunks_are_passed_on_however_they_come() {
        let long = "x".repeat(300);
        for (text, expected) in [
            ("0\r\n\r\n".to_owned(), String::new()),
            ("5\r\nhello\r\n0\r\n\r\n".to_owned(), "hello".to_owned()),
            (
                "005;a=\"b\"\r\nhello\r\n2 \r\n\r\n\r\n0\r\nA: b\r\nC: d\r\n\r\n".to_owned(),
                "hello\r\n".to_owned(),
            ),
            (format!("12C\r\n{long}\r\n0\r\n\r\n"), long),
        ] {
            for piece in [1, 2, 7, 1_000] {
                let (passed, left) = passed_on(Body::ChunkSize, &text, piece).unwrap();
                assert_eq!(
                    (content(&passed), left),
                    (expected.clone(), 0),
                    "{text:?} by {piece}"
                );
            }
            let (_, left) = passed_on(Body::ChunkSize, &format!("{text}HTTP"), 1_000).unwrap();
            assert_eq!(left, 4);
        }
    }

    #[test]
    fn what_ends_with_the_connection_becomes_chunks() {
        let (passed, _) = passed_on(Body::UntilClosed, "hello", 2).unwrap();
        assert_eq!(content(&passed), "hello");
        assert_eq!(passed_on(Body::UntilClosed, "", 1).unwrap().0, "0\r\n\r\n");
    }

    #[test]
    fn half_a_body_and_chunks_that_are_none_are_never_whole() {
        for text in [
            "",
            "5",
            "5\r\nhell",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "5\r\nhello\r\n0\r\n",
            "5\r\nhello\r\n0\r\nA: b\r\n",
            "nonsense\r\n",
            "\r\n\r\n",
            ";a\r\n\r\n",
            "-1\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhelloo\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\n",
            "11111111111111111\r\n",
        ] {
            for piece in [1, 1_000] {
                assert_eq!(passed_on(Body::ChunkSize, text, piece), Err(Nonsense), "{text:?}");
            }
        }
        let long = format!("5;{}", "x".repeat(LINE_MAX));
        assert_eq!(passed_on(Body::ChunkSize, &long, 10), Err(Nonsense));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(TRAILERS_MAX));
        assert_eq!(passed_on(Body::ChunkSize, &trailers, 50), Err(Nonsense));
    }
}
