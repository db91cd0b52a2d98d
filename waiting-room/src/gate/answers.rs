//! What is addressed to the waiting room itself: `/.waiting-room/…` and the published keys.

use super::{
    CookieNames, Gate, accepts_page,
    entering::{NoPlace, is_worthless, refusal_problem},
    place::{Given, Place, StockBody, doors_open, place, session_of},
    wants_page,
};
use crate::{
    entrance::{Head, Visitor},
    pages::{self, Reader},
    reply::{Reply, json_to_http1},
    rooms::{Room, Unavailable, View},
};
use contract::Problem;
use http::{HeaderValue, Method, StatusCode, header::ALLOW, header::CACHE_CONTROL, request::Parts};
use serde::Serialize;
use std::{net::IpAddr, sync::Arc, time::Duration};
use waiting_room_domain::{LaneId, Moment, Standing};

pub(super) const PREFIX: &str = "/.waiting-room/";
pub(super) const JWKS_PATH: &str = "/.well-known/jwks.json";

/// The address of one of a room's actions.
pub(super) fn address(room: &Room, action: &str) -> String {
    format!("{PREFIX}{}/{action}", room.config.id)
}

/// What a visitor is told when nothing can be done right now.
pub(super) fn unavailable_problem(why: &Unavailable) -> Problem {
    match why {
        Unavailable::NotJoinable => Problem::new(409, "not-joinable", "Nobody can join now")
            .detail("See the room's snapshot for when."),
        Unavailable::SoldOut => Problem::new(409, "sold-out", "Everything is sold out")
            .detail("The line opens again if something comes back."),
        _ => Problem::new(503, "unavailable", "Not available right now")
            .detail("Nobody loses a place. Try again in a moment."),
    }
}

/// Whether a path is the address where one joins some room.
pub(crate) fn is_join(path: &str) -> bool {
    path.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.ends_with("/join"))
}

#[derive(Debug, Serialize)]
struct PublicSnapshot<'a> {
    room: &'a str,
    title: &'a str,
    method: &'static str,
    phase: &'static str,
    switch: &'static str,
    epoch: u32,
    issued: u64,
    called: u64,
    waiting: u64,
    users_per_minute: u32,
    /// What is left for whoever comes now, if the room knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<StockBody>,
    /// From these a client computes its own place: its rank is its number, or drawn by the seed of its round.
    lanes: Vec<PublicLane<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// The public log so far, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<PublicLog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doors_open_unix_ms: Option<u64>,
    server_time_unix_ms: u64,
}

#[derive(Debug, Serialize)]
struct PublicLane<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    issued: u64,
    called: u64,
    settled_below: u64,
    /// `frozen below;from:to:seed,…`
    rounds: String,
}

#[derive(Debug, Serialize)]
struct PublicLog {
    length: u64,
    head: String,
}

#[derive(Debug, Serialize)]
struct PassBody<'a> {
    pass: &'a str,
    expires_at_unix_ms: u64,
}

