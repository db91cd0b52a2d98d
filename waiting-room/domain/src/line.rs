//! A line as a value, with everything that can happen to it. The memory store is this and a lock; the Redis
//! store's scripts do the same to the same fields.

use crate::{
    ControlChange, Decision, LANES_MAX, Lane, LaneId, Moment, Rounds, SessionId, SessionRule, Snapshot,
    TicketId,
};
use fairness::hex::Hex;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

/// What an edge remembers of a lane, by maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneMarks {
    /// Every number below was dealt.
    pub issued: u64,
    /// Every place below was called.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
}

impl LaneMarks {
    /// The higher of each.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            issued: self.issued.max(other.issued),
            called: self.called.max(other.called),
            settled_below: self.settled_below.max(other.settled_below),
        }
    }
}

impl From<&Lane> for LaneMarks {
    /// Places called ahead of the joins belong to nobody and are not remembered.
    fn from(lane: &Lane) -> Self {
        Self {
            issued: lane.issued,
            called: lane.called.min(lane.issued),
            settled_below: lane.settled_below,
        }
    }
}

/// What an edge remembers of a line: what it tells a store that forgot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Marks {
    /// Every lane of the room, by its [`LaneId`].
    pub lanes: Vec<LaneMarks>,
    /// Counts the draws frozen and revealed.
    pub draw_step: u64,
    /// Every lane's rounds at that step.
    pub rounds: Vec<Rounds>,
    /// How many lines of the public log it has.
    pub log_length: u64,
}

impl From<&Snapshot> for Marks {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            lanes: snapshot.lanes.iter().map(LaneMarks::from).collect(),
            draw_step: snapshot.draw_step,
            rounds: snapshot.lanes.iter().map(|lane| lane.rounds.clone()).collect(),
            log_length: 0,
        }
    }
}

/// Somebody who can have one place only: an account, or whoever holds an invitation. Nothing in it tells who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder(pub [u8; 16]);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

/// The place that a [`Holder`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The lane.
    pub lane: LaneId,
    /// The number in it.
    pub number: u64,
    /// When it was dealt.
    pub issued_at: Moment,
    /// The ticket's identifier.
    pub id: TicketId,
}

/// One holder who joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderJoin {
    /// Who.
    pub holder: Holder,
    /// The identifier of the ticket to be.
    pub id: TicketId,
    /// The place that they had and that is worth nothing any more.
    pub instead_of: Option<TicketId>,
}

/// A group of joins, dealt numbers in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinGroup {
    /// Which lane.
    pub lane: LaneId,
    /// How many numbers.
    pub count: u32,
    /// The root over their ticket identifiers, for the public log; nothing if the line keeps none.
    pub root: Option<String>,
    /// The first of them that are holders, in their order.
    pub holders: Vec<HolderJoin>,
}

/// What became of a group of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The numbers from `first` on, as many as asked for, are theirs and nobody else's.
    Dealt {
        /// The first of them.
        first: u64,
        /// When.
        at: Moment,
    },
    /// One of the holders has got a place elsewhere meanwhile; nobody was dealt a number. Look them up again.
    Held,
    /// The store is another than the one the edge knew, or is still being told what it forgot: look again first.
    Resync,
}

/// A wish to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The ticket's lane.
    pub lane: LaneId,
    /// Its rank in that lane.
    pub rank: u64,
    /// The session it becomes.
    pub session: SessionId,
    /// How long after its call it comes ([`crate::delay_index`]).
    pub delay_index: usize,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The session is on, until then. Claiming again answers the same session.
    Admitted {
        /// When the session began.
        since: Moment,
        /// When it ends, unless it is prolonged.
        until: Moment,
    },
    /// It is not its turn yet.
    NotCalled,
    /// Its time has passed, or its session has ended.
    Missed,
    /// As [`JoinOutcome::Resync`].
    Resync,
}

/// A session whose shopper is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Which.
    pub session: SessionId,
    /// When it began, as its pass says.
    pub since: Moment,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It is in force.
    Written,
    /// Something had changed since it was read, or another edge holds the lease; nothing was written.
    Stale,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    since: Moment,
    until: Moment,
}

/// One line, whole. Memory is bounded by the sessions, claim windows and holders, never by the number of people
/// waiting.
#[derive(Debug, Clone, Default)]
pub struct LineState {
    known: Snapshot,
    claims: Vec<BTreeMap<u64, SessionId>>,
    sessions: HashMap<SessionId, Session>,
    holders: HashMap<Holder, Held>,
    log: Vec<String>,
}

impl LineState {
    /// An empty line of the given life of the store.
    pub fn new(incarnation: u64) -> Self {
        let known = Snapshot {
            incarnation,
            ..Snapshot::default()
        };
        let mut line = Self {
            known,
            ..Self::default()
        };
        line.widen(1);
        line
    }

