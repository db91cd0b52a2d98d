//! The head of an origin's answer, read where it lies and written down for the visitor.

use super::body::Body;
use crate::{
    edge::{
        to_origin::{SESSION_ENDS, SESSION_HEADER},
        told,
    },
    http1::Http1,
};
use http::{HeaderName, HeaderValue, StatusCode};
use httparse::{Header, ParserConfig, Response, Status};
use std::{borrow::Cow, mem::MaybeUninit, ops::Range};
use waiting_room_domain::Moment;

/// A head that is longer is none.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;

/// What a server said is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// The head of an answer; where its parts lie in what was read.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) status: StatusCode,
    /// How long it is.
    pub(super) bytes: usize,
    pub(super) body: Body,
    /// Whether the connection can be used again.
    pub(super) keeps_connection: bool,
    /// The headers that are passed on.
    fields: Vec<Field>,
    has_date: bool,
}

#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// What headers say of the connection, and of where the body ends.
#[derive(Debug, Default)]
struct Framing<'a> {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    /// Further headers that concern this connection only.
    nominated: Vec<&'a [u8]>,
}

impl AnswerHead {
    /// The head that `bytes` begin with; nothing if it is not whole.
    ///
    /// # Errors
    /// When that is no head, or leaves open where its body ends.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Nonsense> {
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
        let mut answer = Response::new(&mut []);
        let mut lenient = ParserConfig::default();
        // As the proxy reads it.
        lenient
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let parsed = lenient.parse_response_with_uninit_headers(&mut answer, bytes, &mut space);
        let length = match parsed.map_err(|_| Nonsense)? {
            Status::Complete(length) => length,
            Status::Partial if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
            Status::Partial => return Err(Nonsense),
        };
        let status = StatusCode::from_u16(answer.code.unwrap_or(0)).map_err(|_| Nonsense)?;
        let framing = Framing::of(answer.headers)?;
        let is_new = answer.version == Some(1);
        if framing.is_chunked && !is_new {
            return Err(Nonsense);
        }
        let body = framing.body(status);
        let passed_on = answer
            .headers
            .iter()
            .filter(|header| framing.passes_on(header, body));
        Ok(Some(Self {
            status,
            bytes: length,
            body,
            keeps_connection: is_new && !framing.closes && body != Body::UntilClosed,
            has_date: answer.headers.iter().any(|header| is_named(header, "date")),
            fields: passed_on.map(|header| Field::of(header, bytes)).collect(),
        }))
    }

    /// Whether the origin ends the visitor's session. `bytes` is what the head was read from.
    pub(super) fn ends_session(&self, bytes: &[u8]) -> bool {
        let ours = self.fields.iter().find(|field| field.is(&SESSION_HEADER, bytes));
        ours.is_some_and(|field| bytes.get(field.value.clone()) == Some(SESSION_ENDS.as_bytes()))
    }

    /// The head as the visitor gets it, with these headers beside its own. `bytes` is what it was read from.
    pub(super) fn write(
        &self,
        bytes: &[u8],
        beside: &[(HeaderName, HeaderValue)],
        stays_open: bool,
        now: Moment,
    ) -> Vec<u8> {
        let mut answer = Http1::new(self.status);
        let is_replaced = |field: &Field| {
            let mut replaced = beside.iter().filter(|(name, _)| told::replaces(name));
            replaced.any(|(name, _)| field.is(name, bytes))
        };
        self.write_fields(bytes, &mut answer, |field| {
            field.is(&SESSION_HEADER, bytes) || is_replaced(field)
        });
        for (name, value) in beside {
            answer.field(name.as_str(), value.as_bytes());
        }
        if self.body.is_chunked() {
            answer.field("transfer-encoding", b"chunked");
        }
        if !self.has_date {
            answer.date(now);
        }
        answer.stays_open(stays_open);
        answer.end(b"")
    }

    /// The same, where it is no answer yet.
    pub(super) fn write_informational(&self, bytes: &[u8]) -> Vec<u8> {
        let mut answer = Http1::new(self.status);
        self.write_fields(bytes, &mut answer, |field| field.is(&SESSION_HEADER, bytes));
        answer.end(b"")
    }

    fn write_fields(&self, bytes: &[u8], answer: &mut Http1, is_left_out: impl Fn(&Field) -> bool) {
        for field in self.fields.iter().filter(|field| !is_left_out(field)) {
            let (Some(name), Some(value)) = (bytes.get(field.name.clone()), bytes.get(field.value.clone()))
            else {
                continue;
            };
            if let Ok(name) = std::str::from_utf8(name) {
                answer.field(name, &unfolded(value));
            }
        }
    }
}

impl Field {
    /// Where a header lies in `bytes`, which it was read from.
    fn of(header: &Header<'_>, bytes: &[u8]) -> Self {
        let at = |part: &[u8]| {
            let start = part.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + part.len()
        };
        Self {
            name: at(header.name.as_bytes()),
            value: at(header.value),
        }
    }

    fn is(&self, name: &HeaderName, bytes: &[u8]) -> bool {
        let ours = bytes.get(self.name.clone());
        ours.is_some_and(|ours| ours.eq_ignore_ascii_case(name.as_str().as_bytes()))
    }
}