impl Gate {
    /// Answers `/.waiting-room/<rest>`.
    pub(super) async fn answer(&self, request: &Parts, visitor: &Visitor, rest: &str) -> Reply {
        if let Some(name) = rest.strip_prefix("assets/") {
            return only(&request.method, &[Method::GET, Method::HEAD], || {
                pages::asset(name).unwrap_or_else(not_found)
            });
        }
        let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(room) = self.rooms.by_id(id) else {
            return not_found();
        };
        let Some(cookies) = self.cookies(room) else {
            return not_found();
        };
        let Some(view) = room.view().clone() else {
            return retry_soon(&Unavailable::NotSeenYet);
        };
        match (&request.method, action) {
            (&Method::GET | &Method::HEAD, "") => snapshot(room, &view),
            (&Method::GET | &Method::HEAD, "log") => public_log(room, &view, request.uri.query()),
            (&Method::GET | &Method::HEAD, "fairness") if room.config.keeps_log => {
                let page = self.pages.fairness(&Reader::of(request), &room.config);
                Reply::page(StatusCode::OK, page)
            }
            (&Method::GET | &Method::HEAD, "status") => {
                let status = self.status(room, &view, cookies.ticket(&request.headers));
                status.map_or_else(|refusal| refusal, |place| told(StatusCode::OK, &place))
            }
            (&Method::GET, "challenge") => self.challenge(room),
            (&Method::POST, "join") => {
                let reader = Reader::of(request);
                let browser = wants_page(&request.headers).then_some(&reader);
                self.place_for(cookies, room, &view, &request.headers, visitor, browser)
                    .await
            }
            (&Method::POST, "claim") => self.claim(cookies, room, &view, request, visitor).await,
            (&Method::POST, "leave") => self.leave(cookies, room, &view, request).await,
            (&Method::GET | &Method::HEAD, action) if action.starts_with("assets/") => {
                let name = action.trim_start_matches("assets/");
                self.pages
                    .room_asset(&room.config, name)
                    .unwrap_or_else(not_found)
            }
            (_, "" | "status" | "log" | "fairness") => not_allowed("GET, HEAD"),
            (&Method::GET, "events") => retry_soon(&Unavailable::NotSeenYet),
            (_, "events" | "challenge") => not_allowed("GET"),
            (_, "join" | "claim" | "leave") => not_allowed("POST"),
            _ => not_found(),
        }
    }

