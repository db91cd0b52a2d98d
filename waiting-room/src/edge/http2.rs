//! A connection of HTTP/2: its streams go to the proxy, each as a request of its own.

use super::{drain::Drain, proxy::Edge};
use crate::config::ClientLimits;
use pingora_core::{
    apps::HttpServerApp,
    protocols::{
        Digest, Stream,
        http::{
            ServerSession,
            v2::server::{H2Accept, H2Options, HttpSession, handshake},
        },
    },
};
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Streams that may be malformed before the connection ends.
const MALFORMED_MAX: u32 = 32;
/// Streams that a client may reset before they were looked at (CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// Bytes of answers kept for a stream whose client does not read them.
const UNSENT_MAX: usize = 64 * 1024;

/// Serves a connection until one side has enough.
pub(super) async fn serve(
    stream: Stream,
    proxy: &Arc<HttpProxy<Edge>>,
    limits: &ClientLimits,
    drain: &Drain,
) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let greeted = fast_timeout(limits.head_within, handshake(stream, Some(options(limits))));
    let Ok(Ok(mut connection)) = greeted.await else {
        return;
    };
    let mut draining = drain.watch();
    let mut ending = false;
    let (mut served, mut malformed) = (0_u32, 0_u32);
    // Whoever goes takes their requests along.
    let mut requests = JoinSet::new();
    loop {
        if !ending && (served >= limits.requests_per_connection || drain.has_begun()) {
            connection.graceful_shutdown();
            ending = true;
        }
        tokio::select! {
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    served += 1;
                    let (proxy, shutdown) = (Arc::clone(proxy), draining.clone());
                    requests.spawn(async move {
                        let session = ServerSession::new_http2(session);
                        proxy.process_new_http(session, &shutdown).await;
                    });
                }
                Ok(Some(H2Accept::Rejected)) if malformed < MALFORMED_MAX => malformed += 1,
                _ => return,
            },
            Some(_) = requests.join_next() => {}
            _ = draining.changed(), if !ending => {}
            () = pingora_timeout::sleep(limits.idle), if requests.is_empty() => return,
        }
    }
}

fn options(limits: &ClientLimits) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head.bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_send_buffer_size(UNSENT_MAX);
    options
}
