//! The front of every connection: answers plain polls and joins by itself, sends events, and leaves everything else to
//! the proxy behind it, once its head has been read as strictly as can be.
//!
//! A million people come at once and wait by polling, so either must cost little more than reading and writing it. The
//! proxy is made for what goes further than this process. Both give the answers of the same functions of the [gate](crate::gate::Gate).

use super::{
    alarm::Alarm,
    cache::Cache,
    connections::Connections,
    direct::Done,
    drain::{InFlight, SharedDrain},
    http2,
    origins::Origins,
    plain_head::{Action, PlainHead, header_space},
    proxy::Edge,
    refusal::Refusal,
    tls, to_tls,
    visitor::peer,
};
use crate::{
    config::ClientLimits,
    entrance::client_address,
    gate::{CurrentGate, Listener, Listening},
};
use async_trait::async_trait;
use bytes::BytesMut;
use http::HeaderValue;
use ipnet::IpNet;
use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp, ServerApp},
    listeners::tls::Acceptor,
    protocols::{ALPN, Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use waiting_room_domain::{HeadRead, read_head};

/// A listener who does not take an event for so long is gone.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Room for a browser's poll with its cookies.
const HEAD_BYTES: usize = 2_048;
/// A refused client's bytes are read for so long, so that the answer is not lost with them.
const LINGER: Duration = Duration::from_millis(500);

pub(super) struct Front {
    pub(super) gate: Arc<CurrentGate>,
    pub(super) proxy: Arc<HttpProxy<Edge>>,
    /// The proxy's, for what needs nothing else of it.
    pub(super) cache: Arc<Cache>,
    pub(super) origins: Arc<Origins>,
    /// What browsers are told by TLS.
    pub(super) hsts: Option<HeaderValue>,
    /// Proxies in front, which say whom they speak for.
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) limits: Arc<ClientLimits>,
    pub(super) connections: Arc<Connections>,
    pub(super) drain: SharedDrain,
    pub(super) tls: Option<Tls>,
}

/// TLS, and where it is spoken.
pub(super) struct Tls {
    pub(super) acceptor: Acceptor,
    pub(super) listen: SocketAddr,
    /// Whether who comes to another port is sent on to this one.
    pub(super) redirect: bool,
}

/// What a connection has come to.
enum Next {
    /// It is over.
    Closed,
    /// These bytes begin with a whole head, and are the proxy's.
    Proxy(BytesMut),
    /// Events follow until it ends.
    Events(Listener),
    /// It cannot go on.
    Refused(Refusal),
}

/// What becomes of a plain request.
enum Plain {
    /// Its answer.
    Answer(Vec<u8>),
    /// Its answer waits for a number.
    Join,
    Events(Listener),
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) peer: Option<IpAddr>,
    /// Whether they came by TLS.
    pub(super) is_secure: bool,
}