    /// What edges read.
    pub fn observe(&self, now: Moment) -> Snapshot {
        let active = self
            .sessions
            .values()
            .filter(|session| session.until > now)
            .count();
        let mut snapshot = Snapshot {
            taken_at: now,
            active: active as u64,
            ..self.known.clone()
        };
        for (lane, claims) in snapshot.lanes.iter_mut().zip(&self.claims) {
            lane.open_claims = claims.len() as u64;
        }
        snapshot
    }

    /// The lines of the public log from `known` on, and how many there are.
    pub fn log_from(&self, known: u64) -> (&[String], u64) {
        let from = usize::try_from(known).unwrap_or(usize::MAX).min(self.log.len());
        (&self.log[from..], self.log.len() as u64)
    }

    /// Sees to it that the line has so many lanes.
    pub fn widen(&mut self, lanes: usize) {
        let lanes = lanes.clamp(self.known.lanes.len(), LANES_MAX);
        self.known.lanes.resize_with(lanes, Lane::default);
        self.claims.resize_with(lanes, BTreeMap::default);
    }

    /// Deals numbers to a group.
    pub fn join(&mut self, group: &JoinGroup, incarnation: u64, now: Moment) -> JoinOutcome {
        if incarnation != self.known.incarnation {
            return JoinOutcome::Resync;
        }
        let has = |join: &HolderJoin| self.holders.get(&join.holder).map(|held| held.id);
        if group.holders.iter().any(|join| has(join) != join.instead_of) {
            return JoinOutcome::Held;
        }
        self.widen(group.lane.index() + 1);
        let Some(lane) = self.known.lanes.get_mut(group.lane.index()) else {
            return JoinOutcome::Resync;
        };
        let first = lane.issued;
        lane.issued += u64::from(group.count);
        for (join, number) in group.holders.iter().zip(first..) {
            let held = Held {
                lane: group.lane,
                number,
                issued_at: now,
                id: join.id,
            };
            self.holders.insert(join.holder, held);
        }
        if let Some(root) = &group.root {
            let (at, lane, count) = (now.unix_ms(), group.lane, group.count);
            self.log.push(format!("join {at} {lane} {first} {count} {root}"));
        }
        JoinOutcome::Dealt { first, at: now }
    }

    /// The place that somebody has.
    pub fn held_by(&self, holder: &Holder) -> Option<Held> {
        self.holders.get(holder).copied()
    }

    /// Lets a called ticket in.
    pub fn claim(&mut self, claim: Claim, rule: &SessionRule, now: Moment) -> ClaimOutcome {
        let Some(lane) = self.known.lanes.get(claim.lane.index()) else {
            return ClaimOutcome::Missed;
        };
        if claim.rank < lane.settled_below {
            return ClaimOutcome::Missed;
        }
        if claim.rank >= lane.called.min(lane.issued) {
            return ClaimOutcome::NotCalled;
        }
        let claims = &mut self.claims[claim.lane.index()];
        if claims.contains_key(&claim.rank) {
            return self.claimed_before(claim.session, now);
        }
        let session = Session {
            since: now,
            until: now.plus(rule.length.min(rule.hard_cap)),
        };
        claims.insert(claim.rank, claim.session);
        self.sessions.insert(claim.session, session);
        self.known.claimed += 1;
        if let Some(count) = self.known.claims_by_delay.get_mut(claim.delay_index) {
            *count += 1;
        }
        ClaimOutcome::Admitted {
            since: session.since,
            until: session.until,
        }
    }

    fn claimed_before(&self, session: SessionId, now: Moment) -> ClaimOutcome {
        match self.sessions.get(&session).filter(|session| session.until > now) {
            Some(session) => ClaimOutcome::Admitted {
                since: session.since,
                until: session.until,
            },
            None => ClaimOutcome::Missed,
        }
    }

    /// Prolongs sessions that are still on, and answers until when; the others are not in the answer.
    pub fn renew(
        &mut self,
        renewals: &[Renewal],
        rule: &SessionRule,
        now: Moment,
    ) -> Vec<(SessionId, Moment)> {
        let prolonged = renewals.iter().filter_map(|renewal| {
            let session = self
                .sessions
                .get_mut(&renewal.session)
                .filter(|session| session.until > now)?;
            let longest = renewal.since.plus(rule.hard_cap);
            session.until = session.until.max(now.plus(rule.length).min(longest));
            Some((renewal.session, session.until))
        });
        prolonged.collect()
    }

    /// Ends a session; its place is free at once. Answers whether it was on.
    pub fn end(&mut self, session: SessionId, now: Moment) -> bool {
        self.sessions
            .remove(&session)
            .is_some_and(|session| session.until > now)
    }

