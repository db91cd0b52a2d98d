//! The store: the domain's `LineState` behind what Redis adds to it (its scripts are the text that this follows):
//! lives, standing still, leases with fencing tokens, and sessions learnt from passes. It can forget and fall silent.

use crate::ledger::LOG_LINES_AT_ONCE;
use std::{collections::HashMap, time::Duration};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, JoinGroup, JoinOutcome, LineState, Marks, Moment,
    Renewal, SessionId, SessionRule, Snapshot,
};

/// As `waiting_room::store::LEASE`.
const LEASE: Duration = Duration::from_millis(500);
/// As `waiting_room::store::RECOVERY`.
pub(crate) const RECOVERY: Duration = Duration::from_millis(1_000);

/// Whether the store is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Fine,
    /// It does what it is asked, and the answers are lost.
    Mute,
    Silent,
}

/// What an edge sees when it looks.
pub(crate) struct Observation {
    pub(crate) snapshot: Snapshot,
    pub(crate) lease: Option<u64>,
    pub(crate) log_length: u64,
    pub(crate) log: Vec<String>,
}

#[derive(Clone)]
struct Life {
    line: LineState,
    incarnation: u64,
    recovering_until: Moment,
    /// Changes that `LineState` does not count itself.
    revisions: u64,
    fence: u64,
    /// How many numbers each lane has dealt.
    issued: Vec<u64>,
    learnt: HashMap<SessionId, Moment>,
}

struct Lease {
    edge: usize,
    fence: u64,
    until: Moment,
}

pub(crate) struct Store {
    life: Option<Life>,
    saved: Option<Life>,
    lives: u64,
    lease: Option<Lease>,
    /// A server that was restarted has no scripts: the line stands still before they are loaded.
    restarted: bool,
    pub(crate) reach: Reach,
}

/// Nothing is an answer that did not come: what was asked may or may not have happened.
pub(crate) type Answer<T> = Option<T>;

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            life: None,
            saved: None,
            lives: 0,
            lease: None,
            restarted: false,
            reach: Reach::Fine,
        }
    }

    // --- what happens to it

    pub(crate) fn save(&mut self) {
        self.saved.clone_from(&self.life);
    }

    pub(crate) fn roll_back(&mut self) {
        self.life = self.saved.take();
        self.lease = None;
        self.restarted = true;
    }

    pub(crate) fn wipe(&mut self) {
        self.life = None;
        self.lease = None;
        self.restarted = true;
    }

    // --- what edges ask of it

    pub(crate) fn join(
        &mut self,
        group: &JoinGroup,
        incarnation: u64,
        issued: u64,
        now: Moment,
    ) -> Answer<JoinOutcome> {
        self.ask(now, |life, _| {
            let Some(life) = life.filter(|life| life.answers(incarnation, now)) else {
                return JoinOutcome::Resync;
            };
            life.join(group, issued, now)
        })
    }

    pub(crate) fn claim(
        &mut self,
        claim: Claim,
        rule: &SessionRule,
        incarnation: u64,
        now: Moment,
    ) -> Answer<ClaimOutcome> {
        self.ask(now, |life, _| {
            let Some(life) = life.filter(|life| life.answers(incarnation, now)) else {
                return ClaimOutcome::Resync;
            };
            let outcome = life.line.claim(claim, rule, now);
            if matches!(outcome, ClaimOutcome::Admitted { .. }) {
                life.learnt.remove(&claim.session);
            }
            outcome
        })
    }

    pub(crate) fn renew(
        &mut self,
        renewal: Renewal,
        rule: &SessionRule,
        now: Moment,
    ) -> Answer<Option<Moment>> {
        self.ask(now, |life, _| {
            life.and_then(|life| life.renew(renewal, rule, now))
        })
    }

    pub(crate) fn end(&mut self, session: SessionId, now: Moment) -> Answer<bool> {
        self.ask(now, |life, _| {
            life.is_some_and(|life| {
                let learnt = life.learnt.remove(&session);
                life.line.end(session, now) || learnt.is_some_and(|until| until > now)
            })
        })
    }

    pub(crate) fn observe(&mut self, edge: usize, marks: &Marks, now: Moment) -> Answer<Observation> {
        if self.reach != Reach::Silent && self.life.is_none() {
            self.lives += 1;
            self.life = Some(Life::begin(self.lives, now));
        }
        self.ask(now, |life, lease| {
            let life = life?;
            let snapshot = life.look(marks, now);
            let lease = life.lease(lease, edge, now);
            let (log, log_length) = life.line.log_from(marks.log_length);
            Some(Observation {
                snapshot,
                lease,
                log_length,
                log: log.iter().take(LOG_LINES_AT_ONCE).cloned().collect(),
            })
        })
        .flatten()
    }

    pub(crate) fn advance(
        &mut self,
        edge: usize,
        fence: u64,
        revision: u64,
        decision: &Decision,
        now: Moment,
    ) -> Answer<Advance> {
        self.ask(now, |life, lease| {
            let held = lease.as_ref().filter(|lease| lease.until > now);
            let is_held = held.is_some_and(|lease| lease.edge == edge && lease.fence == fence);
            match life.filter(|life| is_held && now >= life.recovering_until) {
                Some(life) => life.advance(revision, decision, now),
                None => Advance::Stale,
            }
        })
    }

    pub(crate) fn restore_log(&mut self, at: u64, lines: &[String], now: Moment) -> Answer<bool> {
        self.ask(now, |life, _| {
            life.is_some_and(|life| life.line.restore_log(at, lines))
        })
    }

    pub(crate) fn change_control(&mut self, change: &ControlChange, now: Moment) -> Answer<()> {
        self.ask(now, |life, _| {
            if let Some(life) = life {
                life.line.change_control(change, Some("operator"), now);
            }
        })
    }

    fn ask<T>(
        &mut self,
        now: Moment,
        work: impl FnOnce(Option<&mut Life>, &mut Option<Lease>) -> T,
    ) -> Answer<T> {
        if self.reach == Reach::Silent {
            return None;
        }
        if std::mem::take(&mut self.restarted)
            && let Some(life) = &mut self.life
        {
            life.stand_still(now);
        }
        let answer = work(self.life.as_mut(), &mut self.lease);
        (self.reach == Reach::Fine).then_some(answer)
    }
}

