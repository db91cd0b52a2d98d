//! A plain request on its way to an origin.

use crate::{
    edge::{
        forwarding,
        front::Client,
        plain_head::{PlainRequest, header_space},
        to_origin,
    },
    gate::Passage,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header::HOST};
use ipnet::IpNet;
use pingora_core::Result;
use pingora_http::RequestHeader;
use waiting_room_domain::{HeadLimits, HeadRead, read_head};

/// What is said of a connection, and not of what it carries.
const OF_CONNECTIONS: [&str; 3] = ["connection", "keep-alive", "proxy-connection"];
/// What origins are told beside what visitors say.
const HEADERS_TOLD: usize = 12;
const BYTES_TOLD: usize = 1_024;

/// A plain request, whole.
pub(super) struct Request {
    pub(super) head: RequestHeader,
    pub(super) body: Bytes,
}

impl Request {
    /// The plain request that `bytes` are, if they are one and keep to the limits.
    pub(super) fn read(bytes: &[u8], limits: &HeadLimits) -> Option<Self> {
        // One copy, which all values share.
        let bytes = Bytes::copy_from_slice(bytes);
        let mut space = header_space();
        let plain = PlainRequest::read(&bytes, &mut space)?;
        if read_head(&bytes, limits) != HeadRead::Whole(bytes.len() - plain.body.len()) {
            return None;
        }
        let size = Some(plain.headers.len() + HEADERS_TOLD);
        let mut head = RequestHeader::build_no_case(plain.method, plain.target.as_bytes(), size).ok()?;
        let carried = plain
            .headers
            .iter()
            .filter(|header| !is_of_connections(header.name));
        for header in carried {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value)).ok()?;
            head.append_header(name, value).ok()?;
        }
        let body = bytes.slice_ref(plain.body);
        Some(Self { head, body })
    }

    /// The same, saying what the edge says of whom it is from, and nothing that they said in its name.
    ///
    /// # Errors
    /// When that cannot stand in a header.
    pub(super) fn told(mut self, passage: &Passage, client: Client, trusted: &[IpNet]) -> Result<Self> {
        to_origin::tell(&mut self.head, passage)?;
        forwarding::tell(&mut self.head, client.peer, client.is_secure, trusted)?;
        Ok(self)
    }

    /// The same, for this host instead of the visitor's, and with the secret of the edge.
    ///
    /// # Errors
    /// When either cannot stand in a header.
    pub(super) fn addressed(mut self, host: Option<&str>, secret: Option<&HeaderValue>) -> Result<Self> {
        to_origin::vouch(&mut self.head, secret)?;
        if let Some(host) = host {
            self.head.insert_header(HOST, host)?;
        }
        Ok(self)
    }

    /// As it is sent.
    pub(super) fn write(&self) -> Vec<u8> {
        let values = self.head.headers.iter();
        let length: usize = values
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        let mut bytes = Vec::with_capacity(length + self.body.len() + BYTES_TOLD);
        let method = self.head.method.as_str().as_bytes();
        for part in [method, b" ", self.head.raw_path(), b" HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part);
        }
        for (name, value) in &self.head.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Whether a header is not the origin's to know.
pub(super) fn is_of_connections(name: &str) -> bool {
    OF_CONNECTIONS
        .iter()
        .any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 1_024,
        target_bytes: 64,
        headers: 8,
    };

    fn request(headers: &str, body: &str) -> Option<Request> {
        let text = format!("POST /orders?x=%20 HTTP/1.1\r\nHost: shop\r\n{headers}\r\n{body}");
        Request::read(text.as_bytes(), &LIMITS)
    }

    #[test]
    fn what_is_read_is_what_is_sent() {
        let headers = "Content-Length: 4\r\nCookie: a=1\r\ncookie: b=2\r\nX: \u{fc}\r\n";
        let kept_open =
            format!("Connection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n{headers}");
        for sent in [headers, &kept_open] {
            let written = request(sent, "a\n\r\n").unwrap().write();
            let expected = "POST /orders?x=%20 HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\
                            cookie: a=1\r\ncookie: b=2\r\nx: \u{fc}\r\n\r\na\n\r\n";
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_too_long_is_the_proxys_to_refuse() {
        assert!(request("", "").is_some());
        let long = format!("X: {}\r\n", "x".repeat(1_000));
        assert!(request(&long, "").is_none());
        assert!(request(&"X: y\r\n".repeat(8), "").is_none());
    }

    #[test]
    fn another_host_takes_the_place_of_the_visitors() {
        let secret = HeaderValue::from_static("secret");
        let request = request("", "")
            .unwrap()
            .addressed(Some("inside"), Some(&secret))
            .unwrap();
        let written = String::from_utf8(request.write()).unwrap();
        assert!(
            written.contains("\r\nhost: inside\r\n") && !written.contains("shop"),
            "{written}"
        );
        assert!(
            written.contains("\r\nwaiting-room-edge-secret: secret\r\n"),
            "{written}"
        );
    }
}
