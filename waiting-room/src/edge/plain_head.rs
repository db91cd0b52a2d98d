//! Recognises the requests that come by the ten thousand: a waiting shopper's poll, a join, and the wish to be told by
//! events, plain and complete.
//!
//! Only what every HTTP implementation reads in the same way is recognised. Whatever is odd in the least (a body, a
//! second request behind the first, another version, a bare line feed, an upgrade …) is nothing for this path: the
//! proxy gets it, byte for byte.

use crate::entrance::Head;
use httparse::{Header, Request, Status};
use memchr::memchr_iter;
use std::mem::MaybeUninit;

/// A browser sends about twenty.
const HEADERS_MAX: usize = 48;
const PREFIX: &str = "/.waiting-room/";

/// Space for the headers of a request, which whoever reads one lends.
pub(super) type HeaderSpace<'a> = [MaybeUninit<Header<'a>>; HEADERS_MAX];

/// Such space, with nothing in it.
pub(super) const fn header_space<'a>() -> HeaderSpace<'a> {
    [const { MaybeUninit::uninit() }; HEADERS_MAX]
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Poll,
    Listen,
    Join,
}

impl Action {
    const ALL: [Self; 3] = [Self::Poll, Self::Join, Self::Listen];

    const fn method(self) -> &'static str {
        match self {
            Self::Poll | Self::Listen => "GET",
            Self::Join => "POST",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Poll => "/status",
            Self::Listen => "/events",
            Self::Join => "/join",
        }
    }
}

/// A plain request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainHead<'a> {
    pub(super) action: Action,
    /// The room that is asked.
    pub(super) room: &'a str,
    headers: &'a [Header<'a>],
}

impl<'a> PlainHead<'a> {
    /// The plain request that `bytes` are, if they are one from the first byte to the last.
    pub(super) fn read(bytes: &'a [u8], space: &'a mut HeaderSpace<'a>) -> Option<Self> {
        // Cheap and first: most other requests end here.
        let asks = match bytes {
            [b'G', b'E', b'T', b' ', rest @ ..] | [b'P', b'O', b'S', b'T', b' ', rest @ ..] => rest,
            _ => return None,
        };
        if !asks.starts_with(PREFIX.as_bytes()) || !bytes.ends_with(b"\r\n\r\n") || has_bare_line_feed(bytes)
        {
            return None;
        }
        let mut request = Request::new(&mut []);
        let read = request.parse_with_uninit_headers(bytes, space).ok()?;
        if read != Status::Complete(bytes.len()) || request.version != Some(1) {
            return None;
        }
        let (method, path) = (request.method?, request.path?.strip_prefix(PREFIX)?);
        let (action, room) = Action::ALL.into_iter().find_map(|action| {
            let room = path.strip_suffix(action.suffix())?;
            (action.method() == method).then_some((action, room))
        })?;
        let is_id = room
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let headers: &[Header<'a>] = request.headers;
        (is_id && are_plain(headers, action)).then_some(Self {
            action,
            room,
            headers,
        })
    }
}

/// A plain request to read something that is not ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainGet<'a> {
    pub(super) target: &'a str,
    pub(super) headers: &'a [Header<'a>],
}

impl<'a> PlainGet<'a> {
    /// The plain request that `bytes` are, if they are one from the first byte to the last.
    pub(super) fn read(bytes: &'a [u8], space: &'a mut HeaderSpace<'a>) -> Option<Self> {
        let target = bytes.strip_prefix(b"GET ")?;
        let is_ours = target.starts_with(PREFIX.as_bytes());
        if !target.starts_with(b"/") || is_ours || !bytes.ends_with(b"\r\n\r\n") || has_bare_line_feed(bytes)
        {
            return None;
        }
        let mut request = Request::new(&mut []);
        let read = request.parse_with_uninit_headers(bytes, space).ok()?;
        let is_whole = read == Status::Complete(bytes.len()) && request.version == Some(1);
        let (target, headers): (_, &[Header<'a>]) = (request.path?, request.headers);
        (is_whole && are_plain(headers, Action::Poll)).then_some(Self { target, headers })
    }
}

impl Head for PlainHead<'_> {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |header| is_named(header, name));
        named.map(|header| header.value)
    }
}

fn is_named(header: &Header<'_>, name: &str) -> bool {
    header.name.eq_ignore_ascii_case(name)
}

/// Whether no header changes what the request is, or how long it is. `Connection: keep-alive` says nothing new and is
/// allowed, and so is the one `Content-Length: 0` of a join.
fn are_plain(headers: &[Header<'_>], action: Action) -> bool {
    let (mut hosts, mut lengths) = (0, 0);
    for header in headers {
        // By length first: nearly every header of a browser is told apart by it.
        let plain = match header.name.len() {
            2 => !is_named(header, "te"),
            4 if is_named(header, "host") => {
                hosts += 1;
                is_host(header.value)
            }
            6 => !is_named(header, "expect"),
            7 => !is_named(header, "upgrade") && !is_named(header, "trailer"),
            10 => !is_named(header, "connection") || header.value.eq_ignore_ascii_case(b"keep-alive"),
            14 if is_named(header, "content-length") => {
                lengths += 1;
                header.value == b"0"
            }
            14 => !is_named(header, "http2-settings"),
            17 => !is_named(header, "transfer-encoding"),
            _ => true,
        };
        if !plain {
            return false;
        }
    }
    hosts == 1 && lengths <= usize::from(action == Action::Join)
}

/// A name or an address, with or without a port. The proxy refuses some others.
fn is_host(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte);
    !value.is_empty() && value.iter().all(is_part)
}