    /// Puts a decision into force, if nothing has changed since its snapshot was taken.
    pub fn advance(&mut self, read_revision: u64, decision: &Decision, now: Moment) -> Advance {
        if read_revision != self.known.revision || decision.lanes.len() != self.known.lanes.len() {
            return Advance::Stale;
        }
        for (index, decided) in decision.lanes.iter().enumerate() {
            self.settle(index, decided.settled_below);
            let lane = &mut self.known.lanes[index];
            // Joins go on while a decision is made: whoever was dealt a called number keeps it.
            let dealt_and_called = lane.called.min(lane.issued);
            lane.called = decided.called.max(dealt_and_called);
            lane.turn = decided.turn;
            lane.call_log = decided.call_log.clone();
        }
        if let Some(drawn) = &decision.drawn {
            for (lane, rounds) in self.known.lanes.iter_mut().zip(drawn) {
                lane.rounds = rounds.clone();
            }
            self.known.draw_step += 1;
        }
        self.log.extend(decision.log.iter().cloned());
        if decision.freeze {
            self.freeze(now);
        }
        self.known.credit = decision.credit;
        self.known.claims_counted = decision.claims_counted;
        self.known.turnout = decision.turnout.clone();
        self.known.full = decision.full;
        self.known.autopilot.clone_from(&decision.autopilot);
        self.known.stock.clone_from(&decision.stock);
        self.known.ticked_at = decision.decided_at;
        self.known.revision += 1;
        self.sessions
            .retain(|_, session| session.until > decision.decided_at);
        Advance::Written
    }

    fn settle(&mut self, lane: usize, settled_below: u64) {
        let claims = &mut self.claims[lane];
        let open = claims.split_off(&settled_below);
        let claimed = std::mem::replace(claims, open).len() as u64;
        let lane = &mut self.known.lanes[lane];
        let settled = settled_below.saturating_sub(lane.settled_below);
        lane.missed += settled.saturating_sub(claimed);
        lane.settled_below = lane.settled_below.max(settled_below);
    }

    /// Freezes everybody who waits undrawn, in every lane.
    fn freeze(&mut self, now: Moment) {
        let lanes = self.known.lanes.iter_mut().enumerate();
        let frozen = lanes.map(|(index, lane)| {
            let (from, to) = lane.rounds.freeze(lane.called, lane.issued);
            format!("{index}:{from}:{to}")
        });
        let frozen = frozen.collect::<Vec<_>>().join(",");
        let (at, draw) = (now.unix_ms(), self.known.draws);
        self.log.push(format!("freeze {at} {draw} {frozen}"));
        self.known.draws += 1;
        self.known.draw_step += 1;
        self.known.frozen_at = now;
    }

    /// Puts an operator's change into force, and notes who made it.
    pub fn change_control(&mut self, change: &ControlChange, actor: Option<&str>, now: Moment) {
        self.known.control = change.on(&self.known.control);
        self.known.revision += 1;
        if let Some(actor) = actor {
            let at = now.unix_ms();
            self.log.push(format!("operator {at} {actor} {change}"));
        }
    }

    /// Raises what was forgotten to what an edge remembers. Nothing happens to a line that forgot nothing;
    /// otherwise it stands still for `pause`, so that every edge can tell.
    pub fn restore(&mut self, marks: &Marks, now: Moment, pause: Duration) {
        self.widen(marks.lanes.len());
        let mut raised = marks.log_length > self.log.len() as u64;
        for (lane, marks) in self.known.lanes.iter_mut().zip(&marks.lanes) {
            let known = LaneMarks {
                issued: lane.issued,
                called: lane.called,
                settled_below: lane.settled_below,
            };
            let merged = known.merge(*marks);
            raised |= merged != known;
            lane.issued = merged.issued;
            lane.called = merged.called;
            lane.settled_below = merged.settled_below;
        }
        if marks.draw_step > self.known.draw_step {
            for (lane, rounds) in self.known.lanes.iter_mut().zip(&marks.rounds) {
                lane.rounds = rounds.clone();
            }
            self.known.draw_step = marks.draw_step;
            self.known.draws = self.known.draws.max(draws_at(marks.draw_step));
            raised = true;
        }
        if raised {
            self.known.recovering_until = now.plus(pause);
            self.known.revision += 1;
        }
    }

    /// Adds the lines that the log has lost, if they follow on what it has.
    pub fn restore_log(&mut self, at: u64, lines: &[String]) -> bool {
        let fits = at == self.log.len() as u64;
        if fits {
            self.log.extend_from_slice(lines);
        }
        fits
    }
}

/// Every draw takes two steps: it is frozen, then revealed.
fn draws_at(draw_step: u64) -> u32 {
    u32::try_from(draw_step.div_ceil(2)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
