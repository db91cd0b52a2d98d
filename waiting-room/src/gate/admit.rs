//! Who comes in: by a pass, or by a ticket whose turn it is.

use super::{
    CookieNames, Gate, Outcome,
    entering::{NoPlace, by_address},
    place::{place, session_of},
    wants_page,
};
use crate::{
    access::{Account, LimitFields},
    entrance::Visitor,
    pages::{Reader, Shut},
    reply::Reply,
    rooms::{Room, Unavailable, View},
};
use contract::{PASS_AUDIENCE, PASS_ISSUER, PassClaims, Problem};
use http::{HeaderValue, Method as HttpMethod, StatusCode, request::Parts, uri::PathAndQuery};
use passes::Genuine;
use std::sync::Arc;
use waiting_room_domain::{ClaimOutcome, Method, Moment, Phase, SessionId, Standing, Switch, Ticket};

/// How soon to look again while nobody is let in.
const MAINTENANCE_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// The way to an origin.
#[derive(Debug, Default)]
pub struct Passage {
    /// The room that was passed, if one guards the way.
    pub admitted: Option<Admitted>,
    /// Cookies to set on the way back, as they stand in a header.
    pub cookies: Vec<HeaderValue>,
    /// The name of the origin; the first, if there is none.
    pub origin: Option<Arc<str>>,
    /// By whom the request is, if an access rule asks for that. What an origin answers may be for this account only.
    pub account: Option<Arc<Account>>,
    /// What the client is told about its quotas.
    pub limits: LimitFields,
}

/// Somebody who was let in.
#[derive(Debug)]
pub struct Admitted {
    /// The room.
    pub room: Arc<Room>,
    /// The session.
    pub session: SessionId,
    /// The pass, as the origin gets it.
    pub pass: HeaderValue,
    /// Whether the pass is new and must go to the shopper.
    pub is_new: bool,
}

impl Passage {
    /// The way to what no room guards.
    pub(super) fn unguarded() -> Self {
        Self::default()
    }

    /// The way through a room whose gate is open to all.
    pub(super) fn through(room: &Room) -> Self {
        Self {
            origin: Some(Arc::clone(&room.config.origin)),
            ..Self::default()
        }
    }

    /// The session is over: there is nothing to come in with the next time.
    pub(crate) fn end(&mut self) {
        self.admitted = None;
        self.cookies.clear();
    }
}

impl Admitted {
    /// The origin has said that this session is over: its place is free for the next.
    pub(crate) async fn end(&self) {
        let Some(view) = self.room.view().clone() else {
            return;
        };
        if let Err(error) = self.room.end(&view, self.session).await {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "a session could not be ended"
            );
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("id", &self.config.id)
            .finish_non_exhaustive()
    }
}

/// A pass that was just signed.
pub(super) struct Signed {
    pub(super) token: String,
    pub(super) until: Moment,
}

impl Gate {
    /// Decides about a request to a guarded page.
    pub(super) async fn enter(&self, request: &Parts, visitor: &Visitor, room: &Arc<Room>) -> Outcome {
        let Some(cookies) = self.cookies(room) else {
            return Outcome::Proxy(Passage::unguarded());
        };
        match room.config.method {
            Method::Passthrough => return Outcome::Proxy(Passage::through(room)),
            Method::Reject => return Outcome::Answer(self.show_rejected(request, room)),
            _ => {}
        }
        let Some(view) = room.view().clone() else {
            return self.unavailable(request, room, &Unavailable::NotSeenYet);
        };
        if !view.rules.guarded {
            return Outcome::Proxy(Passage::through(room));
        }
        if !view.rules.passes && !wants_page(&request.headers) {
            let problem = Problem::new(503, "maintenance", "The shop is being worked on");
            let reply = Reply::problem(&problem.detail("You keep your place, and your pass."));
            return Outcome::Answer(reply.retry_after(MAINTENANCE_PAUSE));
        }
        if view.rules.passes
            && let Some(passage) = self.by_pass(cookies, room, &view, request, visitor)
        {
            return Outcome::Proxy(passage);
        }
        let ticket = self.ticket(cookies, room, &view, &request.headers);
        match ticket.filter(|ticket| self.may_claim(room, &view, ticket, &request.headers, visitor)) {
            Some(ticket) => self.by_ticket(cookies, room, &view, request, &ticket).await,
            None => self.newcomer(cookies, room, &view, request, visitor).await,
        }
    }

