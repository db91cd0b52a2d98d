//! A wire to a server that can be cut.

use crate::servers;
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    thread::JoinHandle,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes pass.
    Whole,
    /// Connections stand and nothing passes.
    Frozen,
    /// Connections are reset and new ones refused.
    Cut,
    /// The end of the wire's life.
    Gone,
}

/// A TCP proxy on a loopback port of its own, to put between a program and a server.
///
/// It runs on its own thread, so a test whose runtime is busy or blocked does not hold it up.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// A wire to `target` (`host:port`).
    ///
    /// # Panics
    /// When the target has no address.
    pub fn to(target: impl ToSocketAddrs) -> Self {
        let target = target
            .to_socket_addrs()
            .expect("the target has an address")
            .next()
            .expect("the target has an address");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make the listener asynchronous");
        let address = listener.local_addr().expect("the listener has an address");
        let (state, watched) = watch::channel(State::Whole);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime
                .expect("start a runtime")
                .block_on(listen(listener, address, target, watched));
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    /// A wire to the server of a URL, and the URL that leads through it: see [`Wire::url`].
    ///
    /// # Panics
    /// When the URL is none.
    pub fn to_url(url: &str) -> (Self, String) {
        let wire = Self::to(servers::authority(url));
        let through = wire.url(url);
        (wire, through)
    }

    /// Where programs should connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL through this wire; a Unix socket in it (`?host=/…`) gives way to TCP.
    ///
    /// # Panics
    /// When `url` is none.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("the address of a server is a URL");
        let unlike_place = |(key, _): &(_, _)| !matches!(AsRef::<str>::as_ref(key), "host" | "port");
        let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(unlike_place).collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        url.set_host(Some("127.0.0.1"))
            .expect("a server's URL can have a host");
        url.set_port(Some(self.address.port()))
            .expect("a server's URL can have a port");
        url.into()
    }

    /// Resets every connection and refuses new ones, until [`Wire::heal`].
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Keeps connections open and accepts new ones, but lets nothing pass, until [`Wire::heal`].
    pub fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Lets everything pass again. What waited while it was frozen arrives; what was cut stays cut.
    pub fn heal(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.send_replace(State::Gone);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(
    first: std::net::TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    state: watch::Receiver<State>,
) {
    let mut listener = Some(TcpListener::from_std(first).expect("listen on loopback"));
    let mut watched = state.clone();
    loop {
        let now = *watched.borrow_and_update();
        match now {
            State::Gone => return,
            // Nobody listens on the port: connecting is refused by the system.
            State::Cut => listener = None,
            State::Whole | State::Frozen if listener.is_none() => {
                listener = Some(
                    TcpListener::bind(address)
                        .await
                        .expect("listen on the same port again"),
                );
            }
            State::Whole | State::Frozen => {}
        }
        tokio::select! {
            _ = watched.changed() => {}
            accepted = accept(listener.as_ref()) => if let Ok(client) = accepted {
                tokio::spawn(carry(client, target, state.clone()));
            },
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

/// Carries one connection until an end closes it or the wire is cut.
async fn carry(client: TcpStream, target: SocketAddr, state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    for end in [&client, &server] {
        // Closing then resets, as a cut does, and small packets are not held back.
        let _ = end.set_zero_linger();
        let _ = end.set_nodelay(true);
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut watched = state.clone();
    tokio::select! {
        () = async { tokio::join!(pump(from_client, to_server, state.clone()), pump(from_server, to_client, state.clone())); } => {}
        _ = watched.wait_for(|now| matches!(now, State::Cut | State::Gone)) => {}
    }
}

/// Moves bytes one way while the wire is whole; passes the end on.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        if state.wait_for(|now| *now == State::Whole).await.is_err() {
            return;
        }
        let Ok(length @ 1..) = read else { break };
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Answers every byte with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn exchange(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn it_carries_freezes_cuts_and_heals() {
        let wire = Wire::to(echo().await);
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        assert_eq!(exchange(&mut stream).await.unwrap(), b'x');

        wire.freeze();
        let frozen = tokio::time::timeout(Duration::from_millis(100), exchange(&mut stream)).await;
        assert!(frozen.is_err(), "something passed a frozen wire");
        wire.heal();
        assert_eq!(stream.read_u8().await.unwrap(), b'x', "what waited arrives");

        wire.cut();
        assert!(exchange(&mut stream).await.is_err(), "a cut wire carried");
        let refused = async || TcpStream::connect(wire.address()).await.is_err();
        crate::eventually(Duration::from_secs(5), "new connections are refused", refused).await;
        wire.heal();
        let again = async || match TcpStream::connect(wire.address()).await {
            Ok(mut stream) => exchange(&mut stream).await.is_ok(),
            Err(_) => false,
        };
        crate::eventually(Duration::from_secs(5), "a healed wire carries", again).await;
    }

    #[test]
    fn an_address_leads_through_the_wire() {
        let wire = Wire::to("127.0.0.1:9");
        let port = wire.address().port();
        for (url, through) in [
            (
                "postgres://u:p@localhost:1/db?host=%2Frun",
                format!("postgres://u:p@127.0.0.1:{port}/db"),
            ),
            (
                "amqp://u:p@127.0.0.1:2/vhost",
                format!("amqp://u:p@127.0.0.1:{port}/vhost"),
            ),
            (
                "redis://:p@h:3/0?protocol=3",
                format!("redis://:p@127.0.0.1:{port}/0?protocol=3"),
            ),
        ] {
            assert_eq!(wire.url(url), through);
        }
    }
}
