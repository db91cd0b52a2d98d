//! A shopper's place in line: read from the ticket, or given.

use super::{CookieNames, Gate};
use crate::rooms::{Room, Unavailable, View};
use http::HeaderMap;
use serde::Serialize;
use std::time::Duration;
use waiting_room_domain::{Moment, Phase, RoomTag, SessionId, Standing, Ticket, TicketId, WaitRange};

/// Where a shopper stands, as told to apps and to the page.
#[derive(Debug, Clone, Serialize)]
pub struct Place<'a> {
    room: &'a str,
    /// `waiting`, `called` or `missed`.
    pub(super) state: &'static str,
    number: u64,
    pub(super) ahead: u64,
    pub(super) behind: u64,
    /// Nothing when nobody can know.
    pub(crate) wait_seconds: Option<Wait>,
    /// When to ask again.
    pub(crate) poll_after_ms: u64,
    /// Until when a called ticket may be claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_before_unix_ms: Option<u64>,
    phase: &'static str,
    paused: bool,
    users_per_minute: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    doors_open_unix_ms: Option<u64>,
    server_time_unix_ms: u64,
    /// The store is silent: places are kept, nobody is let in meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    holding: bool,
    /// Only when it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<&'a str>,
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

/// A ticket that was just given.
pub(super) struct Given {
    pub(super) ticket: Ticket,
    pub(super) sealed: String,
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

    /// A place at the end of the line.
    pub(super) async fn give_place(&self, room: &Room) -> Result<Given, Unavailable> {
        let (line, number, issued_at) = room.join().await?;
        let id: TicketId = clock::random_bytes();
        let ticket = Ticket {
            room: RoomTag::from(&line.room),
            epoch: line.epoch,
            number,
            issued_at,
            id,
        };
        Ok(Given {
            sealed: self.keys.tickets.seal(&ticket),
            ticket,
        })
    }
}

/// Where a ticket stands. Reads memory only; the same for every way to ask.
pub(super) fn place<'a>(room: &'a Room, view: &View, ticket: &Ticket) -> Place<'a> {
    let (standing, wait) = room.standing(view, ticket);
    let (state, ahead, behind, claim_before) = match standing {
        Standing::Waiting { ahead, behind } => ("waiting", ahead, behind, None),
        Standing::Called { until } => ("called", 0, 0, until),
        Standing::Missed => ("missed", 0, 0, None),
    };
    let now = view.now();
    Place {
        room: room.config.id.as_str(),
        state,
        number: ticket.number,
        ahead,
        behind,
        wait_seconds: wait.map(Wait::from),
        poll_after_ms: poll_after_ms(room, view, ticket, wait, ahead, now),
        claim_before_unix_ms: claim_before.map(Moment::unix_ms),
        phase: view.phase.as_str(),
        paused: view.snapshot.control.paused,
        users_per_minute: view.limits.users_per_minute,
        doors_open_unix_ms: doors_open(&view.phase).map(Moment::unix_ms),
        server_time_unix_ms: now.unix_ms(),
        holding: view.is_stale(),
        ticket: None,
    }
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
    // Spread by ticket and time, so that a shopper is not always the late one.
    let spread = ticket
        .number
        .wrapping_add(now.unix_ms())
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 48;
    let spread = u32::try_from(spread).unwrap_or(0);
    let pause = room
        .pacing
        .poll_after(wait, ahead, view.snapshot.waiting(), spread);
    let until_doors = doors_open(&view.phase).map_or(Duration::ZERO, |at| at.since(now));
    let far_from_doors = until_doors > Duration::from_secs(60);
    let pause = if far_from_doors {
        pause.max(Duration::from_secs(10))
    } else {
        pause
    };
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
