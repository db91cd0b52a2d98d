//! Server-sent events: a waiting shopper's place, told as often as they would have asked, and at once when
//! something changes for everybody.

use super::{Gate, place::place};
use crate::{
    entrance::Head,
    http1::Http1,
    reply::Reply,
    rooms::{ListenerCount, Room},
};
use contract::Problem;
use http::{HeaderName, HeaderValue, StatusCode, header::CACHE_CONTROL, header::CONTENT_TYPE};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use waiting_room_domain::Ticket;

/// After a change for everybody, everybody is told within this time, not all in the same instant.
const SPREAD_MS: u64 = 1_000;
/// Whoever loses the connection comes back after about this time.
const RETRY_MS: u64 = 2_000;
/// Whoever is told that this edge ends comes back after so long, and up to so much later.
const BACK_MS: u64 = 500;
const BACK_SPREAD_MS: u64 = 4_000;

/// Somebody who listens.
pub struct Listener {
    room: Arc<Room>,
    ticket: Ticket,
    changes: watch::Receiver<u64>,
    _counted: ListenerCount,
}

/// What becomes of a wish to listen.
pub enum Listening {
    /// Events follow.
    To(Listener),
    /// Not now, or not with this ticket.
    No(Reply),
}

impl Gate {
    /// Begins to listen, by the same parts of a request as [`Gate::poll`]. Nothing when the room is not known (yet).
    pub fn listen(&self, room: &str, head: &impl Head) -> Option<Listening> {
        let room = self.rooms.by_id(room)?;
        let names = self.cookies(room)?;
        let view = room.view();
        let view = view.as_ref()?;
        let Some(ticket) = names
            .ticket(head)
            .and_then(|sealed| self.open_ticket(room, view, sealed))
        else {
            return Some(Listening::No(super::answers::no_ticket(room)));
        };
        let Some(counted) = room.count_listener() else {
            let problem = Problem::new(503, "too-many-listeners", "Too many listen on this edge");
            let reply = Reply::problem(&problem.detail("Ask the status address instead."));
            return Some(Listening::No(reply.retry_after(Duration::from_secs(30))));
        };
        Some(Listening::To(Listener {
            changes: room.changes(),
            room: Arc::clone(room),
            ticket,
            _counted: counted,
        }))
    }
}

impl Listener {
    /// The headers of the stream.
    pub fn head() -> [(HeaderName, HeaderValue); 3] {
        [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // Proxies that gather answers must not gather this one.
            (
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            ),
        ]
    }

    /// The same as the head of an HTTP/1.1 answer that goes on until the connection ends.
    pub fn http1_head() -> Vec<u8> {
        let mut head = Http1::new(StatusCode::OK);
        for (name, value) in Self::head() {
            head.field(name.as_str(), value.as_bytes());
        }
        head.stays_open(false);
        head.end(b"")
    }

    /// The event that is due now, and when the next one is. Nothing when the line is over because another has begun, nor
    /// when the room is another by now: whoever listens comes back, and meets it.
    pub fn tell(&mut self) -> Option<(String, Duration)> {
        self.changes.mark_unchanged();
        if self.room.is_replaced() {
            return None;
        }
        let view = self.room.view();
        let view = view
            .as_ref()
            .filter(|view| view.line.epoch == self.ticket.epoch)?;
        let place = place(&self.room, view, &self.ticket);
        let pause = Duration::from_millis(place.poll_after_ms);
        // A place is numbers and short texts; it can always be written down.
        let body = serde_json::to_string(&place).unwrap_or_default();
        Some((
            format!("retry: {RETRY_MS}\nevent: place\ndata: {body}\n\n"),
            pause,
        ))
    }

    /// The last event of an edge that is about to end: whoever listens comes back to another one, not all at once.
    pub fn farewell(&self) -> String {
        let spread = self.ticket.number.wrapping_mul(0x9e37_79b9) % BACK_SPREAD_MS;
        format!("retry: {}\nevent: restart\ndata: {{}}\n\n", BACK_MS + spread)
    }

    /// Waits until the next event is due: after `pause`, or soon after something has changed for everybody.
    pub async fn wait(&mut self, pause: Duration) {
        if let Ok(Ok(())) = tokio::time::timeout(pause, self.changes.changed()).await {
            let spread = Duration::from_millis(self.ticket.number.wrapping_mul(0x9e37_79b9) % SPREAD_MS);
            tokio::time::sleep(spread).await;
        }
    }
}