    /// Memory only: the signature was checked when the pass was first seen.
    fn by_pass(
        &self,
        cookies: &CookieNames,
        room: &Arc<Room>,
        view: &View,
        request: &Parts,
        visitor: &Visitor,
    ) -> Option<Passage> {
        let token = cookies.pass(&request.headers)?;
        let now = view.now();
        let Genuine { claims, header } = self.verifier.recognise(token, now.unix_seconds()).ok()?;
        let for_this_line = claims.room == room.config.id.as_str() && claims.epoch == view.line.epoch.0;
        let session: SessionId = claims.sid.parse().ok()?;
        if !for_this_line || room.sessions.has_ended(&session) {
            return None;
        }
        if !self.may_use_pass(room, session, &request.headers, visitor) {
            return None;
        }
        let (since, until) = (
            Moment::from_unix_ms(claims.sst),
            Moment::from_unix_ms(claims.exp * 1000),
        );
        let prolonged = room.sessions.touch(session, since, until, now);
        let renewed = prolonged.and_then(|until| self.sign(room, view, session, since, until).ok());
        let admitted = Admitted {
            room: Arc::clone(room),
            session,
            pass: renewed.as_ref().map_or(header, |signed| in_header(&signed.token)),
            is_new: renewed.is_some(),
        };
        let cookie = renewed.map(|signed| cookies.set_pass(&signed.token, signed.until.since(now)));
        Some(Passage {
            admitted: Some(admitted),
            cookies: cookie.into_iter().collect(),
            ..Passage::through(room)
        })
    }

    async fn by_ticket(
        &self,
        cookies: &CookieNames,
        room: &Arc<Room>,
        view: &View,
        request: &Parts,
        ticket: &Ticket,
    ) -> Outcome {
        let called = matches!(view.standing(&room.config, ticket), Standing::Called { .. });
        if !called || !view.rules.claims {
            return Outcome::Answer(self.show_place(request, room, view, ticket));
        }
        match self.let_in(room, view, ticket).await {
            Ok(Some(signed)) => {
                let cookie = cookies.set_pass(&signed.token, signed.until.since(view.now()));
                let admitted = Admitted {
                    room: Arc::clone(room),
                    session: session_of(ticket),
                    pass: in_header(&signed.token),
                    is_new: true,
                };
                Outcome::Proxy(Passage {
                    admitted: Some(admitted),
                    cookies: vec![cookie],
                    ..Passage::through(room)
                })
            }
            Ok(None) => Outcome::Answer(self.show_missed(request, room)),
            Err(unavailable) => self.unavailable(request, room, &unavailable),
        }
    }

    /// Who comes to look at a page gets a place. What a page loads, and what an app asks for, does not: it would
    /// take a place for every file. It is told how to line up.
    async fn newcomer(
        &self,
        cookies: &CookieNames,
        room: &Arc<Room>,
        view: &View,
        request: &Parts,
        visitor: &Visitor,
    ) -> Outcome {
        let looks = request.method == HttpMethod::GET && wants_page(&request.headers);
        if !looks {
            return Outcome::Answer(self.must_line_up(room, view));
        }
        if !view.rules.joins {
            return Outcome::Answer(self.show_shut(request, room, view));
        }
        let given = match self
            .new_place(room, view, &request.headers, &by_address(request, visitor))
            .await
        {
            Ok(given) => given,
            Err(NoPlace::Unavailable(Unavailable::SoldOut)) => {
                return Outcome::Answer(self.show_sold_out(request, room, view));
            }
            Err(NoPlace::Unavailable(unavailable)) => return self.unavailable(request, room, &unavailable),
            Err(NoPlace::Refused(refusal)) => {
                let way_back = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let (reader, visitor) = (Reader::of(request), by_address(request, visitor));
                return Outcome::Answer(self.refuse_page(&reader, room, &refusal, way_back, &visitor));
            }
        };
        let set = cookies.set_place(&given);
        match self.by_ticket(cookies, room, view, request, &given.ticket).await {
            Outcome::Answer(reply) => Outcome::Answer(set.iter().fold(reply, Reply::with_cookie)),
            Outcome::Proxy(mut passage) => {
                passage.cookies.extend(set);
                Outcome::Proxy(passage)
            }
            other @ Outcome::Events(_) => other,
        }
    }

    /// Claims a called ticket. Nothing when its time has passed.
    pub(super) async fn let_in(
        &self,
        room: &Room,
        view: &View,
        ticket: &Ticket,
    ) -> Result<Option<Signed>, Unavailable> {
        match room.claim(view, ticket).await? {
            ClaimOutcome::Admitted { since, until } => {
                let signed = self.sign(room, view, session_of(ticket), since, until);
                signed.map(Some).map_err(|error| {
                    tracing::error!(%error, "cannot sign a pass");
                    Unavailable::Recovering
                })
            }
            ClaimOutcome::Missed => Ok(None),
            // Seen as called here, and the store has thought better of it: it stands still.
            ClaimOutcome::NotCalled | ClaimOutcome::Resync => Err(Unavailable::Recovering),
        }
    }

