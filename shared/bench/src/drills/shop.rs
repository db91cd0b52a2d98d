//! The origin of a drill: it knows who reached it, and can be unwell in several ways.

use anyhow::Context;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Where intruders try to go. Nobody else asks for it.
pub const FORBIDDEN: &str = "/forbidden";
/// Where shoppers go.
pub const PAGE: &str = "/shop";
/// Where edges ask whether it is well.
pub const HEALTH: &str = "/health";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nwelcome";
const GARBAGE: &[u8] = b"\x16\x03\x01 no HTTP \xff\x00\r\n\r\nHTTP/9.9 what\r\nContent-Length: -5\r\n\r\n";
const SLOW: Duration = Duration::from_secs(2);
const HEAD_MAX_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    Well,
    /// Nobody listens.
    Down,
    /// It answers late.
    Slow,
    /// It answers what is no HTTP.
    Garbage,
}

/// A running origin; it ends with this value.
pub struct Shop {
    _server: JoinSet<()>,
    /// Where it listens.
    pub address: SocketAddr,
    mood: watch::Sender<Mood>,
    reached: Arc<Reached>,
}

/// Requests that came through.
#[derive(Default)]
struct Reached {
    guests: AtomicU64,
    intruders: AtomicU64,
}

impl Shop {
    /// Opens it.
    pub async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("open the shop")?;
        let address = listener.local_addr()?;
        let (mood, watched) = watch::channel(Mood::Well);
        let reached = Arc::new(Reached::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, address, watched, Arc::clone(&reached)));
        Ok(Self {
            _server: server,
            address,
            mood,
            reached,
        })
    }

    /// Changes how it is.
    pub fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Who came with a session, and who should not have come.
    pub fn reached(&self) -> (u64, u64) {
        (
            self.reached.guests.load(Relaxed),
            self.reached.intruders.load(Relaxed),
        )
    }
}

async fn serve(
    first: TcpListener,
    address: SocketAddr,
    mut mood: watch::Receiver<Mood>,
    reached: Arc<Reached>,
) {
    let mut listener = Some(first);
    let mut visits = JoinSet::new();
    loop {
        let now = *mood.borrow_and_update();
        if now == Mood::Down {
            listener = None;
            visits.abort_all();
        } else if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        tokio::select! {
            _ = mood.changed() => {}
            stream = accept(listener.as_ref()) => if let Some(stream) = stream {
                visits.spawn(answer(stream, mood.clone(), Arc::clone(&reached)));
            },
        }
        // Those that are over are let go of.
        while visits.try_join_next().is_some() {}
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.ok().map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn answer(mut stream: TcpStream, mood: watch::Receiver<Mood>, reached: Arc<Reached>) {
    let mut head = Vec::new();
    while let Ok(read) = stream.read_buf(&mut head).await {
        if read == 0 || head.len() > HEAD_MAX_BYTES {
            return;
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        reached.by(&head);
        head.clear();
        let now = *mood.borrow();
        if now == Mood::Slow {
            tokio::time::sleep(SLOW).await;
        }
        let said = if now == Mood::Garbage { GARBAGE } else { ANSWER };
        if stream.write_all(said).await.is_err() || now == Mood::Garbage {
            return;
        }
    }
}

impl Reached {
    fn by(&self, head: &[u8]) {
        match visitor(head) {
            Some(Visitor::Edge) => {}
            Some(Visitor::Guest) => {
                self.guests.fetch_add(1, Relaxed);
            }
            Some(Visitor::Intruder) | None => {
                self.intruders.fetch_add(1, Relaxed);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Visitor {
    /// It asks how the shop is.
    Edge,
    /// Somebody whom the edge vouches for.
    Guest,
    /// Somebody whom nobody should have let through.
    Intruder,
}

fn visitor(head: &[u8]) -> Option<Visitor> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok()?;
    let path = request.path?;
    if path == HEALTH {
        return Some(Visitor::Edge);
    }
    let has_session = request
        .headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("Waiting-Room-Session") && !header.value.is_empty());
    Some(if has_session && !path.starts_with(FORBIDDEN) {
        Visitor::Guest
    } else {
        Visitor::Intruder
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, request};

    #[test]
    fn who_is_who() {
        let table = [
            ("GET /health HTTP/1.1\r\n\r\n", Some(Visitor::Edge)),
            (
                "GET /shop HTTP/1.1\r\nwaiting-room-session: a\r\n\r\n",
                Some(Visitor::Guest),
            ),
            ("GET /shop HTTP/1.1\r\n\r\n", Some(Visitor::Intruder)),
            (
                "GET /forbidden/1 HTTP/1.1\r\nWaiting-Room-Session: a\r\n\r\n",
                Some(Visitor::Intruder),
            ),
            ("nonsense\r\n\r\n", None),
        ];
        for (head, who) in table {
            assert_eq!(visitor(head.as_bytes()), who, "{head}");
        }
    }

    #[tokio::test]
    async fn it_is_down_and_well_again() {
        let shop = Shop::open().await.unwrap();
        let asked = request("GET", shop.address, PAGE, &[("Waiting-Room-Session", "a")], "");
        let visit = async || {
            let mut connection = Connection::open(shop.address).await.ok()?;
            Some(connection.exchange(&asked).await.ok()?.status)
        };
        assert_eq!(visit().await, Some(200));
        let soon = Duration::from_secs(5);
        for (mood, expected) in [(Mood::Down, None), (Mood::Garbage, None), (Mood::Well, Some(200))] {
            shop.is(mood);
            testbed::eventually(soon, "its mood has changed", async || visit().await == expected).await;
        }
        assert!(shop.reached().0 >= 2);
        assert_eq!(shop.reached().1, 0);
    }
}
