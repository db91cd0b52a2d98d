//! Very many connections that are kept: each costs this side as little as can be, and comes from one of many addresses
//! of loopback, since one address has too few ports for all.

use crate::http::Connection;
use anyhow::{Context, ensure};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

/// As many come from one address as a household has.
const FROM_AN_ADDRESS: usize = 50;
const ADDRESSES_A_NET: usize = 250;
/// Connections that are opened at the same time.
const AT_ONCE: usize = 64;
/// How long the answer to the first request may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// The longest event, with the head of the answer.
const EVENT_MAX_BYTES: usize = 16 * 1024;

/// Connections that have asked once and are idle.
pub struct Held(Vec<Connection>);

/// Somebody who listens to events.
pub struct Listener {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Held {
    /// Opens a connection for each of these requests, and waits for its answer.
    pub async fn open(to: SocketAddr, requests: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        let opened = all(0, requests, move |from, request| asked(from, to, request));
        Ok(Self(opened.await?))
    }

    /// How many the other side has not closed.
    pub fn open_ones(&self) -> usize {
        self.0.iter().filter(|connection| connection.is_open()).count()
    }
}

/// Lets somebody listen for each of these requests; all have been told once. `first` is how many came before, elsewhere.
pub async fn listeners(
    to: SocketAddr,
    first: usize,
    requests: Vec<Vec<u8>>,
) -> anyhow::Result<Vec<Listener>> {
    let listen = move |from, request| listener(from, to, request);
    all(first, requests, listen).await
}

impl Listener {
    /// What comes next.
    pub async fn event(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\n\n") {
                let rest = self.read.split_off(end + 2);
                let event = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(event).context("an event that is no text");
            }
            ensure!(self.read.len() < EVENT_MAX_BYTES, "an event without an end");
            let read = self.stream.read_buf(&mut self.read).await?;
            ensure!(read > 0, "a stream of events has ended");
        }
    }

    /// Whether the other side has not closed it. Nothing can be heard of it any more afterwards.
    pub fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0; 1]);
        read.map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |read| read > 0)
    }
}

async fn asked(from: Ipv4Addr, to: SocketAddr, request: Vec<u8>) -> anyhow::Result<Connection> {
    let mut connection = Connection::over(connect(from, to).await?)?;
    let answer = connection.exchange(&request).await?;
    ensure!(
        answer.status == 200,
        "answered {} {}",
        answer.status,
        answer.text()
    );
    Ok(connection)
}

async fn listener(from: Ipv4Addr, to: SocketAddr, request: Vec<u8>) -> anyhow::Result<Listener> {
    let mut listener = Listener {
        stream: connect(from, to).await?,
        read: Vec::new(),
    };
    listener.stream.write_all(&request).await?;
    let told = listener.event().await?;
    ensure!(
        told.starts_with("HTTP/1.1 200") && told.contains("event: place"),
        "a listener was told {told}"
    );
    Ok(listener)
}

async fn all<T: Send + 'static, F>(
    first: usize,
    requests: Vec<Vec<u8>>,
    open: impl Fn(Ipv4Addr, Vec<u8>) -> F,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for (index, request) in requests.into_iter().enumerate() {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let opened = open(address(first + index), request);
        opening.spawn(async move {
            let opened = timeout(ANSWERED_WITHIN, opened).await;
            drop(permit);
            opened.context("no answer")?
        });
    }
    let mut all = Vec::with_capacity(opening.len());
    while let Some(opened) = opening.join_next().await {
        all.push(opened??);
    }
    Ok(all)
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket
        .connect(to)
        .await
        .with_context(|| format!("connect from {from}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where the so manieth comes from.
fn address(index: usize) -> Ipv4Addr {
    let household = index / FROM_AN_ADDRESS;
    // Beyond the first net, which others use.
    let (net, host) = (1 + household / ADDRESSES_A_NET, 1 + household % ADDRESSES_A_NET);
    let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 0, byte(net), byte(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn nobody_comes_from_an_address_with_too_many() {
        let mut from = HashMap::new();
        (0..60_000).for_each(|index| *from.entry(address(index)).or_insert(0) += 1);
        assert!(from.values().all(|count| *count <= FROM_AN_ADDRESS));
        assert!(from.keys().all(|address| address.is_loopback()));
    }
}
