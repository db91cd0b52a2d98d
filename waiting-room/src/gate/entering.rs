//! The room's entrance, as requests meet it: what it asks, and what whoever is refused is told.

use super::{
    Gate,
    access::is_about_limits,
    answers::{address, not_found, unavailable_problem},
    place::{Given, session_of},
};
use crate::{
    access::{NotKnown, too_many},
    entrance::{
        Asking, Entrance, Entry, Head, Refusal, Visitor, form::JoinForm, lanes::NotInvited, sharing::PassUse,
    },
    pages::{Missing, Reader},
    reply::Reply,
    rooms::{Joining, Room, Unavailable, View},
};
use contract::Problem;
use fairness::hex::Hex;
use http::{StatusCode, request::Parts};
use std::time::Duration;
use waiting_room_domain::{Moment, ProofError, SessionId, Standing, Ticket};

/// Why somebody has got no place.
pub(super) enum NoPlace {
    /// They may not have one.
    Refused(Refusal),
    /// Nobody can have one right now.
    Unavailable(Unavailable),
}

impl From<Refusal> for NoPlace {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for NoPlace {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// How soon one may ask again whose account could not be told.
const KEYS_PAUSE: Duration = Duration::from_secs(5);
/// The window of the limit on joins.
const MINUTE: Duration = Duration::from_secs(60);

impl Gate {
    /// What time it is.
    pub fn now(&self) -> Moment {
        Moment::from_unix_ms(self.clock.unix_ms())
    }

    fn entrance(&self, room: &Room) -> Option<&Entrance> {
        self.entrances.get(room.config.id.as_str()).map(AsRef::as_ref)
    }

    /// Whether a request need not stand in line. `plain` is its path in the plainest form.
    pub(super) fn walks_past(&self, room: &Room, request: &Parts, plain: &str, visitor: &Visitor) -> bool {
        let Some(entrance) = self.entrance(room) else {
            return false;
        };
        let rule = entrance.bypasses.find(
            &request.method,
            plain,
            visitor.address,
            &request.headers,
            self.now(),
        );
        rule.is_some()
    }

    /// Whether somebody may have a place.
    async fn admit(&self, room: &Room, head: &impl Head, visitor: &Visitor) -> Result<Entry, Refusal> {
        let entrance = self.entrance(room).ok_or(Refusal::NotKnown(NotKnown::NoKeys))?;
        let asking = Asking {
            head,
            address: visitor.address,
            invitation: visitor.form.invitation.as_deref().map(str::as_bytes),
            proof: visitor.form.proof.as_deref().map(str::as_bytes),
        };
        entrance.admit(&asking, self.now()).await
    }

    /// A place for who may have one: a new one, or the one that the account or the invitation has.
    pub(super) async fn new_place(
        &self,
        room: &Room,
        view: &View,
        head: &impl Head,
        visitor: &Visitor,
    ) -> Result<Given, NoPlace> {
        // Nobody spends a proof on a line that cannot be joined.
        if !view.rules.joins {
            return Err(Unavailable::NotJoinable.into());
        }
        let entry = self.admit(room, head, visitor).await?;
        self.spend(room, view, &entry).await?;
        let joining = Joining {
            lane: entry.lane,
            holder: entry.holder(),
            instead_of: None,
            returns: self.had_place(room, view, head),
        };
        let mut given = self.give_place(room, joining).await?;
        if !given.is_new && is_worthless(room, view, &given.ticket) {
            // Whoever had a place returns, on whatever device.
            let again = Joining {
                instead_of: Some(given.ticket.id),
                returns: true,
                ..joining
            };
            given = self.give_place(room, again).await?;
        }
        let proofs = self.entrance(room).and_then(|entrance| entrance.proofs.as_ref());
        if let (true, Some(proofs)) = (given.is_new, proofs) {
            proofs.joined(self.now());
        }
        Ok(given)
    }

    /// Whether somebody brings a ticket of this line, whatever it is worth now.
    fn had_place(&self, room: &Room, view: &View, head: &impl Head) -> bool {
        let sealed = self.cookies(room).and_then(|cookies| cookies.ticket(head));
        sealed.is_some_and(|sealed| self.open_ticket(room, view, sealed).is_some())
    }

    /// Uses up what counts once: the proof, and the invitation of an account, which has one place only, too.
    async fn spend(&self, room: &Room, view: &View, entry: &Entry) -> Result<(), NoPlace> {
        let now = self.now();
        if let Some(solved) = &entry.solved {
            let what = format!("proof {}", Hex(&solved.id));
            if !room.spend(&what, solved.expires.since(now)).await? {
                return Err(Refusal::BadProof(ProofError::Expired).into());
            }
        }
        if let (Some(account), Some(invitation)) = (entry.account, &entry.invitation)
            && !room.has_place(view, account).await?
        {
            let what = format!("invitation {} {}", view.line.epoch.0, Hex(&invitation.id));
            if !room.spend(&what, invitation.expires.since(now)).await? {
                return Err(Refusal::NotInvited(NotInvited).into());
            }
        }
        Ok(())
    }

