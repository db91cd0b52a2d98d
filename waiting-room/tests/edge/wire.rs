//! Bytes to the edge, bytes at the origin: what HTTP libraries would never send, and what really arrived.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::harness::SOON;

/// An origin that writes down every request it reads, and answers each with `ok`.
pub struct Recorder {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let recorded = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, Arc::clone(&recorded)));
            }
        });
        Self { address, requests }
    }

    /// What came since the last look, head and body in one text each; without what asks how it is.
    pub fn take(&self) -> Vec<String> {
        let mut requests = self.requests.lock().unwrap();
        let taken = std::mem::take(&mut *requests);
        taken
            .into_iter()
            .filter(|request| !request.starts_with("GET / "))
            .collect()
    }
}

async fn record(mut stream: TcpStream, requests: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let head = more(&mut stream, &mut read, |read| position(read, b"\r\n\r\n")).await? + 4;
        let text = String::from_utf8_lossy(&read[..head]).into_owned();
        let lower = text.to_ascii_lowercase();
        // As soon as the head is there: a body that never ends well has reached the origin all the same.
        let index = {
            let mut requests = requests.lock().unwrap();
            requests.push(text);
            requests.len() - 1
        };
        let end = if lower.contains("\r\ntransfer-encoding:") {
            more(&mut stream, &mut read, |read| {
                position(&read[head - 2..], b"\r\n0\r\n\r\n")
            })
            .await?
                + head
                + 5
        } else {
            let length = lower
                .split("\r\ncontent-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            more(&mut stream, &mut read, |read| {
                (read.len() >= head + length).then_some(0)
            })
            .await?;
            head + length
        };
        let body = String::from_utf8_lossy(&read[head..end]).into_owned();
        if let Some(request) = requests.lock().unwrap().get_mut(index) {
            request.push_str(&body);
        }
        read.drain(..end);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await
            .ok()?;
    }
}

async fn more(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
    found: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(at) = found(read) {
            return Some(at);
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// A connection on which anything may be said.
pub struct Wire(pub TcpStream);

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// A write to a connection that has ended may fail; what counts is what is answered.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next answer: its status, head and body. Nothing when the connection ends.
    pub async fn answer(&mut self) -> Option<(u16, String, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(SOON, self.0.read_u8())
                .await
                .expect("an answer or an end");
            head.push(byte.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.contains("transfer-encoding: chunked") {
            self.chunks().await?
        } else {
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or("0", |rest| rest.split("\r\n").next().unwrap());
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).await.ok()?;
            String::from_utf8(body).unwrap()
        };
        Some((status, head, body))
    }

    async fn chunks(&mut self) -> Option<String> {
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(self.0.read_u8().await.ok()?);
        }
        Some(String::from_utf8(body).unwrap())
    }

    /// Every answer until the connection ends.
    pub async fn answers(&mut self) -> Vec<u16> {
        let mut statuses = Vec::new();
        while let Some((status, _, _)) = self.answer().await {
            statuses.push(status);
        }
        statuses
    }
}