impl Life {
    fn begin(incarnation: u64, now: Moment) -> Self {
        Self {
            line: LineState::new(incarnation),
            incarnation,
            recovering_until: now.plus(RECOVERY),
            revisions: 0,
            fence: 0,
            issued: Vec::new(),
            learnt: HashMap::new(),
        }
    }

    fn answers(&self, incarnation: u64, now: Moment) -> bool {
        self.incarnation == incarnation && now >= self.recovering_until
    }

    fn stand_still(&mut self, now: Moment) {
        self.recovering_until = now.plus(RECOVERY);
        self.revisions += 1;
    }

    fn join(&mut self, group: &JoinGroup, edge_knows: u64, now: Moment) -> JoinOutcome {
        if self.issued.get(group.lane.index()).copied().unwrap_or(0) < edge_knows {
            return JoinOutcome::Resync;
        }
        let outcome = self.line.join(group, self.incarnation, now);
        if let JoinOutcome::Dealt { first, .. } = outcome {
            let lanes = self.issued.len().max(group.lane.index() + 1);
            self.issued.resize(lanes, 0);
            self.issued[group.lane.index()] = first + u64::from(group.count);
        }
        outcome
    }

    fn look(&mut self, marks: &Marks, now: Moment) -> Snapshot {
        self.line.restore(marks, now, RECOVERY);
        let mut snapshot = self.line.observe(now);
        self.issued = snapshot.lanes.iter().map(|lane| lane.issued).collect();
        self.recovering_until = self.recovering_until.max(snapshot.recovering_until);
        snapshot.active += self.learnt.values().filter(|until| **until > now).count() as u64;
        snapshot.recovering_until = self.recovering_until;
        snapshot.revision += self.revisions;
        snapshot
    }

    /// The lease, taken if it is free.
    fn lease(&mut self, lease: &mut Option<Lease>, edge: usize, now: Moment) -> Option<u64> {
        let held = lease.as_ref().filter(|lease| lease.until > now);
        let fence = match held {
            Some(lease) if lease.edge != edge => return None,
            Some(lease) => lease.fence,
            None => {
                self.fence += 1;
                self.fence
            }
        };
        *lease = Some(Lease {
            edge,
            fence,
            until: now.plus(LEASE),
        });
        Some(fence)
    }

    fn advance(&mut self, revision: u64, decision: &Decision, now: Moment) -> Advance {
        self.learnt.retain(|_, until| *until > decision.decided_at);
        let Some(revision) = revision.checked_sub(self.revisions) else {
            return Advance::Stale;
        };
        self.line.advance(revision, decision, now)
    }

    /// For one session's length after a life began, passes tell which sessions there were.
    fn renew(&mut self, renewal: Renewal, rule: &SessionRule, now: Moment) -> Option<Moment> {
        if let Some((_, until)) = self.line.renew(&[renewal], rule, now).pop() {
            return Some(until);
        }
        let known = self
            .learnt
            .get(&renewal.session)
            .copied()
            .filter(|until| *until > now);
        let is_learning = now < self.recovering_until.plus(rule.length);
        let longest = renewal.since.plus(rule.hard_cap);
        if longest <= now || (known.is_none() && !is_learning) {
            return None;
        }
        let until = now.plus(rule.length).min(longest);
        let until = known.map_or(until, |known| known.max(until));
        self.learnt.insert(renewal.session, until);
        Some(until)
    }
}
