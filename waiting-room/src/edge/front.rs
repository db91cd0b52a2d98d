//! The front of every connection: answers plain polls and joins by itself, sends events, and leaves everything else to
//! the proxy behind it.
//!
//! A million people come at once and wait by polling, so either must cost little more than reading and writing it. The
//! proxy is made for what goes further than this process. Both give the answers of the same functions of the [`Gate`].

use super::{
    plain_head::{Action, PlainHead},
    proxy::Edge,
    visitor::peer,
};
use crate::{
    entrance::client_address,
    gate::{Gate, Listener, Listening},
};
use async_trait::async_trait;
use bytes::BytesMut;
use ipnet::IpNet;
use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a connection may be idle between requests.
const IDLE_SECONDS: u64 = 60;
/// A listener who does not take an event for so long is gone.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Room for a browser's poll with its cookies.
const HEAD_BYTES: usize = 2_048;

pub(super) struct Front {
    pub(super) gate: Arc<Gate>,
    pub(super) proxy: Arc<HttpProxy<Edge>>,
    /// Proxies in front, which say whom they speak for.
    pub(super) trusted_proxies: Vec<IpNet>,
}

/// What a connection has come to.
enum Next {
    /// It is over.
    Closed,
    /// These bytes are the proxy's.
    Proxy(BytesMut),
    /// Events follow until it ends.
    Events(Listener),
}

/// What a plain request is answered.
enum Plain {
    Whole(Vec<u8>),
    Events(Listener),
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let read = match self.answer_plain(&mut stream, shutdown).await {
                Next::Closed => return None,
                Next::Proxy(read) => read,
                Next::Events(listener) => {
                    send_events(&mut stream, listener, shutdown).await;
                    return None;
                }
            };
            let mut session = ServerSession::new_http1(stream);
            let stopping = *shutdown.borrow();
            session.set_keepalive((!stopping).then_some(IDLE_SECONDS));
            if let Some(settings) = settings.take() {
                settings.apply_to_session(&mut session);
            }
            session.set_pipelined_prefix(read);
            (stream, settings) = self.proxy.process_new_http(session, shutdown).await?.consume();
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Front {
    /// Answers plain requests until something else comes. One read is one request: whatever comes in pieces, or with more
    /// behind it, is not plain.
    async fn answer_plain(&self, stream: &mut Stream, shutdown: &ShutdownWatch) -> Next {
        let mut read = BytesMut::with_capacity(HEAD_BYTES);
        let digest = stream.get_socket_digest();
        let peer = peer(digest.as_ref().and_then(|digest| digest.peer_addr()));
        loop {
            let received = fast_timeout(Duration::from_secs(IDLE_SECONDS), stream.read_buf(&mut read)).await;
            if !matches!(received, Ok(Ok(1..))) {
                return Next::Closed;
            }
            // A process that is about to end lets the proxy say so.
            let stopping = *shutdown.borrow();
            let answer = if stopping {
                None
            } else {
                self.answer(&read, peer).await
            };
            let answer = match answer {
                None => return Next::Proxy(read),
                Some(Plain::Events(listener)) => return Next::Events(listener),
                Some(Plain::Whole(answer)) => answer,
            };
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return Next::Closed;
            }
            read.clear();
        }
    }

    /// The answer to a plain request.
    async fn answer(&self, bytes: &[u8], peer: Option<IpAddr>) -> Option<Plain> {
        let head = PlainHead::read(bytes)?;
        let (reply, now) = match head.action {
            Action::Poll => self.gate.poll(head.room, &head)?,
            Action::Join => {
                let address = peer.map(|peer| client_address(peer, &head, &self.trusted_proxies));
                self.gate.join(head.room, &head, address).await?
            }
            Action::Listen => match self.gate.listen(head.room, &head)? {
                Listening::To(listener) => return Some(Plain::Events(listener)),
                // An answer that comes once is nothing to hurry for.
                Listening::No(_) => return None,
            },
        };
        Some(Plain::Whole(reply.to_http1(now)))
    }
}

/// Tells a listener until one side has enough.
async fn send_events(stream: &mut Stream, mut listener: Listener, shutdown: &ShutdownWatch) {
    let mut shutdown = shutdown.clone();
    let mut to_send = Listener::http1_head();
    let mut ignored = [0; 64];
    while let Some((event, pause)) = listener.tell() {
        to_send.extend_from_slice(event.as_bytes());
        let sent = fast_timeout(SENT_WITHIN, async {
            stream.write_all(&to_send).await?;
            stream.flush().await
        });
        if !matches!(sent.await, Ok(Ok(()))) {
            return;
        }
        to_send = Vec::new();
        tokio::select! {
            () = listener.wait(pause) => {}
            // There is nothing to be said by this side but goodbye.
            _ = stream.read(&mut ignored) => return,
            _ = shutdown.changed() => break,
        }
    }
    let _ = stream.shutdown().await;
}
