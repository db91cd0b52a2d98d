//! The gate: what becomes of a request.
//!
//! In this order: what is addressed to the waiting room itself is answered here; what no room guards goes to the
//! origin; who has a valid pass goes to the origin; everybody else gets a place in line, and either walks in at
//! once or is shown where they stand.

mod access;
mod admit;
mod answers;
mod current;
mod entering;
mod events;
pub(crate) mod path;
mod place;
mod tokens;

pub use admit::{Admitted, Passage};
pub(crate) use answers::is_join;
pub use current::CurrentGate;
pub use events::{Listener, Listening};
pub use place::Place as PlaceOnPage;
pub(crate) use tokens::find_cookie;
pub use tokens::{CookieNames, PASS_HEADER, TICKET_HEADER};

use crate::{
    access::{Access, Issuers},
    config::{Config, RoomConfig},
    entrance::{Entrance, Visitor},
    keys::KeyRing,
    pages::Pages,
    reply::Reply,
    rooms::{Room, Rooms},
};
use anyhow::Context;
use clock::Clock;
use contract::Problem;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT, header::HOST, request::Parts};
use passes::Verifier;
use secrecy::{ExposeSecret, SecretString};
use std::{collections::HashMap, sync::Arc};
use waiting_room_domain::host_name;

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
    pub(crate) keys: Arc<KeyRing>,
    verifier: Arc<Verifier>,
    pages: Arc<Pages>,
    cookies: HashMap<String, CookieNames>,
    /// Whom each room gives a place.
    entrances: HashMap<String, Arc<Entrance>>,
    /// Who may ask for what, and how much of it.
    access: Arc<Access>,
    /// By which origins know that a request comes from here.
    origin_secret: Option<HeaderValue>,
    clock: Arc<dyn Clock>,
    /// The published keys, as they are sent.
    jwks: String,
}

impl Gate {
    /// A gate without rooms, from which others are made.
    ///
    /// # Errors
    /// When the keys cannot be written down.
    pub fn new(keys: KeyRing, pages: Arc<Pages>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let published = keys.passes.jwks();
        Ok(Self {
            entrances: HashMap::new(),
            access: Arc::default(),
            origin_secret: None,
            clock,
            cookies: HashMap::new(),
            verifier: Arc::new(Verifier::new(&published)),
            jwks: serde_json::to_string(&published)?,
            pages,
            rooms: Rooms::none(),
            keys: Arc::new(keys),
        })
    }

    /// The same gate, which shows its origins a secret.
    ///
    /// # Errors
    /// When it cannot stand in a header.
    pub fn showing_origins(mut self, secret: Option<&SecretString>) -> anyhow::Result<Self> {
        let value = secret.map(|secret| HeaderValue::from_str(secret.expose_secret()));
        let mut value = value
            .transpose()
            .context("WAITING_ROOM_ORIGIN_SECRET must be one line of ASCII")?;
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        self.origin_secret = value;
        Ok(self)
    }

    /// By which origins know that a request comes from here.
    pub fn origin_secret(&self) -> Option<&HeaderValue> {
        self.origin_secret.as_ref()
    }

    /// Who reads access tokens.
    pub fn issuers(&self) -> &Issuers {
        &self.access.issuers
    }

    /// The same gate with these rooms, which are those of `config`, and the issuers that it names. What has counted
    /// joins, polls and passes at a room's entrance, and requests by a rate, goes on counting unless its config has
    /// changed.
    ///
    /// # Errors
    /// When a key of an entrance cannot be derived.
    pub fn with(
        &self,
        rooms: Rooms,
        pages: Arc<Pages>,
        config: &Config,
        issuers: Issuers,
    ) -> anyhow::Result<Self> {
        let names = rooms.iter().map(|room| {
            let names = CookieNames::of(&room.config, config.secure_cookies);
            (room.config.id.to_string(), names)
        });
        let entrances = rooms.iter().map(|room| {
            let entrance = match self.same_entrance(&room.config) {
                Some(entrance) => entrance,
                None => Arc::new(self.new_entrance(&room.config, &issuers)?),
            };
            Ok((room.config.id.to_string(), entrance))
        });
        Ok(Self {
            entrances: entrances.collect::<anyhow::Result<_>>()?,
            access: Arc::new(Access::new(config, issuers, Some(&self.access))),
            origin_secret: self.origin_secret.clone(),
            clock: Arc::clone(&self.clock),
            cookies: names.collect(),
            verifier: Arc::clone(&self.verifier),
            jwks: self.jwks.clone(),
            pages,
            rooms,
            keys: Arc::clone(&self.keys),
        })
    }

    fn same_entrance(&self, room: &RoomConfig) -> Option<Arc<Entrance>> {
        let before = &self.rooms.by_id(room.id.as_str())?.config;
        let same = before.entrance == room.entrance
            && before.lanes.invited_only == room.lanes.invited_only
            && before.session.hard_cap == room.session.hard_cap;
        let entrance = self.entrances.get(room.id.as_str())?;
        same.then(|| Arc::clone(entrance))
    }

    fn new_entrance(&self, room: &RoomConfig, issuers: &Issuers) -> anyhow::Result<Entrance> {
        Entrance::new(
            &room.id,
            &room.entrance,
            room.lanes.invited_only.clone(),
            room.session.hard_cap,
            &self.keys.entrance,
            issuers,
        )
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
        let host = host(request);
        let account = match self.account(request, host, &plain).await {
            Ok(account) => account,
            Err(reply) => return Outcome::Answer(reply),
        };
        let room = self.rooms.guarding(host, &plain);
        let outcome = match room {
            None => Outcome::Proxy(Passage::unguarded()),
            Some(room) if self.walks_past(room, request, &plain, visitor) => {
                Outcome::Proxy(Passage::through(room))
            }
            Some(room) => self.enter(request, visitor, room).await,
        };
        let Outcome::Proxy(mut passage) = outcome else {
            return outcome;
        };
        passage.account = account;
        self.within_rates(request, (host, &plain), visitor, room.map(Arc::as_ref), passage)
    }

    /// The way of a request that the edge makes for itself, and that stands for nobody.
    pub fn errand(&self, request: &Parts) -> Passage {
        let plain = path::plain(request.uri.path());
        let room = plain
            .ok()
            .and_then(|plain| self.rooms.guarding(host(request), &plain));
        room.map_or_else(Passage::unguarded, |room| Passage::through(room))
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

/// The host that a request is for, without port, and without the dot that a whole name may end with.
fn host(request: &Parts) -> &str {
    let named = request
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or(request.uri.host())
        .unwrap_or("");
    let host = host_name(named);
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a browser asks for a page to show.
fn wants_page(headers: &HeaderMap) -> bool {
    accepts_page(headers.get(ACCEPT).map(HeaderValue::as_bytes))
}

fn accepts_page(accept: Option<&[u8]>) -> bool {
    accept.is_some_and(|accept| accept.windows(TEXT_HTML.len()).any(|part| part == TEXT_HTML))
}