/// A connection, as far as it has come.
struct Visitor<'a> {
    stream: Stream,
    client: Client,
    /// Requests that it has had.
    requests: u32,
    /// Who has just come is about to ask: the edge does not end before the first answer.
    first: Option<InFlight<'a>>,
    /// Until when the next request may come.
    alarm: Alarm,
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let digest = stream.get_socket_digest();
        let peer = peer(digest.as_ref().and_then(|digest| digest.peer_addr()));
        let _open = match self.connections.open(peer) {
            Ok(open) => open,
            Err(refusal) => {
                // Whoever is too many gets one write, and no patience.
                let _ = fast_timeout(LINGER, send(&mut stream, &refusal.to_http1())).await;
                return None;
            }
        };
        let local = digest
            .as_ref()
            .and_then(|digest| digest.local_addr())
            .and_then(|address| address.as_inet());
        let (mut sent_on, mut is_secure) = (None, false);
        if let Some(tls) = &self.tls {
            if local.is_some_and(|local| local.port() == tls.listen.port()) {
                // What only some connections need is not carried along by all.
                let secured = Box::pin(tls::accept(&tls.acceptor, stream));
                stream = fast_timeout(self.limits.head_within, secured).await.ok()??;
                is_secure = true;
            } else if tls.redirect {
                sent_on = Some(tls.listen.port());
            }
        }
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            let _in_flight = self.drain.in_flight();
            Box::pin(http2::serve(stream, &self.proxy, &self.limits, &self.drain)).await;
            return None;
        }
        let visitor = Visitor {
            stream,
            client: Client { peer, is_secure },
            requests: 0,
            first: Some(self.drain.in_flight()),
            alarm: Alarm::after(self.limits.head_within),
        };
        match sent_on {
            Some(port) => Box::pin(self.send_on(visitor, port)).await,
            None => self.serve_http1(visitor).await,
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Front {
    /// Serves a connection until one side has enough.
    async fn serve_http1(&self, mut visitor: Visitor<'_>) {
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let read = match self.answer_plain(&mut visitor).await {
                Next::Closed => return,
                Next::Refused(refusal) => {
                    return Box::pin(refuse(&mut visitor.stream, &refusal.to_http1())).await;
                }
                Next::Events(listener) => {
                    return send_events(&mut visitor.stream, listener, &self.drain).await;
                }
                Next::Proxy(read) => read,
            };
            let _in_flight = visitor.first.take().unwrap_or_else(|| self.drain.in_flight());
            let mut session = ServerSession::new_http1(visitor.stream);
            if let Some(settings) = settings.take() {
                settings.apply_to_session(&mut session);
            }
            session.set_pipelined_prefix(read);
            let is_last = self.is_last(&visitor.requests);
            let closing = if is_last {
                self.drain.always()
            } else {
                self.drain.watch()
            };
            let Some(reused) = self.proxy.process_new_http(session, &closing).await else {
                return;
            };
            (visitor.stream, settings) = reused.consume();
        }
    }

    /// Answers plain requests until something else comes, and reads the head of that. One read is one request: whatever
    /// comes in pieces, or with more behind it, is not plain.
    async fn answer_plain(&self, visitor: &mut Visitor<'_>) -> Next {
        let mut read = BytesMut::with_capacity(HEAD_BYTES);
        loop {
            if visitor.requests > 0 {
                visitor.alarm.set(self.limits.idle);
            }
            let received = visitor.alarm.before(visitor.stream.read_buf(&mut read)).await;
            if !matches!(received, Some(Ok(1..))) {
                return Next::Closed;
            }
            visitor.requests = visitor.requests.saturating_add(1);
            // The last request of a connection is the proxy's, which says so.
            let plain = if self.is_last(&visitor.requests) {
                None
            } else {
                self.answer(&read)
            };
            // What only some requests need is not carried along by all.
            let done = match plain {
                Some(Plain::Answer(answer)) => Some(Done::Answer(answer)),
                Some(Plain::Events(listener)) => return Next::Events(listener),
                Some(Plain::Join) => {
                    let answer = Box::pin(self.join(&read, visitor.client.peer));
                    answer.await.map(Done::Answer)
                }
                None if self.is_last(&visitor.requests) => None,
                None => Box::pin(self.see_to(&mut visitor.stream, &read, visitor.client)).await,
            };
            let answer = match done {
                None => return Box::pin(self.read_whole_head(&mut visitor.stream, read)).await,
                Some(Done::Answered) => {
                    visitor.first = None;
                    read.clear();
                    continue;
                }
                Some(Done::Answer(answer)) => answer,
                Some(Done::Ended) => return Next::Closed,
                Some(Done::LastAnswer(answer)) => {
                    Box::pin(refuse(&mut visitor.stream, &answer)).await;
                    return Next::Closed;
                }
            };
            // The timer begins only if the answer cannot be sent at once.
            let sent = fast_timeout(self.limits.answer_within, send(&mut visitor.stream, &answer));
            if !matches!(sent.await, Ok(Ok(()))) {
                return Next::Closed;
            }
            visitor.first = None;
            read.clear();
        }
    }

    /// Whether the connection ends with this request.
    fn is_last(&self, requests: &u32) -> bool {
        self.drain.has_begun() || *requests >= self.limits.requests_per_connection
    }

    /// Reads on until the head is whole.
    async fn read_whole_head(&self, stream: &mut Stream, mut read: BytesMut) -> Next {
        let whole = async {
            loop {
                match read_head(&read, &self.limits.head) {
                    HeadRead::Whole(_) => return None,
                    HeadRead::Refused(fault) => return Some(Next::Refused(Refusal::Head(fault))),
                    HeadRead::Partial => {}
                }
                if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
                    return Some(Next::Closed);
                }
            }
        };
        match fast_timeout(self.limits.head_within, whole).await {
            Ok(None) => Next::Proxy(read),
            Ok(Some(next)) => next,
            Err(_) => Next::Refused(Refusal::HeadSlow),
        }
    }

    /// What becomes of a plain request. Nothing here waits, so that nothing of it stays with the connection.
    fn answer(&self, bytes: &[u8]) -> Option<Plain> {
        let mut space = header_space();
        let head = PlainHead::read(bytes, &mut space)?;
        match head.action {
            Action::Poll => self.gate.load().poll(head.room, &head).map(Plain::Answer),
            Action::Join => Some(Plain::Join),
            Action::Listen => match self.gate.load().listen(head.room, &head)? {
                Listening::To(listener) => Some(Plain::Events(listener)),
                // An answer that comes once is nothing to hurry for.
                Listening::No(_) => None,
            },
        }
    }

    async fn join(&self, bytes: &[u8], peer: Option<IpAddr>) -> Option<Vec<u8>> {
        let _in_flight = self.drain.in_flight();
        let mut space = header_space();
        let head = PlainHead::read(bytes, &mut space)?;
        let address = peer.map(|peer| client_address(peer, &head, &self.trusted_proxies));
        let (reply, now) = self.gate.now().join(head.room, &head, address).await?;
        Some(reply.to_http1(now))
    }

    /// Sends a visitor without TLS to the port that has it.
    async fn send_on(&self, mut visitor: Visitor<'_>, port: u16) {
        let read = BytesMut::with_capacity(HEAD_BYTES);
        let answer = match self.read_whole_head(&mut visitor.stream, read).await {
            Next::Proxy(read) => to_tls::elsewhere(&read, port).to_http1_and_close(),
            Next::Refused(refusal) => refusal.to_http1(),
            Next::Closed | Next::Events(_) => return,
        };
        refuse(&mut visitor.stream, &answer).await;
    }
}

