//! The head of an HTTP/1.1 request, read strictly: two programs that read these bytes cannot disagree about where the
//! request ends, what it is for, or whether it is one.
//!
//! RFC 9112 lets a server forgive much (a bare line feed, a folded line, two lengths that agree). Whoever stands
//! between a visitor and an origin cannot afford that: what one of them forgives and the other does not is a request
//! that nobody checked. So nothing is forgiven here.

use memchr::memchr;

/// What a head may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes, from the method to the empty line.
    pub bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Lines after the first.
    pub headers: usize,
}

/// What the bytes read so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadRead {
    /// A head so far; more is to come.
    Partial,
    /// A whole head of this many bytes. What follows is its body, or nothing.
    Whole(usize),
    /// Nothing that may go on.
    Refused(HeadFault),
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// It can be read in two ways, or in none; what is wrong.
    Malformed(&'static str),
    /// The target is too long.
    TargetTooLong,
    /// The head is too long, or has too many lines.
    TooLarge,
    /// A method that is for proxies, or echoes what was sent.
    Method,
    /// Not HTTP/1.0 or HTTP/1.1.
    Version,
}

use HeadFault::Malformed;

/// Reads a request's head from the first byte of what came.
pub fn read_head(bytes: &[u8], limits: &HeadLimits) -> HeadRead {
    match lines(bytes, limits) {
        Ok(None) => HeadRead::Partial,
        Ok(Some(length)) => HeadRead::Whole(length),
        Err(fault) => HeadRead::Refused(fault),
    }
}

/// What is longer than this is no method.
const METHOD_MAX: usize = 32;

/// What the headers have said so far of where the request goes and how long it is.
#[derive(Default)]
struct Framing<'a> {
    host: Option<&'a [u8]>,
    length: bool,
    chunked: bool,
}

#[derive(Clone, Copy)]
struct RequestLine<'a> {
    target: &'a [u8],
    is_old: bool,
}

/// The length of the head, once the empty line is there. Reads from the start each time: a head is a few packets.
fn lines(bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
    let mut request = None;
    let mut framing = Framing::default();
    let (mut at, mut headers) = (0, 0);
    while let Some(length) = memchr(b'\n', &bytes[at..]) {
        let end = at + length;
        if end >= limits.bytes {
            return Err(HeadFault::TooLarge);
        }
        let line = bytes[at..end]
            .strip_suffix(b"\r")
            .ok_or(Malformed("a line ends without a carriage return"))?;
        at = end + 1;
        match request {
            None => request = Some(request_line(line, limits)?),
            Some(request) if line.is_empty() => return whole(request, &framing).map(|()| Some(at)),
            Some(_) => {
                headers += 1;
                if headers > limits.headers {
                    return Err(HeadFault::TooLarge);
                }
                header(line, &mut framing)?;
            }
        }
    }
    if bytes.len() >= limits.bytes {
        return Err(HeadFault::TooLarge);
    }
    unfinished(&bytes[at..], request.is_none(), limits).map(|()| None)
}

/// What can be said of a line that has not ended: enough not to wait for the rest of nonsense.
fn unfinished(line: &[u8], is_first: bool, limits: &HeadLimits) -> Result<(), HeadFault> {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    if !are_text(text) {
        return Err(Malformed("there is a control character in it"));
    }
    if is_first {
        let target = text.iter().skip_while(|byte| **byte != b' ').count();
        if target == 0 && text.len() > METHOD_MAX {
            return Err(Malformed("it does not begin with a method"));
        }
        if target > limits.target_bytes + " HTTP/1.1".len() + 1 {
            return Err(HeadFault::TargetTooLong);
        }
    }
    Ok(())
}

