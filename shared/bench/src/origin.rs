//! An origin in this process: it answers 200 to everything, and costs next to nothing.

use anyhow::Context;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nwelcome";
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// A running origin; it ends with this value.
pub struct Origin {
    _server: JoinSet<()>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Origin {
    /// Starts one. It is asked by `GET` only: whatever follows a head is the next one.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("open the origin")?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener));
        Ok(Self {
            _server: server,
            address,
        })
    }
}

async fn serve(listener: TcpListener) {
    let mut visits = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        visits.spawn(answer(stream));
        // Those that are over are let go of.
        while visits.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Ok(read) = stream.read_buf(&mut head).await {
        if read == 0 || head.len() > HEAD_MAX_BYTES {
            return;
        }
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, request};

    #[tokio::test]
    async fn it_answers_one_request_after_the_other() {
        let origin = Origin::start().await.unwrap();
        let mut connection = Connection::open(origin.address).await.unwrap();
        for path in ["/", "/other"] {
            let asked = request("GET", origin.address, path, &[], "");
            let answer = connection.exchange(&asked).await.unwrap();
            assert_eq!((answer.status, answer.body), (200, &b"welcome"[..]));
        }
    }
}