async fn send(stream: &mut Stream, answer: &[u8]) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.flush().await
}

/// Says the last word. What the client still sends is read for a while: closing on unread bytes would take the answer
/// away from it.
async fn refuse(stream: &mut Stream, answer: &[u8]) {
    let mut ignored = [0; 512];
    let farewell = async {
        send(stream, answer).await?;
        AsyncWriteExt::shutdown(stream).await?;
        while stream.read(&mut ignored).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = fast_timeout(LINGER, farewell).await;
}

/// Tells a listener until one side has enough.
async fn send_events(stream: &mut Stream, mut listener: Listener, drain: &SharedDrain) {
    let mut draining = drain.watch();
    let mut to_send = Listener::http1_head();
    let mut ignored = [0; 64];
    while let Some((event, pause)) = listener.tell() {
        to_send.extend_from_slice(event.as_bytes());
        if !sent_in_time(stream, &to_send).await {
            return;
        }
        to_send = Vec::new();
        if *draining.borrow() {
            let _ = sent_in_time(stream, listener.farewell().as_bytes()).await;
            break;
        }
        tokio::select! {
            () = listener.wait(pause) => {}
            // There is nothing to be said by this side but goodbye.
            _ = stream.read(&mut ignored) => return,
            _ = draining.changed() => {
                let _ = sent_in_time(stream, listener.farewell().as_bytes()).await;
                break;
            }
        }
    }
    let _ = AsyncWriteExt::shutdown(stream).await;
}

async fn sent_in_time(stream: &mut Stream, text: &[u8]) -> bool {
    matches!(fast_timeout(SENT_WITHIN, send(stream, text)).await, Ok(Ok(())))
}
