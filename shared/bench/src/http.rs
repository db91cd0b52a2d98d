//! A lean HTTP/1.1 client for loopback: the load generator shares the processor with what it loads.

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;
use std::{fmt::Write, io::ErrorKind, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HEADERS_MAX: usize = 64;
const BUFFER_BYTES: usize = 16 * 1024;

/// One connection that is kept open.
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// Whether it says that the body is a problem document.
    pub is_problem: bool,
    /// Whether it says when to ask again.
    pub has_retry_after: bool,
}

struct Head {
    status: u16,
    length: usize,
    body: Body,
    is_problem: bool,
    has_retry_after: bool,
}

enum Body {
    Bytes(usize),
    None,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        })
    }

    /// On a stream that was opened elsewhere, with no more memory than its answers take.
    pub fn over(stream: TcpStream) -> anyhow::Result<Self> {
        Ok(Self {
            address: stream.peer_addr()?,
            stream,
            buffer: Vec::new(),
        })
    }

    /// Whether the other side has not closed it. It is for nothing else afterwards.
    pub fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0; 1]);
        read.map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |read| read > 0)
    }

    /// Sends one request (see [`request`]) and reads its answer. A server may have closed a connection that was idle for
    /// a while: then it is sent once more on a new one. All that is asked here may be asked twice.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        if self.ask(request).await.is_err() && self.buffer.is_empty() {
            *self = Self::open(self.address).await?;
            self.ask(request).await?;
        }
        self.answer().await
    }

    /// Sends a request and waits for the first bytes of the answer.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.buffer.clear();
        self.stream.write_all(request).await.context("send a request")?;
        self.read().await
    }

    async fn answer(&mut self) -> anyhow::Result<Answer<'_>> {
        let head = loop {
            if let Some(head) = parse(&self.buffer)? {
                break head;
            }
            self.read().await?;
        };
        let end = match head.body {
            Body::Bytes(length) => head.length + length,
            Body::None => head.length,
        };
        while self.buffer.len() < end {
            self.read().await?;
        }
        ensure!(self.buffer.len() == end, "more bytes than the answer has");
        Ok(Answer {
            status: head.status,
            body: &self.buffer[head.length..],
            is_problem: head.is_problem,
            has_retry_after: head.has_retry_after,
        })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let read = self
            .stream
            .read_buf(&mut self.buffer)
            .await
            .context("read an answer")?;
        ensure!(read > 0, "the connection was closed before the answer was whole");
        Ok(())
    }
}

impl<'a> Answer<'a> {
    /// What is left of an answer when its connection is gone.
    pub fn of(status: u16, body: &'a [u8]) -> Self {
        Self {
            status,
            body,
            is_problem: false,
            has_retry_after: false,
        }
    }

    /// The body, when the status is one of these.
    pub fn json<T: DeserializeOwned>(&self, statuses: &[u16]) -> anyhow::Result<T> {
        ensure!(
            statuses.contains(&self.status),
            "answered {} {}",
            self.status,
            self.text()
        );
        serde_json::from_slice(self.body).with_context(|| format!("read {}", self.text()))
    }

    /// The body for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body).into_owned()
    }
}

/// The bytes of a request on a connection that stays open.
pub fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n");
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    if method != "GET" {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

fn parse(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes).context("read the head of an answer")?
    else {
        return Ok(None);
    };
    let status = response.code.context("an answer without a status")?;
    let declared = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body = match declared {
        Some(header) => Body::Bytes(
            std::str::from_utf8(header.value)?
                .trim()
                .parse()
                .context("read Content-Length")?,
        ),
        None if matches!(status, 204 | 304) => Body::None,
        None => bail!("an answer {status} without Content-Length"),
    };
    let header = |name: &str| {
        let found = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    };
    Ok(Some(Head {
        status,
        length,
        body,
        is_problem: header("content-type").is_some_and(|kind| kind.starts_with(b"application/problem+json")),
        has_retry_after: header("retry-after").is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        assert!(parse(&whole[..20]).unwrap().is_none());
        let head = parse(whole).unwrap().unwrap();
        assert_eq!((head.status, &whole[head.length..]), (201, &b"{}"[..]));
        assert!(matches!(head.body, Body::Bytes(2)));
        assert!(
            parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err(),
            "a body without an end"
        );
        assert!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().is_some());
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let address = "127.0.0.1:80".parse().unwrap();
        let text = String::from_utf8(request("POST", address, "/a", &[("X", "y")], "{}")).unwrap();
        assert!(text.starts_with("POST /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"));
        assert!(text.ends_with("X: y\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"));
    }
}
