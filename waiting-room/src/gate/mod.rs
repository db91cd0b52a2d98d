//! The gate: what becomes of a request.
//!
//! In this order: what is addressed to the waiting room itself is answered here; what no room guards goes to the
//! origin; who has a valid pass goes to the origin; everybody else gets a place in line, and either walks in at
//! once or is shown where they stand.

mod admit;
mod answers;
mod events;
mod path;
mod place;
mod tokens;

pub use admit::{Admitted, Passage};
pub use events::{Listener, Listening};
pub use place::Place as PlaceOnPage;
pub use tokens::{CookieNames, PASS_HEADER, TICKET_HEADER};

use crate::{
    keys::KeyRing,
    pages::Pages,
    reply::Reply,
    rooms::{Room, Rooms},
};
use contract::Problem;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT, header::HOST, request::Parts};
use passes::Verifier;
use std::collections::HashMap;

const TEXT_HTML: &[u8] = b"text/html";

/// What becomes of a request.
pub enum Outcome {
    /// It is answered here.
    Answer(Reply),
    /// It goes to an origin.
    Proxy(Passage),
    /// Events follow until somebody has enough.
    Events(Listener),
}

/// Decides what becomes of requests.
pub struct Gate {
    pub(crate) rooms: Rooms,
    pub(crate) keys: KeyRing,
    verifier: Verifier,
    pages: Pages,
    cookies: HashMap<String, CookieNames>,
    /// The published keys, as they are sent.
    jwks: String,
}

impl Gate {
    /// The gate of these rooms.
    ///
    /// # Errors
    /// When the keys cannot be written down.
    pub fn new(rooms: Rooms, keys: KeyRing, pages: Pages, secure_cookies: bool) -> anyhow::Result<Self> {
        let published = keys.passes.jwks();
        let names = rooms.iter().map(|room| {
            (
                room.config.id.to_string(),
                CookieNames::of(&room.config, secure_cookies),
            )
        });
        Ok(Self {
            cookies: names.collect(),
            verifier: Verifier::new(&published),
            jwks: serde_json::to_string(&published)?,
            pages,
            rooms,
            keys,
        })
    }

    /// Decides about one request.
    pub async fn decide(&self, request: &Parts) -> Outcome {
        let path = request.uri.path();
        if let Some(rest) = path.strip_prefix(answers::PREFIX) {
            if let Some(listening) = self.listening(request, rest) {
                return match listening {
                    Listening::To(listener) => Outcome::Events(listener),
                    Listening::No(reply) => Outcome::Answer(reply),
                };
            }
            return Outcome::Answer(self.answer(request, rest).await);
        }
        if path == answers::JWKS_PATH {
            return Outcome::Answer(self.published_keys(&request.method));
        }
        let Ok(plain) = path::plain(path) else {
            let problem = Problem::new(400, "ambiguous-path", "The path is ambiguous");
            return Outcome::Answer(Reply::problem(
                &problem.detail("Send it without dot segments and encoded slashes."),
            ));
        };
        match self.rooms.guarding(host(request), &plain) {
            None => Outcome::Proxy(Passage::unguarded()),
            Some(room) => self.enter(request, room).await,
        }
    }

    fn listening(&self, request: &Parts, rest: &str) -> Option<Listening> {
        let room = rest
            .strip_suffix("/events")
            .filter(|_| request.method == Method::GET)?;
        let header = |name: &'static str| request.headers.get(name).map(HeaderValue::as_bytes);
        self.listen(room, header, || tokens::cookie_lines(&request.headers))
    }

    fn cookies(&self, room: &Room) -> Option<&CookieNames> {
        self.cookies.get(room.config.id.as_str())
    }
}

/// The host that a request is for, without port.
fn host(request: &Parts) -> &str {
    let named = request
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or(request.uri.host())
        .unwrap_or("");
    match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => named,
    }
}

/// Whether a browser asks for a page to show.
fn wants_page(headers: &HeaderMap) -> bool {
    accepts_page(headers.get(ACCEPT).map(HeaderValue::as_bytes))
}

fn accepts_page(accept: Option<&[u8]>) -> bool {
    accept.is_some_and(|accept| accept.windows(TEXT_HTML.len()).any(|part| part == TEXT_HTML))
}
