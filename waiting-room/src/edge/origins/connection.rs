//! Connections to a server that plain requests go over, without Pingora.

use super::{origin::locked, server::Server};
use bytes::{Buf, BytesMut};
use std::{
    collections::VecDeque,
    io::{Error, ErrorKind, Result},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// How long a connection waits for its next request.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// The most that wait at one server.
const IDLE_MAX: usize = 512;
/// Room for an answer of the usual size.
const READ_BYTES: usize = 8 * 1024;

/// A server that is about to be asked.
pub(in crate::edge) struct ServerToAsk {
    pub(super) server: Arc<Server>,
    pub(super) connect_within: Duration,
    /// How long it may say nothing.
    pub(in crate::edge) silence: Duration,
}

/// A connection to a server.
#[derive(Debug)]
pub(in crate::edge) struct Connection {
    stream: TcpStream,
    /// What has come and was not taken yet.
    pub(in crate::edge) read: BytesMut,
    /// Whether it has carried a request before: then it may have been closed meanwhile.
    pub(in crate::edge) is_reused: bool,
}

/// The connections to a server that wait for their next request, the one that waits longest first.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<VecDeque<(Instant, Connection)>>);

impl ServerToAsk {
    /// A connection to it: one that waits, or a new one.
    ///
    /// # Errors
    /// When there is none to be had; `TimedOut` when that was not known in time.
    pub(in crate::edge) async fn connect(&self) -> Result<Connection> {
        if let Some(waiting) = self.server.idle.take() {
            return Ok(waiting);
        }
        let connected = timeout(self.connect_within, TcpStream::connect(self.server.at)).await;
        let stream = connected.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            read: BytesMut::new(),
            is_reused: false,
        })
    }

    /// Keeps a connection on which everything was answered.
    pub(in crate::edge) fn give_back(&self, mut connection: Connection) {
        connection.is_reused = true;
        self.server.idle.keep(connection);
    }
}

impl Connection {
    pub(in crate::edge) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads more of what comes; 0 at its end. Nothing is lost when the caller stops waiting.
    pub(in crate::edge) async fn read_more(&mut self) -> Result<usize> {
        self.read.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.read).await
    }

    /// Takes so many bytes away from what was read.
    pub(in crate::edge) fn take(&mut self, bytes: usize) {
        self.read.advance(bytes);
    }

    /// Whether nothing has come, not even the end. Costs a look at what is known, and a system call only if something has.
    fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl Idle {
    /// The one that has waited least, if one is still good.
    fn take(&self) -> Option<Connection> {
        let mut waiting = locked(&self.0);
        loop {
            let (since, connection) = waiting.pop_back()?;
            if since.elapsed() < IDLE && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut waiting = locked(&self.0);
        if waiting.len() >= IDLE_MAX {
            waiting.pop_front();
        }
        waiting.push_back((Instant::now(), connection));
    }

    /// Closes those that have waited for too long, or were closed by the server.
    pub(super) fn close_old(&self) {
        locked(&self.0).retain(|(since, connection)| since.elapsed() < IDLE && connection.is_quiet());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair(listener: &TcpListener) -> (Connection, TcpStream) {
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connection {
            stream,
            read: BytesMut::new(),
            is_reused: true,
        };
        (connection, listener.accept().await.unwrap().0)
    }

    fn waiting(idle: &Idle) -> usize {
        locked(&idle.0).len()
    }

    #[tokio::test]
    async fn what_was_closed_or_speaks_unasked_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idle = Idle::default();
        let (good, _other_end) = pair(&listener).await;
        let address = good.stream.local_addr().unwrap();
        let (closed, other_end) = pair(&listener).await;
        drop(other_end);
        let (speaking, mut other_end) = pair(&listener).await;
        other_end.write_all(b"x").await.unwrap();
        for connection in [&closed, &speaking] {
            connection.stream.readable().await.unwrap();
        }
        idle.keep(good);
        idle.keep(closed);
        idle.keep(speaking);
        assert_eq!(idle.take().unwrap().stream.local_addr().unwrap(), address);
        assert!(idle.take().is_none());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_closed_and_so_many_wait_at_most() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idle = Idle::default();
        let mut other_ends = Vec::new();
        for _ in 0..=IDLE_MAX {
            let (connection, other_end) = pair(&listener).await;
            other_ends.push(other_end);
            idle.keep(connection);
        }
        assert_eq!(waiting(&idle), IDLE_MAX);
        tokio::time::pause();
        tokio::time::advance(IDLE / 2).await;
        let (late, _late_end) = (idle.take().unwrap(), ());
        idle.keep(late);
        idle.close_old();
        assert_eq!(waiting(&idle), IDLE_MAX);
        tokio::time::advance(IDLE / 2).await;
        idle.close_old();
        assert_eq!(waiting(&idle), 1);
        tokio::time::advance(IDLE).await;
        assert!(idle.take().is_none());
    }
}