fn has_bare_line_feed(bytes: &[u8]) -> bool {
    memchr_iter(b'\n', bytes).any(|at| at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: &str =
        "GET /.waiting-room/demo/status HTTP/1.1\r\nHost: shop\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n";

    /// What a plain request is to do, if it is one.
    fn action(request: &[u8]) -> Option<Action> {
        PlainHead::read(request, &mut header_space()).map(|head| head.action)
    }

    #[test]
    fn a_plain_poll_is_recognised() {
        let mut space = header_space();
        let poll = PlainHead::read(POLL.as_bytes(), &mut space).unwrap();
        assert_eq!((poll.action, poll.room), (Action::Poll, "demo"));
        assert_eq!(poll.values("cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        let kept = POLL.replace("Host", "Connection: Keep-Alive\r\nHost");
        assert_eq!(action(kept.as_bytes()), Some(Action::Poll));
    }

    #[test]
    fn a_plain_read_is_recognised_and_nothing_odd() {
        let plain = POLL.replace("/.waiting-room/demo/status", "/products?a=b");
        let read = |text: &str| {
            let mut space = header_space();
            let read = PlainGet::read(text.as_bytes(), &mut space)?;
            Some((read.target.to_owned(), read.headers.len()))
        };
        assert_eq!(read(&plain), Some(("/products?a=b".to_owned(), 3)));
        for odd in [
            POLL.to_owned(),
            plain.replace("GET", "HEAD"),
            plain.replace("GET /", "GET http://shop/"),
            plain.replace("HTTP/1.1", "HTTP/1.0"),
            plain.replace("Host", "Upgrade: websocket\r\nHost"),
            plain.replace("Host", "Content-Length: 0\r\nHost"),
            plain.replace("Host", "Connection: close\r\nHost"),
            plain.clone() + "x",
        ] {
            assert_eq!(read(&odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_plain_wish_to_listen_is_recognised() {
        let listen = POLL.replace("/status", "/events");
        assert_eq!(action(listen.as_bytes()), Some(Action::Listen));
        assert_eq!(action(listen.replace("GET", "POST").as_bytes()), None);
    }

    #[test]
    fn a_plain_join_is_recognised() {
        let join = POLL.replace("GET", "POST").replace("/status", "/join");
        let with = |header: &str| join.replace("Host: shop", &format!("Host: shop\r\n{header}"));
        for plain in [join.clone(), with("Content-Length: 0")] {
            assert_eq!(action(plain.as_bytes()), Some(Action::Join));
        }
        for odd in [
            join.replace("POST", "GET"),
            join.replace("POST", "PUT"),
            with("Content-Length: 00"),
            with("Content-Length: 0\r\nContent-Length: 0"),
            with("Content-Length: 1") + "x",
            with("Transfer-Encoding: chunked"),
        ] {
            assert_eq!(action(odd.as_bytes()), None, "{odd:?}");
        }
    }

    #[test]
    fn whatever_is_odd_is_left_to_the_proxy() {
        let with = |header: &str| POLL.replace("Host: shop", &format!("Host: shop\r\n{header}"));
        let odd = [
            POLL.replace("GET", "POST"),
            POLL.replace("GET", "HEAD"),
            POLL.replace("HTTP/1.1", "HTTP/1.0"),
            POLL.replace("HTTP/1.1", "HTTP/2.0"),
            POLL.replace("/status", "/status?x"),
            POLL.replace("/status", "/claim"),
            POLL.replace("/demo/", "/demo/../x/"),
            POLL.replace("/demo/", "/%64emo/"),
            POLL.replace("/.waiting-room", "http://shop/.waiting-room"),
            POLL.replace("Host: shop\r\n", ""),
            with("Host: other"),
            POLL.replace("Host: shop", "Host:"),
            POLL.replace("Host: shop", "Host: somebody@shop"),
            POLL.replace("Host: shop", "Host: shop, other"),
            with("Content-Length: 0"),
            with("content-length: 5\r\nContent-Length: 6"),
            with("Transfer-Encoding: chunked"),
            with("Expect: 100-continue"),
            with("Upgrade: h2c\r\nConnection: Upgrade"),
            with("Connection: close"),
            with("Connection: keep-alive, Waiting-Room-Ticket"),
            with("X: folded\r\n value"),
            with("X : space before the colon"),
            POLL.replace("Host: shop\r\n", "Host: shop\n"),
            POLL.replace("\r\n\r\n", "\n\n"),
            format!("{POLL}{POLL}"),
            format!("{POLL}x"),
            format!("\r\n{POLL}"),
            with(&"Y: 1\r\n".repeat(60)[..58 * 6]),
        ];
        for request in odd {
            assert_eq!(action(request.as_bytes()), None, "{request:?}");
        }
    }

    #[test]
    fn a_part_of_a_poll_is_none() {
        for end in 0..POLL.len() {
            assert_eq!(action(&POLL.as_bytes()[..end]), None, "the first {end} bytes");
        }
    }
}