    fn sign(
        &self,
        room: &Room,
        view: &View,
        session: SessionId,
        since: Moment,
        until: Moment,
    ) -> Result<Signed, passes::KeyError> {
        let claims = PassClaims {
            iss: PASS_ISSUER.to_owned(),
            aud: PASS_AUDIENCE.to_owned(),
            room: room.config.id.to_string(),
            epoch: view.line.epoch.0,
            sid: session.to_string(),
            sst: since.unix_ms(),
            iat: view.now().unix_seconds(),
            exp: until.unix_seconds(),
        };
        Ok(Signed {
            token: self.keys.passes.sign(&claims)?,
            until,
        })
    }

    // --- what everybody else is shown

    fn show_place(&self, request: &Parts, room: &Room, view: &View, ticket: &Ticket) -> Reply {
        let place = place(room, view, ticket);
        if place.state == "missed" {
            return self.show_missed(request, room);
        }
        if wants_page(&request.headers) {
            return Reply::page(
                StatusCode::OK,
                self.pages.place(&Reader::of(request), &room.config, &place),
            );
        }
        let pause = std::time::Duration::from_millis(place.poll_after_ms);
        let problem = Problem::new(429, "waiting", "Not your turn yet")
            .detail("Ask the status address when your turn comes, then claim.")
            .with("ahead", place.ahead)
            .with("status", super::answers::address(room, "status"));
        Reply::problem(&problem).retry_after(pause)
    }

    fn show_missed(&self, request: &Parts, room: &Room) -> Reply {
        if wants_page(&request.headers) {
            return Reply::page(
                StatusCode::OK,
                self.pages.missed(&Reader::of(request), &room.config),
            );
        }
        let problem = Problem::new(410, "missed", "Your turn has passed, or your visit has ended");
        Reply::problem(
            &problem
                .detail("Join again.")
                .with("join", super::answers::address(room, "join")),
        )
    }

    fn show_shut(&self, request: &Parts, room: &Room, view: &View) -> Reply {
        let message = view.snapshot.control.message.as_deref();
        let page = self
            .pages
            .shut(&Reader::of(request), &room.config, &shut(view), message);
        Reply::page(StatusCode::OK, page)
    }

    fn show_sold_out(&self, request: &Parts, room: &Room, view: &View) -> Reply {
        let message = view.snapshot.control.message.as_deref();
        let page = self
            .pages
            .shut(&Reader::of(request), &room.config, &Shut::SoldOut, message);
        Reply::page(StatusCode::OK, page)
    }

    fn show_rejected(&self, request: &Parts, room: &Room) -> Reply {
        if wants_page(&request.headers) {
            let page = self
                .pages
                .shut(&Reader::of(request), &room.config, &Shut::Rejected, None);
            return Reply::page(StatusCode::FORBIDDEN, page);
        }
        let problem = Problem::new(403, "rejected", "Nobody is let in here");
        Reply::problem(&problem)
    }

    fn must_line_up(&self, room: &Room, view: &View) -> Reply {
        let problem = Problem::new(429, "no-pass", "Line up first")
            .detail("POST to the join address, ask the status address until called, then POST to the claim address.")
            .with("phase", view.phase.as_str())
            .with("join", super::answers::address(room, "join"))
            .with("status", super::answers::address(room, "status"))
            .with("claim", super::answers::address(room, "claim"));
        Reply::problem(&problem).retry_after(std::time::Duration::from_secs(1))
    }

    pub(super) fn unavailable(&self, request: &Parts, room: &Room, why: &Unavailable) -> Outcome {
        let reply = if wants_page(&request.headers) {
            Reply::page(
                StatusCode::SERVICE_UNAVAILABLE,
                self.pages.unavailable(&Reader::of(request), Some(&room.config)),
            )
        } else {
            Reply::problem(&super::answers::unavailable_problem(why))
        };
        Outcome::Answer(reply.retry_after(std::time::Duration::from_secs(2)))
    }
}

/// A pass for a header: it is base64url and dots.
fn in_header(token: &str) -> HeaderValue {
    HeaderValue::from_str(token).unwrap_or(HeaderValue::from_static(""))
}

/// Why nobody can join.
fn shut(view: &View) -> Shut {
    match (view.snapshot.control.switch, view.phase) {
        (Switch::Maintenance, _) => Shut::Maintenance,
        (Switch::Draining, _) => Shut::Draining,
        (
            Switch::Scheduled | Switch::Paused | Switch::QueueAll,
            Phase::Early {
                prequeue_opens,
                doors_open,
            },
        ) => Shut::Early {
            prequeue_opens,
            doors_open,
            now: view.now(),
        },
        _ => Shut::Closed,
    }
}
