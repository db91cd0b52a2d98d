//! A shopper's place in line: read from the ticket, or given.

mod json;

use super::{CookieNames, Gate};
use crate::rooms::{Dealt, Joining, Room, StockAhead, Unavailable, View};
use http::HeaderMap;
use serde::Serialize;
use std::time::Duration;
use waiting_room_domain::{Doors, Moment, Phase, SessionId, Standing, Switch, Ticket, WaitRange};

/// Where a shopper stands, as told to apps and to the page.
#[derive(Debug, Clone, Serialize)]
pub struct Place<'a> {
    room: &'a str,
    /// `waiting`, `to_be_drawn`, `called`, `missed` or `closed`.
    pub(super) state: &'static str,
    number: u64,
    /// The lane's name, if the room has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'a str>,
    pub(super) ahead: u64,
    pub(super) behind: u64,
    /// How many take part in the draw, so far; only while it is to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    among: Option<u64>,
    /// Nothing when nobody can know.
    pub(crate) wait_seconds: Option<Wait>,
    /// When to ask again.
    pub(crate) poll_after_ms: u64,
    /// Until when a called ticket may be claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_before_unix_ms: Option<u64>,
    phase: &'static str,
    switch: &'static str,
    users_per_minute: u32,
    /// What is left, if the room knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<StockBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doors_open_unix_ms: Option<u64>,
    server_time_unix_ms: u64,
    /// The store is silent: places are kept, nobody is let in meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    holding: bool,
    /// What the operator has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// Only when it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<&'a str>,
    /// The proof that the ticket is in the public log; only when the ticket is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt: Option<&'a str>,
}

impl Place<'_> {
    /// When this was so, by the store's clock.
    pub(super) fn told_at(&self) -> Moment {
        Moment::from_unix_ms(self.server_time_unix_ms)
    }
}

/// What is left, and whether it reaches as far as the place.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StockBody {
    left: u64,
    /// `likely`, `unlikely` or `beyond`.
    reach: &'static str,
}

