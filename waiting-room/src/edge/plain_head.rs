//! Recognises the requests that come by the ten thousand: a waiting shopper's poll, a join, and the wish to be told by
//! events, plain and complete.
//!
//! Only what every HTTP implementation reads in the same way is recognised. Whatever is odd in the least (a body, a
//! second request behind the first, another version, a bare line feed, an upgrade …) is nothing for this path: the
//! proxy gets it, byte for byte.

use crate::entrance::Head;
use httparse::{EMPTY_HEADER, Header, Request, Status};

/// A browser sends about twenty.
const HEADERS_MAX: usize = 48;
const PREFIX: &str = "/.waiting-room/";

/// Headers that change what a request is, or how long it is. `Connection: keep-alive` says nothing new and is allowed,
/// and so does the one `Content-Length: 0` of a join.
const NOT_PLAIN: [&str; 6] = [
    "transfer-encoding",
    "upgrade",
    "expect",
    "te",
    "trailer",
    "http2-settings",
];

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
    headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> PlainHead<'a> {
    /// The plain request that `bytes` are, if they are one from the first byte to the last.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        // Cheap and first: most other requests end here.
        let asks = match bytes {
            [b'G', b'E', b'T', b' ', rest @ ..] | [b'P', b'O', b'S', b'T', b' ', rest @ ..] => rest,
            _ => return None,
        };
        if !asks.starts_with(PREFIX.as_bytes()) {
            return None;
        }
        if !bytes.ends_with(b"\r\n\r\n") || has_bare_line_feed(bytes) {
            return None;
        }
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut headers);
        if request.parse(bytes).ok()? != Status::Complete(bytes.len()) || request.version != Some(1) {
            return None;
        }
        let (method, path) = (request.method?, request.path?.strip_prefix(PREFIX)?);
        let action = Action::ALL
            .into_iter()
            .find(|action| action.method() == method && path.ends_with(action.suffix()))?;
        let room = path.strip_suffix(action.suffix())?;
        let is_id = room
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let headers: &[Header<'a>] = request.headers;
        let count = |name: &str| {
            headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name))
                .count()
        };
        let lengths_allowed = usize::from(action == Action::Join);
        let unambiguous = count("host") == 1 && count("content-length") <= lengths_allowed;
        if !is_id || !unambiguous || !headers.iter().all(is_plain) {
            return None;
        }
        Some(Self {
            action,
            room,
            headers: headers.iter().map(|header| (header.name, header.value)).collect(),
        })
    }
}

impl Head for PlainHead<'_> {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

fn is_plain(header: &Header<'_>) -> bool {
    if header.name.eq_ignore_ascii_case("connection") {
        return header.value.eq_ignore_ascii_case(b"keep-alive");
    }
    if header.name.eq_ignore_ascii_case("content-length") {
        return header.value == b"0";
    }
    !NOT_PLAIN
        .iter()
        .any(|name| header.name.eq_ignore_ascii_case(name))
}

fn has_bare_line_feed(bytes: &[u8]) -> bool {
    let mut before = 0;
    bytes.iter().any(|byte| {
        let bare = *byte == b'\n' && before != b'\r';
        before = *byte;
        bare
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: &str =
        "GET /.waiting-room/demo/status HTTP/1.1\r\nHost: shop\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n";

    #[test]
    fn a_plain_poll_is_recognised() {
        let poll = PlainHead::read(POLL.as_bytes()).unwrap();
        assert_eq!((poll.action, poll.room), (Action::Poll, "demo"));
        assert_eq!(poll.values("cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        let kept = POLL.replace("Host", "Connection: Keep-Alive\r\nHost");
        assert!(PlainHead::read(kept.as_bytes()).is_some());
    }

    #[test]
    fn a_plain_wish_to_listen_is_recognised() {
        let listen = POLL.replace("/status", "/events");
        assert_eq!(PlainHead::read(listen.as_bytes()).unwrap().action, Action::Listen);
        assert_eq!(PlainHead::read(listen.replace("GET", "POST").as_bytes()), None);
    }

    #[test]
    fn a_plain_join_is_recognised() {
        let join = POLL.replace("GET", "POST").replace("/status", "/join");
        let with = |header: &str| join.replace("Host: shop", &format!("Host: shop\r\n{header}"));
        for plain in [join.clone(), with("Content-Length: 0")] {
            assert_eq!(PlainHead::read(plain.as_bytes()).unwrap().action, Action::Join);
        }
        for odd in [
            join.replace("POST", "GET"),
            join.replace("POST", "PUT"),
            with("Content-Length: 00"),
            with("Content-Length: 0\r\nContent-Length: 0"),
            with("Content-Length: 1") + "x",
            with("Transfer-Encoding: chunked"),
        ] {
            assert_eq!(PlainHead::read(odd.as_bytes()), None, "{odd:?}");
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
            assert_eq!(PlainHead::read(request.as_bytes()), None, "{request:?}");
        }
    }

    #[test]
    fn a_part_of_a_poll_is_none() {
        for end in 0..POLL.len() {
            assert_eq!(
                PlainHead::read(&POLL.as_bytes()[..end]),
                None,
                "the first {end} bytes"
            );
        }
    }
}