    pub(super) fn published_keys(&self, method: &Method) -> Reply {
        only(method, &[Method::GET, Method::HEAD], || {
            let keys: serde_json::Value = serde_json::from_str(&self.jwks).unwrap_or_default();
            Reply::json(StatusCode::OK, &keys)
                .instead(&CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))
        })
    }

    /// The waiting shopper's poll, answered from memory as HTTP/1.1; nothing waits. Nothing when the room is not known
    /// (yet): then the long way answers.
    pub fn poll(&self, room: &str, head: &impl Head) -> Option<Vec<u8>> {
        let room = self.rooms.by_id(room)?;
        let names = self.cookies(room)?;
        let view = room.view();
        let view = view.as_ref()?;
        Some(match self.status(room, view, names.ticket(head)) {
            Ok(place) => json_to_http1(&place.to_json(), place.poll_after_ms, place.told_at()),
            Err(refusal) => refusal.to_http1(view.now()),
        })
    }

    /// Where a shopper stands, for every way to ask.
    fn status<'a>(&self, room: &'a Room, view: &'a View, sealed: Option<&[u8]>) -> Result<Place<'a>, Reply> {
        let ticket = sealed.and_then(|sealed| self.open_ticket(room, view, sealed));
        let ticket = ticket.ok_or_else(|| no_ticket(room))?;
        let place = place(room, view, &ticket);
        let pause = Duration::from_millis(place.poll_after_ms);
        self.polls_in_time(room, &ticket, place.told_at(), pause)
            .map_err(|wait| self.too_many_polls(room, pause, wait))?;
        Ok(place)
    }

    /// A join, by the same parts of a request as [`Self::poll`].
    pub async fn join(
        &self,
        room: &str,
        head: &impl Head,
        address: Option<IpAddr>,
    ) -> Option<(Reply, Moment)> {
        let room = self.rooms.by_id(room)?;
        let names = self.cookies(room)?;
        let view = room.view().clone()?;
        let accepts = head.value("accept-language");
        let reader = Reader::accepting(accepts);
        let browser = accepts_page(head.value("accept")).then_some(&reader);
        let visitor = Visitor {
            address,
            ..Visitor::default()
        };
        let reply = self.place_for(names, room, &view, head, &visitor, browser).await;
        Some((reply, view.now()))
    }

    /// The place that the visitor has, or a new one. A `browser` is sent back to the page, which tells the rest.
    async fn place_for(
        &self,
        cookies: &CookieNames,
        room: &Room,
        view: &View,
        head: &impl Head,
        visitor: &Visitor,
        browser: Option<&Reader<'_>>,
    ) -> Reply {
        let known = cookies
            .ticket(head)
            .and_then(|sealed| self.open_ticket(room, view, sealed));
        let known = known.filter(|ticket| !is_worthless(room, view, ticket));
        let given = match known {
            Some(ticket) => Given {
                sealed: self.keys.tickets.seal(&ticket),
                ticket,
                receipt: None,
                is_new: false,
            },
            None => match self.new_place(room, view, head, visitor).await {
                Ok(given) => given,
                Err(NoPlace::Unavailable(unavailable)) => return self.no_place(room, &unavailable, browser),
                Err(NoPlace::Refused(refusal)) => {
                    let Some(reader) = browser else {
                        return refusal_problem(room, &refusal);
                    };
                    let way_back = reader.back_to(&room.config.path);
                    return self.refuse_page(reader, room, &refusal, &way_back, visitor);
                }
            },
        };
        if let Some(reader) = browser {
            let reply = Reply::see_other(&reader.back_to(&room.config.path));
            return cookies.set_place(&given).iter().fold(reply, Reply::with_cookie);
        }
        let status = if given.is_new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let mut place = place(room, view, &given.ticket);
        place.ticket = Some(&given.sealed);
        place.receipt = given.receipt.as_deref();
        let reply = told(status, &place);
        cookies.set_place(&given).iter().fold(reply, Reply::with_cookie)
    }

    /// Nobody could be given a place.
    fn no_place(&self, room: &Room, why: &Unavailable, browser: Option<&Reader<'_>>) -> Reply {
        match (browser, why) {
            (None, _) => retry_soon(why),
            (Some(reader), Unavailable::NotJoinable) => Reply::see_other(&reader.back_to(&room.config.path)),
            (Some(reader), _) => {
                let page = self.pages.unavailable(reader, Some(&room.config));
                Reply::page(StatusCode::SERVICE_UNAVAILABLE, page).retry_after(Duration::from_secs(2))
            }
        }
    }

    async fn claim(
        &self,
        cookies: &CookieNames,
        room: &Room,
        view: &View,
        request: &Parts,
        visitor: &Visitor,
    ) -> Reply {
        let Some(ticket) = self.ticket(cookies, room, view, &request.headers) else {
            return no_ticket(room);
        };
        let standing = view.standing(&room.config, &ticket);
        if let Standing::Waiting { ahead, .. } | Standing::ToBeDrawn { ahead, .. } = standing {
            return not_called(ahead);
        }
        if !view.rules.claims && standing != Standing::Missed {
            return not_called(0);
        }
        if !self.may_claim(room, view, &ticket, &request.headers, visitor) {
            return no_ticket(room);
        }
        match self.let_in(room, view, &ticket).await {
            Ok(Some(signed)) => {
                let body = PassBody {
                    pass: &signed.token,
                    expires_at_unix_ms: signed.until.unix_ms(),
                };
                let cookie = cookies.set_pass(&signed.token, signed.until.since(view.now()));
                Reply::json(StatusCode::OK, &body).with_cookie(&cookie)
            }
            Ok(None) => missed(room),
            Err(unavailable) => retry_soon(&unavailable),
        }
    }

    /// Gives up whatever the visitor holds: the session if one is on, the ticket in any case. A place that waits is
    /// stored nowhere, so forgetting the ticket is leaving.
    async fn leave(&self, cookies: &CookieNames, room: &Room, view: &View, request: &Parts) -> Reply {
        let ticket = self.ticket(cookies, room, view, &request.headers);
        if let Some(ticket) = ticket
            && let Err(unavailable) = room.end(view, session_of(&ticket)).await
        {
            return retry_soon(&unavailable);
        }
        let reply = if wants_page(&request.headers) {
            Reply::page(
                StatusCode::OK,
                self.pages.left(&Reader::of(request), &room.config),
            )
        } else {
            Reply::no_content()
        };
        cookies.forget().iter().fold(reply, Reply::with_cookie)
    }
}