impl From<StockAhead> for StockBody {
    fn from(stock: StockAhead) -> Self {
        Self {
            left: stock.left,
            reach: stock.reach.as_str(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Wait {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

impl From<WaitRange> for Wait {
    fn from(range: WaitRange) -> Self {
        Self {
            low: range.low_seconds,
            high: range.high_seconds,
        }
    }
}

/// Nothing happens so long before the doors open, so nobody need ask often.
const FAR_FROM_DOORS: Duration = Duration::from_secs(60);
const PAUSE_FAR_FROM_DOORS: Duration = Duration::from_secs(10);

/// A ticket that was just given.
pub(super) struct Given {
    pub(super) ticket: Ticket,
    pub(super) sealed: String,
    /// The proof that it is in the public log, as the shopper keeps it.
    pub(super) receipt: Option<String>,
    pub(super) is_new: bool,
}

impl Gate {
    /// The ticket that a request carries for the line that `view` shows, if it is genuine.
    pub(super) fn ticket(
        &self,
        cookies: &CookieNames,
        room: &Room,
        view: &View,
        headers: &HeaderMap,
    ) -> Option<Ticket> {
        self.open_ticket(room, view, cookies.ticket(headers)?)
    }

    /// The ticket that `sealed` is, if it is genuine and of the line that `view` shows.
    pub(super) fn open_ticket(&self, room: &Room, view: &View, sealed: &[u8]) -> Option<Ticket> {
        let ticket = self.keys.tickets.open(sealed).ok()?;
        let of_this_line = ticket.room == room.config.tag && ticket.epoch == view.line.epoch;
        of_this_line.then_some(ticket)
    }

    /// A place at the end of the line, or the one that the holder has.
    pub(super) async fn give_place(&self, room: &Room, joining: Joining) -> Result<Given, Unavailable> {
        let Dealt {
            ticket,
            receipt,
            is_new,
        } = room.join(joining).await?;
        Ok(Given {
            sealed: self.keys.tickets.seal(&ticket),
            receipt: receipt.map(|receipt| receipt.encode()),
            ticket,
            is_new,
        })
    }
}

/// Where a ticket stands. Reads memory only; the same for every way to ask.
pub(super) fn place<'a>(room: &'a Room, view: &'a View, ticket: &Ticket) -> Place<'a> {
    let (standing, wait) = room.standing(view, ticket);
    let stands = Stands::of(standing, view);
    let (now, holding) = view.now_and_stale();
    let control = &view.snapshot.control;
    Place {
        room: room.config.id.as_str(),
        state: stands.state,
        number: ticket.number,
        lane: room.config.lanes.name(ticket.lane),
        ahead: stands.ahead,
        behind: stands.behind,
        among: stands.among,
        wait_seconds: wait.map(Wait::from),
        poll_after_ms: poll_after_ms(room, view, ticket, wait, stands.ahead, now),
        claim_before_unix_ms: stands.claim_before.map(Moment::unix_ms),
        phase: view.phase.as_str(),
        switch: control.switch.as_str(),
        users_per_minute: view.limits.users_per_minute,
        stock: stock(view, &stands),
        doors_open_unix_ms: doors_open(&view.phase).map(Moment::unix_ms),
        server_time_unix_ms: now.unix_ms(),
        holding,
        message: control.message.as_deref(),
        ticket: None,
        receipt: None,
    }
}

/// What is left for somebody who still waits. Who was called is not to be told that nothing is left: a unit that was
/// there a second ago may be theirs.
fn stock(view: &View, stands: &Stands) -> Option<StockBody> {
    let ahead = match stands.state {
        "waiting" => stands.ahead,
        // Anybody may be drawn first, or last: in the middle it is said for most.
        "to_be_drawn" => stands.ahead + stands.among.unwrap_or(0) / 2,
        _ => return None,
    };
    view.stock_ahead(ahead).map(StockBody::from)
}

/// A standing as it is told.
#[derive(Default)]
struct Stands {
    state: &'static str,
    ahead: u64,
    behind: u64,
    among: Option<u64>,
    claim_before: Option<Moment>,
}

impl Stands {
    fn of(standing: Standing, view: &View) -> Self {
        match standing {
            Standing::Missed => Self {
                state: "missed",
                ..Self::default()
            },
            _ if is_over(view) => Self {
                state: "closed",
                ..Self::default()
            },
            // Everybody waits now, whoever was called: their windows stand still.
            Standing::Called { until, .. } if view.rules.claims => Self {
                state: "called",
                claim_before: until,
                ..Self::default()
            },
            Standing::Called { .. } => Self {
                state: "waiting",
                ..Self::default()
            },
            Standing::Waiting { ahead, behind } => Self {
                state: "waiting",
                ahead,
                behind,
                ..Self::default()
            },
            Standing::ToBeDrawn { ahead, among } => Self {
                state: "to_be_drawn",
                ahead,
                among: Some(among),
                ..Self::default()
            },
        }
    }
}

/// Whether nobody is let in any more.
fn is_over(view: &View) -> bool {
    let closed = matches!(view.phase, Phase::Closed) || view.snapshot.control.switch == Switch::Closed;
    closed && !view.rules.claims && view.rules.doors == Doors::Shut
}

pub(super) fn session_of(ticket: &Ticket) -> SessionId {
    SessionId::from(ticket.id)
}

pub(super) fn doors_open(phase: &Phase) -> Option<Moment> {
    match phase {
        Phase::Early { doors_open, .. } | Phase::PreQueue { doors_open } => Some(*doors_open),
        Phase::Open { .. } | Phase::Closed => None,
    }
}

fn poll_after_ms(
    room: &Room,
    view: &View,
    ticket: &Ticket,
    wait: Option<WaitRange>,
    ahead: u64,
    now: Moment,
) -> u64 {
    // Spread by ticket and minute: a shopper is not always the late one, and what was told a moment ago still holds.
    let spread = ticket
        .number
        .wrapping_add(now.unix_seconds() / 60)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 48;
    let spread = u32::try_from(spread).unwrap_or(0);
    let pause = room
        .pacing
        .poll_after(wait, ahead, view.snapshot.waiting(), spread);
    let until_doors = doors_open(&view.phase).map_or(Duration::ZERO, |at| at.since(now));
    // An operator may have opened them before their time.
    let shut = view.rules.doors != Doors::Open;
    let pause = if shut && until_doors > FAR_FROM_DOORS {
        // Spread as well: a pre-queue that gathers before a drop must not ask all in one second.
        pause.max(PAUSE_FAR_FROM_DOORS + PAUSE_FAR_FROM_DOORS / 4 * (spread % 1_024) / 1_024)
    } else {
        pause
    };
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