    /// What a browser is shown that cannot have a place. `way_back` is where it wanted to go.
    pub(super) fn refuse_page(
        &self,
        reader: &Reader<'_>,
        room: &Room,
        refusal: &Refusal,
        way_back: &str,
        visitor: &Visitor,
    ) -> Reply {
        let identity = self
            .entrance(room)
            .and_then(|entrance| entrance.identity.as_ref());
        let page = |status, missing| Reply::page(status, self.pages.missing(reader, &room.config, &missing));
        match refusal {
            Refusal::NotKnown(why) if why.is_ours() => {
                let page = self.pages.unavailable(reader, Some(&room.config));
                Reply::page(StatusCode::SERVICE_UNAVAILABLE, page).retry_after(KEYS_PAUSE)
            }
            Refusal::NotKnown(_) => match identity.and_then(|identity| identity.sign_in_address(way_back)) {
                Some(address) => Reply::see_other(&address),
                None => page(StatusCode::UNAUTHORIZED, Missing::Account),
            },
            Refusal::NotInvited(_) => page(StatusCode::FORBIDDEN, Missing::Invitation),
            Refusal::NoProof | Refusal::BadProof(_) => {
                let invitation = visitor.form.invitation.as_deref();
                let again = matches!(refusal, Refusal::BadProof(_));
                page(StatusCode::OK, Missing::Proof { invitation, again })
            }
            Refusal::TooOften(pause) => {
                let page = page(StatusCode::TOO_MANY_REQUESTS, Missing::Patience);
                let told = refusal_problem(room, &Refusal::TooOften(*pause)).headers;
                told.into_iter()
                    .filter(is_about_limits)
                    .fold(page, |page, (name, value)| page.with(name, value))
            }
        }
    }

    /// A puzzle to solve before one joins.
    pub(super) fn challenge(&self, room: &Room) -> Reply {
        let proofs = self.entrance(room).and_then(|entrance| entrance.proofs.as_ref());
        let Some(proofs) = proofs else {
            return not_found();
        };
        Reply::json(
            StatusCode::OK,
            &proofs.challenge(clock::random_bytes(), self.now()),
        )
    }

    /// The answer to who asks about a ticket more often than in each `pause` as many times as the room allows.
    pub(super) fn too_many_polls(&self, room: &Room, pause: Duration, wait: Duration) -> Reply {
        too_many("polls", room.config.entrance.polls_per_pause, pause, wait)
    }

    /// Whether a ticket is asked about as seldom as it should be.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn polls_in_time(
        &self,
        room: &Room,
        ticket: &Ticket,
        now: Moment,
        pause: Duration,
    ) -> Result<(), Duration> {
        match self.entrance(room).and_then(|entrance| entrance.polls.as_ref()) {
            Some(polls) => polls.admit(&ticket.id, now, pause),
            None => Ok(()),
        }
    }

    /// Whether a ticket may be this visitor's. One that is called is as good as a pass, and must not be passed on more
    /// widely.
    pub(super) fn may_claim(
        &self,
        room: &Room,
        view: &View,
        ticket: &Ticket,
        head: &impl Head,
        visitor: &Visitor,
    ) -> bool {
        let called = matches!(view.standing(&room.config, ticket), Standing::Called { .. });
        !called || self.may_use_pass(room, session_of(ticket), head, visitor)
    }

    /// Whether this visitor is one of those who may use the pass of a session.
    pub(super) fn may_use_pass(
        &self,
        room: &Room,
        session: SessionId,
        head: &impl Head,
        visitor: &Visitor,
    ) -> bool {
        let shared = self.entrance(room).and_then(|entrance| entrance.shared.as_ref());
        let (Some(shared), Some(address)) = (shared, visitor.address) else {
            return true;
        };
        let agent = head.value("user-agent").unwrap_or_default();
        let PassUse::Refused { first } = shared.note(session, address, agent) else {
            return true;
        };
        let room = room.config.id.to_string();
        if first {
            tracing::warn!(room, %session, "a pass is used by more clients than it may be; those who came first keep it");
        }
        metrics::counter!("waiting_room_shared_pass_refused_total", "room" => room).increment(1);
        false
    }
}

/// A visitor who looks at a page: an invitation stands in its address.
pub(super) fn by_address(request: &Parts, visitor: &Visitor) -> Visitor {
    let query = request.uri.query().unwrap_or_default();
    Visitor {
        form: JoinForm {
            invitation: JoinForm::read(query.as_bytes()).invitation,
            proof: None,
        },
        address: visitor.address,
    }
}

/// Whether a place is worth nothing any more, so that its holder may have another.
pub(super) fn is_worthless(room: &Room, view: &View, ticket: &Ticket) -> bool {
    view.standing(&room.config, ticket) == Standing::Missed || room.sessions.has_ended(&session_of(ticket))
}

/// What an app is told that cannot have a place.
pub(super) fn refusal_problem(room: &Room, refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::TooOften(pause) => {
            let allowed = room.config.entrance.joins_per_minute;
            too_many("joins", allowed, MINUTE, *pause)
        }
        Refusal::NotKnown(why) if why.is_ours() => {
            Reply::problem(&unavailable_problem(&Unavailable::NotSeenYet)).retry_after(KEYS_PAUSE)
        }
        Refusal::NotKnown(_) => {
            let problem = Problem::new(401, "sign-in-needed", "Sign in first");
            Reply::problem(&problem.detail("Each account gets one place. Join with a valid access token."))
                .with(
                    http::header::WWW_AUTHENTICATE,
                    http::HeaderValue::from_static("Bearer"),
                )
        }
        Refusal::NotInvited(_) => {
            let problem = Problem::new(403, "not-invited", "Not invited");
            Reply::problem(&problem.detail("Join with an invitation that is valid for this room."))
        }
        Refusal::NoProof | Refusal::BadProof(_) => {
            let (name, title) = match refusal {
                Refusal::NoProof => ("proof-needed", "A proof of work is needed"),
                _ => ("proof-refused", "The proof of work does not count"),
            };
            let problem = Problem::new(403, name, title)
                .detail("Solve a challenge and join with its solution. Each counts once.");
            Reply::problem(&problem.with("challenge", address(room, "challenge")))
        }
    }
}
