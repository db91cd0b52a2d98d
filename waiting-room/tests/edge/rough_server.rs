//! A server of an origin that does what a test says, down to the byte, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use testbed::free_address;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// How it answers everything but `/health`, which is well for as long as the server is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Well,
    /// This status.
    Status(u16),
    /// These bytes, whatever they are, and the end of the connection.
    Raw(&'static str),
    /// A head that does not end for a long while.
    HugeHead,
    /// Nothing, for as long as the connection is there.
    Silent,
    /// The end of the connection.
    HangsUp,
    /// Well, and the end of the connection instead of an answer when it is used again.
    WellOnce,
    /// A part of the answer, and then nothing but a byte now and then, whenever the test says so.
    Drips,
    /// Well, once the test says so.
    Held,
    /// Well, with a body of [`RoughServer::LONG`] bytes.
    Long,
    /// Whatever comes is sent back, as by a WebSocket.
    Upgrades,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    pub method: String,
    pub path: String,
    pub head: String,
}

#[derive(Clone)]
pub struct RoughServer {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manner: Mutex<Manner>,
    came: Mutex<Vec<Came>>,
    /// How often a test has said so.
    said_go_on: watch::Sender<u32>,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl RoughServer {
    pub const LONG: usize = 8 * 1024 * 1024;

    pub async fn up() -> Self {
        Self::up_at(free_address()).await
    }

    pub async fn up_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(State {
                manner: Mutex::new(Manner::Well),
                came: Mutex::default(),
                said_go_on: watch::Sender::new(0),
                running: Mutex::default(),
            }),
        };
        server.run(listener);
        server
    }

    pub fn behaves(&self, manner: Manner) {
        *self.state.manner.lock().unwrap() = manner;
    }

    /// Nobody listens any more, and every connection ends.
    pub async fn goes_down(&self) {
        let running = self.state.running.lock().unwrap().take();
        if let Some(running) = running {
            running.abort();
            let _ = running.await;
        }
    }

    pub async fn comes_up(&self) {
        self.run(TcpListener::bind(self.address).await.unwrap());
    }

    /// Answers that are held may go.
    pub fn goes_on(&self) {
        self.state.said_go_on.send_modify(|times| *times += 1);
    }

    /// Everything that came but checks.
    pub fn came(&self) -> Vec<Came> {
        self.state.came.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str) -> usize {
        self.came().iter().filter(|came| came.method == method).count()
    }

    /// The gate has let nobody through without a pass.
    pub fn was_asked_by_nobody_without_pass(&self) {
        for came in self.came() {
            assert!(came.head.contains("waiting-room-pass: "), "{came:?}");
        }
    }

    fn run(&self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        let running = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                connections.spawn(async move { state.serve(stream).await });
            }
        });
        *self.state.running.lock().unwrap() = Some(running);
    }
}

impl State {
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut is_first = true;
        loop {
            let came = read_request(&mut stream).await?;
            if came.path == "/health" {
                stream.write_all(&well("well")).await.ok()?;
                continue;
            }
            self.came.lock().unwrap().push(came);
            let manner = *self.manner.lock().unwrap();
            self.answer(&mut stream, manner, is_first).await?;
            is_first = false;
        }
    }

    /// Nothing when the connection is to end.
    async fn answer(&self, stream: &mut TcpStream, manner: Manner, is_first: bool) -> Option<()> {
        match manner {
            Manner::WellOnce if !is_first => None,
            Manner::Well | Manner::WellOnce => stream.write_all(&well("the shop")).await.ok(),
            Manner::Status(status) => {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nodd!");
                stream.write_all(answer.as_bytes()).await.ok()
            }
            Manner::Raw(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok()?;
                None
            }
            Manner::HugeHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok()?;
                for _ in 0..64 {
                    let line = format!("X-Filler: {}\r\n", "x".repeat(64 * 1024));
                    stream.write_all(line.as_bytes()).await.ok()?;
                }
                None
            }
            Manner::Silent => std::future::pending().await,
            Manner::HangsUp => None,
            Manner::Drips => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    .await
                    .ok()?;
                let mut said = self.said_go_on.subscribe();
                loop {
                    said.changed().await.ok()?;
                    stream.write_all(b"x").await.ok()?;
                }
            }
            Manner::Held => {
                let mut said = self.said_go_on.subscribe();
                said.wait_for(|times| *times > 0).await.ok()?;
                stream.write_all(&well("at last")).await.ok()
            }
            Manner::Long => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", RoughServer::LONG);
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&vec![b'x'; RoughServer::LONG]).await.ok()
            }
            Manner::Upgrades => {
                // Pingora takes a 101 that is there before it has noted the end of the request for the end of both.
                // Servers behind a network need longer than that; this one, on a busy machine, does not.
                tokio::time::sleep(Duration::from_millis(50)).await;
                let answer =
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(answer).await.ok()?;
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.ok()?;
                None
            }
        }
    }
}

fn well(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

async fn read_request(stream: &mut TcpStream) -> Option<Came> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or("0", |rest| rest.split("\r\n").next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    let mut line = head.split(' ');
    Some(Came {
        method: line.next()?.to_ascii_uppercase(),
        path: line.next()?.to_owned(),
        head,
    })
}
