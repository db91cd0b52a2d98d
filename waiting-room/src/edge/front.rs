//! The front of every connection: answers plain polls and joins by itself, and leaves everything else to the proxy behind
//! it.
//!
//! A million people come at once and wait by polling, so either must cost little more than reading and writing it. The
//! proxy is made for what goes further than this process. Both give the answers of the same functions of the [`Gate`].

use super::{
    plain_head::{Action, PlainHead},
    proxy::Edge,
};
use crate::gate::Gate;
use async_trait::async_trait;
use bytes::BytesMut;
use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a connection may be idle between requests.
const IDLE_SECONDS: u64 = 60;
/// Room for a browser's poll with its cookies.
const HEAD_BYTES: usize = 2_048;

pub(super) struct Front {
    pub(super) gate: Arc<Gate>,
    pub(super) proxy: Arc<HttpProxy<Edge>>,
}

/// What a connection has come to.
enum Next {
    /// It is over.
    Closed,
    /// These bytes are the proxy's.
    Proxy(BytesMut),
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let read = match self.answer_plain(&mut stream, shutdown).await {
                Next::Closed => return None,
                Next::Proxy(read) => read,
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
        loop {
            let received = fast_timeout(Duration::from_secs(IDLE_SECONDS), stream.read_buf(&mut read)).await;
            if !matches!(received, Ok(Ok(1..))) {
                return Next::Closed;
            }
            // A process that is about to end lets the proxy say so.
            let stopping = *shutdown.borrow();
            let answer = if stopping { None } else { self.answer(&read).await };
            let Some(answer) = answer else {
                return Next::Proxy(read);
            };
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
                return Next::Closed;
            }
            read.clear();
        }
    }

    /// The whole answer to a plain request.
    async fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let head = PlainHead::read(bytes)?;
        let header = |name| head.values(name).next();
        let cookies = || head.values("cookie");
        let (reply, now) = match head.action {
            Action::Poll => self.gate.poll(head.room, header, cookies)?,
            Action::Join => self.gate.join(head.room, header, cookies).await?,
        };
        Some(reply.to_http1(now))
    }
}