fn request_line<'a>(line: &'a [u8], limits: &HeadLimits) -> Result<RequestLine<'a>, HeadFault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Malformed(
            "the first line is not a method, a target and a version",
        ));
    };
    if !is_token(method) || method.len() > METHOD_MAX {
        return Err(Malformed("it does not begin with a method"));
    }
    if target.len() > limits.target_bytes {
        return Err(HeadFault::TargetTooLong);
    }
    let is_old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ if version.starts_with(b"HTTP/") => return Err(HeadFault::Version),
        _ => {
            return Err(Malformed(
                "the first line is not a method, a target and a version",
            ));
        }
    };
    // A proxy's own methods, and the one that answers with the visitor's secrets.
    if [&b"CONNECT"[..], b"TRACE", b"TRACK"]
        .iter()
        .any(|other| method.eq_ignore_ascii_case(other))
    {
        return Err(HeadFault::Method);
    }
    let printable = target
        .iter()
        .all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'#');
    let asks_whole_server = target == b"*" && method == b"OPTIONS";
    if !printable || !(target.starts_with(b"/") || asks_whole_server || authority(target).is_some()) {
        return Err(Malformed("the target is not a path"));
    }
    Ok(RequestLine { target, is_old })
}

/// The host and port of a target that is a whole address.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = target.iter().position(|byte| *byte == b':')?;
    if ![&b"http"[..], b"https"]
        .iter()
        .any(|known| target[..scheme].eq_ignore_ascii_case(known))
    {
        return None;
    }
    let rest = target[scheme..].strip_prefix(b"://")?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    Some(&rest[..end])
}

fn header<'a>(line: &'a [u8], framing: &mut Framing<'a>) -> Result<(), HeadFault> {
    let colon = memchr(b':', line).ok_or(Malformed("a header has no colon"))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // A space before the colon, or at the beginning of the line, is no part of a name either.
    if !is_token(name) {
        return Err(Malformed("a header's name is none"));
    }
    if !are_text(value) {
        return Err(Malformed("there is a control character in it"));
    }
    // By length first: no other header says where the request goes or how long it is.
    if !matches!(name.len(), 4 | 14 | 17) {
        return Ok(());
    }
    let value = value.trim_ascii();
    if name.eq_ignore_ascii_case(b"host") {
        if framing.host.replace(value).is_some() {
            return Err(Malformed("it has more than one Host"));
        }
        if !is_host(value) {
            return Err(Malformed("Host is not a host"));
        }
    } else if name.eq_ignore_ascii_case(b"content-length") {
        // Nineteen digits always fit into 64 bits.
        let is_number = (1..20).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        if std::mem::replace(&mut framing.length, true) || !is_number {
            return Err(Malformed("Content-Length is not one number"));
        }
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        let is_chunked = value.eq_ignore_ascii_case(b"chunked");
        if std::mem::replace(&mut framing.chunked, true) || !is_chunked {
            return Err(Malformed("Transfer-Encoding is not chunked"));
        }
    }
    Ok(())
}

/// What holds of a head as a whole.
fn whole(request: RequestLine<'_>, framing: &Framing<'_>) -> Result<(), HeadFault> {
    if framing.length && framing.chunked {
        return Err(Malformed("it has both Content-Length and Transfer-Encoding"));
    }
    if framing.chunked && request.is_old {
        return Err(Malformed("HTTP/1.0 knows no Transfer-Encoding"));
    }
    if framing.host.is_none() && !request.is_old {
        return Err(Malformed("it has no Host"));
    }
    let elsewhere = authority(request.target)
        .is_some_and(|named| framing.host.is_none_or(|host| !host.eq_ignore_ascii_case(named)));
    if elsewhere {
        return Err(Malformed("the target and Host name different hosts"));
    }
    Ok(())
}

/// Host and port; whoever writes a user, a path or a list there wants to be read in two ways.
fn is_host(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte);
    !value.is_empty() && value.iter().all(is_part)
}

/// What a name is made of, looked up: every request has a dozen names.
static NAME_BYTES: [bool; 256] = name_bytes();

const fn name_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0u8;
    loop {
        let is_sign = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        table[byte as usize] = is_sign || byte.is_ascii_alphanumeric();
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| NAME_BYTES[usize::from(*byte)])
}

