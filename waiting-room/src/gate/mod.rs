//! The gate: what becomes of a request.
//!
//! In this order: what is addressed to the waiting room itself is answered here; what no room guards goes to the
//! origin; who has a valid pass goes to the origin; everybody else gets a place in line, and either walks in at
//! once or is shown where they stand.

mod admit;
mod answers;
mod entering;
mod events;
mod path;
mod place;
mod tokens;

pub use admit::{Admitted, Passage};
pub(crate) use answers::is_join;
pub use events::{Listener, Listening};
pub use place::Place as PlaceOnPage;
pub(crate) use tokens::find_cookie;
pub use tokens::{CookieNames, PASS_HEADER, TICKET_HEADER};

use crate::{
    entrance::{Entrance, Visitor, identity::Identity},
    keys::KeyRing,
    pages::Pages,
    reply::Reply,
    rooms::{Room, Rooms},
};
use clock::Clock;
use contract::Problem;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT, header::HOST, request::Parts};
use passes::Verifier;
use std::{collections::HashMap, sync::Arc};

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
    /// Whom each room gives a place.
    entrances: HashMap<String, Entrance>,
    clock: Arc<dyn Clock>,
    /// The published keys, as they are sent.
    jwks: String,
}

impl Gate {
    /// The gate of these rooms.
    ///
    /// # Errors
    /// When the keys cannot be written down, or one of an entrance cannot be derived.
    pub fn new(
        rooms: Rooms,
        keys: KeyRing,
        pages: Pages,
        secure_cookies: bool,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let published = keys.passes.jwks();
        let names = rooms.iter().map(|room| {
            (
                room.config.id.to_string(),
                CookieNames::of(&room.config, secure_cookies),
            )
        });
        let entrances = rooms.iter().map(|room| {
            let config = &room.config;
            let session = config.session.hard_cap;
            let entrance = Entrance::new(
                &config.id,
                &config.entrance,
                config.lanes.invited_only.clone(),
                session,
                &keys.entrance,
            )?;
            Ok((config.id.to_string(), entrance))
        });
        Ok(Self {
            entrances: entrances.collect::<anyhow::Result<_>>()?,
            clock,
            cookies: names.collect(),
            verifier: Verifier::new(&published),
            jwks: serde_json::to_string(&published)?,
            pages,
            rooms,
            keys,
        })
    }

    /// The issuers of identities that rooms ask; their keys are to be followed.
    pub fn identities(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.entrances
            .values()
            .filter_map(|entrance| entrance.identity.as_ref())
    }

    /// Decides about one request.
    pub async fn decide(&self, request: &Parts, visitor: &Visitor) -> Outcome {
        let path = request.uri.path();
        if let Some(rest) = path.strip_prefix(answers::PREFIX) {
            if let Some(listening) = self.listening(request, rest) {
                return match listening {
                    Listening::To(listener) => Outcome::Events(listener),
                    Listening::No(reply) => Outcome::Answer(reply),
                };
            }
            return Outcome::Answer(self.answer(request, visitor, rest).await);
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
            Some(room) if self.walks_past(room, request, &plain, visitor) => {
                Outcome::Proxy(Passage::through(room))
            }
            Some(room) => self.enter(request, visitor, room).await,
        }
    }

    fn listening(&self, request: &Parts, rest: &str) -> Option<Listening> {
        let room = rest
            .strip_suffix("/events")
            .filter(|_| request.method == Method::GET)?;
        self.listen(room, &request.headers)
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