impl<'a> Framing<'a> {
    fn of(headers: &[Header<'a>]) -> Result<Self, Nonsense> {
        let mut framing = Self::default();
        let (mut lengths, mut encodings) = (0, 0);
        for header in headers {
            // By length first: nearly every header is told apart by it.
            match header.name.len() {
                10 if is_named(header, "connection") => framing.hear(header.value),
                14 if is_named(header, "content-length") => {
                    lengths += 1;
                    framing.length = Some(read_length(header.value).ok_or(Nonsense)?);
                }
                17 if is_named(header, "transfer-encoding") => {
                    encodings += 1;
                    framing.is_chunked = header.value.eq_ignore_ascii_case(b"chunked");
                }
                _ => {}
            }
        }
        let one_way = match (lengths, encodings) {
            (0 | 1, 0) => true,
            // Chunks prevail: RFC 9112, 6.3.
            (0 | 1, 1) => framing.is_chunked,
            _ => false,
        };
        one_way.then_some(framing).ok_or(Nonsense)
    }

    /// Takes note of what `Connection` says.
    fn hear(&mut self, value: &'a [u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if !option.eq_ignore_ascii_case(b"keep-alive") {
                self.nominated.push(option);
            }
        }
    }

    fn body(&self, status: StatusCode) -> Body {
        let has_none =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match (has_none, self.is_chunked, self.length) {
            (true, ..) | (_, false, Some(0)) => Body::Done,
            (_, true, _) => Body::ChunkSize,
            (_, _, Some(bytes)) => Body::Bytes(bytes),
            (_, _, None) => Body::UntilClosed,
        }
    }

    /// Whether a header is the visitor's to know, of an answer with this body.
    fn passes_on(&self, header: &Header<'_>, body: Body) -> bool {
        let of_connection = match header.name.len() {
            7 => is_named(header, "upgrade"),
            10 => is_named(header, "connection") || is_named(header, "keep-alive"),
            14 => is_named(header, "content-length") && body.is_chunked(),
            16 => is_named(header, "proxy-connection"),
            17 => is_named(header, "transfer-encoding"),
            _ => false,
        };
        let name = header.name.as_bytes();
        !of_connection
            && !self
                .nominated
                .iter()
                .any(|named| named.eq_ignore_ascii_case(name))
    }
}

fn is_named(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// Digits and nothing else.
fn read_length(said: &[u8]) -> Option<u64> {
    let are_digits = !said.is_empty() && said.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(said)
        .ok()
        .filter(|_| are_digits)?
        .parse()
        .ok()
}

/// A value that goes over several lines, on one: RFC 9112, 5.2.
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    Cow::Owned(
        value
            .iter()
            .map(|byte| if is_end(byte) { b' ' } else { *byte })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AnswerHead {
        AnswerHead::read(text.as_bytes()).unwrap().unwrap()
    }

    fn written(text: &str, beside: &[(HeaderName, HeaderValue)]) -> String {
        let now = Moment::from_unix_ms(784_111_777_000);
        String::from_utf8(read(text).write(text.as_bytes(), beside, true, now)).unwrap()
    }

    #[test]
    fn a_body_ends_in_one_way() {
        for (head, body, keeps) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Body::Bytes(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Body::Done, true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n",
                Body::ChunkSize,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Body::ChunkSize,
                true,
            ),
            ("HTTP/1.1 200 OK\r\n", Body::UntilClosed, false),
            ("HTTP/1.1 204 No Content\r\n", Body::Done, true),
            (
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n",
                Body::Done,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close\r\n",
                Body::Bytes(5),
                false,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", Body::Bytes(5), false),
        ] {
            let text = format!("{head}\r\nhello");
            let answer = read(&text);
            assert_eq!((answer.body, answer.keeps_connection), (body, keeps), "{head:?}");
            assert_eq!(&text[answer.bytes..], "hello");
            for end in 0..answer.bytes {
                assert!(
                    AnswerHead::read(&text.as_bytes()[..end]).unwrap().is_none(),
                    "{head:?}, the first {end}"
                );
            }
        }
    }

    #[test]
    fn what_could_end_in_two_ways_is_nonsense() {
        for text in [
            "who is there?\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(
                AnswerHead::read(text.as_bytes()).unwrap_err(),
                Nonsense,
                "{text:?}"
            );
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(AnswerHead::read(endless.as_bytes()).unwrap_err(), Nonsense);
    }

    #[test]
    fn the_visitor_learns_what_is_theirs_to_know() {
        let text = "HTTP/1.1 201 Made\r\nServer : shop\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
                    Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Folded: a\r\n b\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\
                    Waiting-Room-Session: end\r\nWaiting-Room-Pass: forged\r\nContent-Length: 0\r\n\r\n";
        assert!(read(text).ends_session(text.as_bytes()));
        let beside = [
            (http::header::SET_COOKIE, HeaderValue::from_static("c=3")),
            (crate::gate::PASS_HEADER, HeaderValue::from_static("ours")),
        ];
        assert_eq!(
            written(text, &beside),
            "HTTP/1.1 201 Created\r\nServer: shop\r\nX-Folded: a   b\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\
             Content-Length: 0\r\nset-cookie: c=3\r\nwaiting-room-pass: ours\r\n\
             date: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn chunks_have_no_length_beside_them_and_a_date_is_not_said_twice() {
        let text =
            "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let expected =
            "HTTP/1.1 200 OK\r\nDate: today\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!(written(text, &[]), expected);
        let closed = "HTTP/1.1 200 OK\r\nDate: today\r\n\r\n";
        assert_eq!(written(closed, &[]), expected);
    }
}
