//! Recognises the requests that come by the ten thousand: a waiting shopper's poll, a join, and the wish to be told by
//! events, and what those who are in ask of an origin, plain and complete.
//!
//! Only what every HTTP implementation reads in the same way is recognised. Whatever is odd in the least (a body in
//! pieces, a second request behind the first, another version, a bare line feed, an upgrade …) is nothing for this path:
//! the proxy gets it, byte for byte.

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
        let is_plain = match plain_length(headers).ok()? {
            None => true,
            Some(length) => action == Action::Join && length == b"0",
        };
        (is_id && is_plain).then_some(Self {
            action,
            room,
            headers,
        })
    }
}

/// A plain request for something that is not ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainRequest<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: &'a [Header<'a>],
    /// All of it.
    pub(super) body: &'a [u8],
}

impl<'a> PlainRequest<'a> {
    /// The plain request that `bytes` are, if they are one from the first byte to the last.
    pub(super) fn read(bytes: &'a [u8], space: &'a mut HeaderSpace<'a>) -> Option<Self> {
        let mut request = Request::new(&mut []);
        let Status::Complete(length) = request.parse_with_uninit_headers(bytes, space).ok()? else {
            return None;
        };
        let (head, body) = bytes.split_at_checked(length)?;
        if request.version != Some(1) || !head.ends_with(b"\r\n\r\n") || has_bare_line_feed(head) {
            return None;
        }
        let (method, target, headers): (_, _, &[Header<'a>]) =
            (request.method?, request.path?, request.headers);
        // What comes before the method is skipped by the parser.
        let begins = head.strip_prefix(method.as_bytes())?.starts_with(b" ");
        let is_whole = match (method, plain_length(headers).ok()?) {
            ("GET" | "DELETE" | "POST" | "PUT" | "PATCH", None) => body.is_empty(),
            ("POST" | "PUT" | "PATCH", Some(said)) => read_length(said) == Some(body.len()),
            _ => false,
        };
        let is_ours = !target.starts_with('/') || target.starts_with(PREFIX);
        (begins && is_whole && !is_ours).then_some(Self {
            method,
            target,
            headers,
            body,
        })
    }
}

/// Digits and nothing else, and not too many of them.
fn read_length(said: &[u8]) -> Option<usize> {
    let are_digits = (1..=9).contains(&said.len()) && said.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(said)
        .ok()
        .filter(|_| are_digits)?
        .parse()
        .ok()
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

/// Some header is not plain.
struct Odd;

/// What the headers say of the length of a body, if none of them changes what the request is. `Connection: keep-alive` says
/// nothing new and is allowed.
fn plain_length<'a>(headers: &[Header<'a>]) -> Result<Option<&'a [u8]>, Odd> {
    let (mut hosts, mut length) = (0, None);
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
            14 if is_named(header, "content-length") => length.replace(header.value).is_none(),
            14 => !is_named(header, "http2-settings"),
            17 => !is_named(header, "transfer-encoding"),
            _ => true,
        };
        if !plain {
            return Err(Odd);
        }
    }
    if hosts == 1 { Ok(length) } else { Err(Odd) }
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

    const GET: &str = "GET /products?a=b HTTP/1.1\r\nHost: shop\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n";

    /// Method, number of headers, and body of a plain request, if it is one.
    fn request(text: &str) -> Option<(String, usize, String)> {
        let mut space = header_space();
        let read = PlainRequest::read(text.as_bytes(), &mut space)?;
        assert_eq!(read.target, "/products?a=b");
        let body = std::str::from_utf8(read.body).unwrap().to_owned();
        Some((read.method.to_owned(), read.headers.len(), body))
    }

    fn post_with(header: &str) -> String {
        GET.replace("GET", "POST")
            .replace("Host", &format!("{header}\r\nHost"))
    }

    #[test]
    fn a_plain_request_is_recognised() {
        for (plain, method, headers, body) in [
            (GET.to_owned(), "GET", 3, ""),
            (GET.replace("GET", "DELETE"), "DELETE", 3, ""),
            (GET.replace("GET", "POST"), "POST", 3, ""),
            (post_with("Content-Length: 4") + "body", "POST", 4, "body"),
            (post_with("Content-Length: 0"), "POST", 4, ""),
            (
                post_with("content-length: 0002").replace("POST", "PUT") + "\r\n",
                "PUT",
                4,
                "\r\n",
            ),
            (
                post_with("Content-Length: 4").replace("POST", "PATCH") + "\n\0\r ",
                "PATCH",
                4,
                "\n\0\r ",
            ),
        ] {
            let expected = (method.to_owned(), headers, body.to_owned());
            assert_eq!(request(&plain), Some(expected), "{plain:?}");
        }
    }

    #[test]
    fn an_odd_request_is_left_to_the_proxy() {
        for odd in [
            POLL.to_owned(),
            GET.replace("GET", "HEAD"),
            GET.replace("GET", "OPTIONS"),
            GET.replace("GET", "get"),
            GET.replace("GET /", "GET http://shop/"),
            GET.replace("GET /products?a=b", "GET *"),
            GET.replace("HTTP/1.1", "HTTP/1.0"),
            GET.replace("Host", "Upgrade: websocket\r\nHost"),
            GET.replace("Host", "Content-Length: 0\r\nHost"),
            GET.replace("Host", "Connection: close\r\nHost"),
            GET.replace("Host", "Expect: 100-continue\r\nHost"),
            GET.replace("Host", "TE: trailers\r\nHost"),
            GET.replace("Host: shop\r\n", "Host: shop\n"),
            GET.replace("\r\n\r\n", "\n\n"),
            format!("\r\n{GET}"),
            GET.to_owned() + "x",
            GET.to_owned() + GET,
            GET.replace("GET", "POST") + "body",
            post_with("Content-Length: 4"),
            post_with("Content-Length: 4") + "bod",
            post_with("Content-Length: 4") + "body?",
            post_with("Content-Length: 4") + "body" + GET,
            post_with("Content-Length: 4\r\nContent-Length: 4") + "body",
            post_with("Content-Length: +4") + "body",
            post_with("Content-Length: 4, 4") + "body",
            post_with("Content-Length: 0x4") + "body",
            post_with("Content-Length:"),
            post_with("Content-Length: 00000000000000000004") + "body",
            post_with("Transfer-Encoding: chunked") + "0\r\n\r\n",
            post_with("Content-Length: 4\r\nTransfer-Encoding: chunked") + "body",
        ] {
            assert_eq!(request(&odd), None, "{odd:?}");
        }
        for end in 0..GET.len() {
            assert_eq!(request(&GET[..end]), None, "the first {end} bytes");
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