/// Text of a header: no control character but the tab. It looks at all of them, so that the compiler can look at many at
/// once: cookies and tokens are long.
fn are_text(bytes: &[u8]) -> bool {
    let is_text = |byte: u8| (byte == b'\t') | ((byte >= 0x20) & (byte != 0x7f));
    bytes.iter().fold(true, |all, byte| all & is_text(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 1_024,
        target_bytes: 100,
        headers: 5,
    };

    fn read(head: &str) -> HeadRead {
        read_head(head.as_bytes(), &LIMITS)
    }

    #[test]
    fn plain_heads_are_whole() {
        for head in [
            "GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: shop:80\r\n\r\n",
            "GET http://shop/a?b HTTP/1.1\r\nHost: Shop\r\n\r\n",
            "POST /a HTTP/1.1\r\nhost:[::1]:8080\r\nContent-Length: 12\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: Chunked\r\nX: a\tb\u{e9}\r\n\r\n",
        ] {
            assert_eq!(read(head), HeadRead::Whole(head.len()), "{head:?}");
            let with_body = format!("{head}body\n");
            assert_eq!(read(&with_body), HeadRead::Whole(head.len()), "{with_body:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for head in [
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "GET shop HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http:a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            let read = read(head);
            assert!(
                matches!(read, HeadRead::Refused(Malformed(_))),
                "{head:?}: {read:?}"
            );
        }
    }

    #[test]
    fn other_methods_and_versions_are_told_apart() {
        for (head, fault) in [
            ("CONNECT shop:443 HTTP/1.1\r\n", HeadFault::Method),
            ("TRACE / HTTP/1.1\r\n", HeadFault::Method),
            ("GET / HTTP/1.2\r\n", HeadFault::Version),
            ("GET / HTTP/2.0\r\n", HeadFault::Version),
            ("PRI * HTTP/2.0\r\n\r\n", HeadFault::Version),
        ] {
            assert_eq!(read(head), HeadRead::Refused(fault), "{head:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_ends() {
        let (path, long) = ("/".repeat(200), "a".repeat(1_100));
        for (head, fault) in [
            (format!("GET {path}"), HeadFault::TargetTooLong),
            (format!("GET {path} HTTP/1.1\r\n"), HeadFault::TargetTooLong),
            (format!("GET / HTTP/1.1\r\nHost: {long}"), HeadFault::TooLarge),
            (
                format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"),
                HeadFault::TooLarge,
            ),
            (
                format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: b\r\n".repeat(6)),
                HeadFault::TooLarge,
            ),
        ] {
            assert_eq!(read(&head), HeadRead::Refused(fault), "{head:?}");
        }
        let nonsense = "x".repeat(40);
        assert!(matches!(read(&nonsense), HeadRead::Refused(Malformed(_))));
        assert!(matches!(
            read("\u{16}\u{3}\u{1}"),
            HeadRead::Refused(Malformed(_))
        ));
    }

    proptest! {
        /// However a head is cut, what is said of a part is never contradicted by the whole.
        #[test]
        fn a_part_of_a_good_head_is_partial(name in "[A-Za-z-]{1,12}", value in "[ -~]{0,40}", at in 0_usize..60) {
            prop_assume!(!["host", "content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()));
            let head = format!("GET /a HTTP/1.1\r\nHost: shop\r\n{name}: {value}\r\n\r\n");
            let at = at.min(head.len() - 1);
            prop_assert_eq!(read(&head), HeadRead::Whole(head.len()));
            prop_assert_eq!(read(&head[..at]), HeadRead::Partial);
        }

        /// No bytes are read beyond their end or make it panic, and a whole head ends with an empty line.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let HeadRead::Whole(length) = read_head(&bytes, &LIMITS) {
                prop_assert!(bytes[..length].ends_with(b"\r\n\r\n"));
            }
        }
    }
}