fn told(status: StatusCode, place: &Place<'_>) -> Reply {
    Reply::written_json(status, place.to_json()).retry_after(Duration::from_millis(place.poll_after_ms))
}

fn snapshot(room: &Arc<Room>, view: &View) -> Reply {
    let snapshot = &view.snapshot;
    let config = &room.config;
    let lanes = snapshot.lanes.iter().zip(0u8..);
    let body = PublicSnapshot {
        room: config.id.as_str(),
        title: &config.title,
        method: config.method.as_str(),
        phase: view.phase.as_str(),
        switch: snapshot.control.switch.as_str(),
        epoch: view.line.epoch.0,
        issued: snapshot.issued(),
        called: snapshot.called(),
        waiting: snapshot.waiting(),
        users_per_minute: view.limits.users_per_minute,
        stock: view.stock_ahead(snapshot.waiting()).map(StockBody::from),
        lanes: lanes
            .map(|(lane, id)| PublicLane {
                name: config.lanes.name(LaneId(id)),
                issued: lane.issued,
                called: lane.called.min(lane.issued),
                settled_below: lane.settled_below,
                rounds: lane.rounds.encode(),
            })
            .collect(),
        message: snapshot.control.message.as_deref(),
        log: config.keeps_log.then(|| {
            let ledger = view.ledger();
            PublicLog {
                length: ledger.length(),
                head: ledger.head().to_string(),
            }
        }),
        doors_open_unix_ms: doors_open(&view.phase).map(Moment::unix_ms),
        server_time_unix_ms: view.now().unix_ms(),
    };
    // The same for everybody, so that any cache in front may answer it.
    Reply::json(StatusCode::OK, &body).instead(&CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"))
}

/// The public log of the line, or of a past one that this edge still has: from the line `from` on.
fn public_log(room: &Room, view: &View, query: Option<&str>) -> Reply {
    let asked = |name: &str| {
        let pairs = query.unwrap_or_default().split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
    };
    let number = |name: &str| asked(name).map(|(_, value)| value.parse::<u64>()).transpose();
    let (Ok(from), Ok(epoch)) = (number("from"), number("epoch")) else {
        let problem = Problem::new(400, "bad-query", "from and epoch must be numbers");
        return Reply::problem(&problem);
    };
    let from = from.unwrap_or(0);
    let text = match epoch {
        Some(epoch) if epoch != u64::from(view.line.epoch.0) => room.past_log(epoch, from),
        _ => room.config.keeps_log.then(|| view.ledger().text(from)),
    };
    text.map_or_else(not_found, |text| {
        Reply::text(text).instead(&CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"))
    })
}

fn only(method: &Method, allowed: &[Method], reply: impl FnOnce() -> Reply) -> Reply {
    if allowed.contains(method) {
        reply()
    } else {
        not_allowed("GET, HEAD")
    }
}

pub(super) fn not_found() -> Reply {
    Reply::problem(&Problem::new(404, "not-found", "There is nothing here"))
}

fn not_allowed(allow: &'static str) -> Reply {
    let problem = Problem::new(405, "method-not-allowed", "This address is asked in another way");
    Reply::problem(&problem.detail(format!("Use {allow}."))).with(ALLOW, HeaderValue::from_static(allow))
}

pub(super) fn no_ticket(room: &Room) -> Reply {
    let problem = Problem::new(401, "no-ticket", "No valid ticket for this line");
    Reply::problem(&problem.detail("Join first.").with("join", address(room, "join")))
}

fn not_called(ahead: u64) -> Reply {
    let problem = Problem::new(409, "not-called", "Not your turn yet").with("ahead", ahead);
    Reply::problem(&problem).retry_after(Duration::from_secs(1))
}

fn missed(room: &Room) -> Reply {
    let problem = Problem::new(410, "missed", "Your turn has passed, or your visit has ended");
    Reply::problem(&problem.detail("Join again.").with("join", address(room, "join")))
}

fn retry_soon(why: &Unavailable) -> Reply {
    Reply::problem(&unavailable_problem(why)).retry_after(Duration::from_secs(1))
}
