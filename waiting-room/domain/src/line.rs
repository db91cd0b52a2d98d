//! A line as a value, with everything that can happen to it. The memory store is this and a lock; the Redis
//! store's scripts do the same to the same fields.

use crate::{ControlChange, Decision, Moment, SessionId, SessionRule, Snapshot};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// What an edge remembers of a line, by maximum: what it tells a store that forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Every number below was dealt.
    pub issued: u64,
    /// Every place below was called.
    pub called: u64,
    /// Every place below has had its chance.
    pub settled_below: u64,
}

impl Marks {
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

impl From<&Snapshot> for Marks {
    /// Places called ahead of the joins belong to nobody and are not remembered.
    fn from(snapshot: &Snapshot) -> Self {
        let called = snapshot.called.min(snapshot.issued);
        Self {
            issued: snapshot.issued,
            called,
            settled_below: snapshot.settled_below,
        }
    }
}

/// What became of a group of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The numbers from `first` on, as many as asked for, are theirs and nobody else's.
    Dealt {
        /// The first of them.
        first: u64,
    },
    /// The store is another than the one the edge knew, or is still being told what it forgot: look again first.
    Resync,
}

/// A wish to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The ticket's number.
    pub number: u64,
    /// The session it becomes.
    pub session: SessionId,
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

/// One line, whole. Memory is bounded by the sessions and claim windows, never by the number of people waiting.
#[derive(Debug, Clone, Default)]
pub struct LineState {
    known: Snapshot,
    claims: BTreeMap<u64, SessionId>,
    sessions: HashMap<SessionId, Session>,
}

impl LineState {
    /// An empty line of the given life of the store.
    pub fn new(incarnation: u64) -> Self {
        Self {
            known: Snapshot {
                incarnation,
                ..Snapshot::default()
            },
            ..Self::default()
        }
    }

    /// What edges read.
    pub fn observe(&self, now: Moment) -> Snapshot {
        let active = self
            .sessions
            .values()
            .filter(|session| session.until > now)
            .count();
        Snapshot {
            taken_at: now,
            open_claims: self.claims.len() as u64,
            active: active as u64,
            ..self.known.clone()
        }
    }

    /// Deals `count` numbers.
    pub fn join(&mut self, count: u32, incarnation: u64) -> JoinOutcome {
        if incarnation != self.known.incarnation {
            return JoinOutcome::Resync;
        }
        let first = self.known.issued;
        self.known.issued += u64::from(count);
        JoinOutcome::Dealt { first }
    }

    /// Lets a called ticket in.
    pub fn claim(&mut self, claim: Claim, rule: &SessionRule, now: Moment) -> ClaimOutcome {
        if claim.number < self.known.settled_below {
            return ClaimOutcome::Missed;
        }
        if claim.number >= self.known.called.min(self.known.issued) {
            return ClaimOutcome::NotCalled;
        }
        if self.claims.contains_key(&claim.number) {
            return self.claimed_before(claim.session, now);
        }
        let session = Session {
            since: now,
            until: now.plus(rule.length.min(rule.hard_cap)),
        };
        self.claims.insert(claim.number, claim.session);
        self.sessions.insert(claim.session, session);
        self.known.claimed += 1;
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
    pub fn advance(&mut self, read_revision: u64, decision: &Decision) -> Advance {
        if read_revision != self.known.revision {
            return Advance::Stale;
        }
        // Joins go on while a decision is made: whoever was dealt a called number keeps it.
        let dealt_and_called = self.known.called.min(self.known.issued);
        self.known.called = decision.called.max(dealt_and_called);
        self.settle(decision.settled_below);
        self.known.credit = decision.credit;
        self.known.call_log = decision.call_log.clone();
        self.known.full = decision.full;
        self.known.ticked_at = decision.decided_at;
        self.known.revision += 1;
        self.sessions
            .retain(|_, session| session.until > decision.decided_at);
        Advance::Written
    }

    fn settle(&mut self, settled_below: u64) {
        let open = self.claims.split_off(&settled_below);
        let claimed = std::mem::replace(&mut self.claims, open).len() as u64;
        let settled = settled_below.saturating_sub(self.known.settled_below);
        self.known.missed += settled.saturating_sub(claimed);
        self.known.settled_below = self.known.settled_below.max(settled_below);
    }

    /// Puts an operator's change into force.
    pub fn change_control(&mut self, change: ControlChange) {
        self.known.control = change.on(self.known.control);
        self.known.revision += 1;
    }

    /// Raises what was forgotten to what an edge remembers. Nothing happens to a line that forgot nothing;
    /// otherwise it stands still for `pause`, so that every edge can tell.
    pub fn restore(&mut self, marks: Marks, now: Moment, pause: Duration) {
        let known = Marks {
            issued: self.known.issued,
            called: self.known.called,
            settled_below: self.known.settled_below,
        };
        let merged = known.merge(marks);
        if merged == known {
            return;
        }
        self.known.issued = merged.issued;
        self.known.called = merged.called;
        self.known.settled_below = merged.settled_below;
        self.known.recovering_until = now.plus(pause);
        self.known.revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Doors, Limits, decide};
    use proptest::prelude::*;
    use std::collections::HashSet;

    const RULE: SessionRule = SessionRule {
        length: Duration::from_secs(300),
        sliding: true,
        hard_cap: Duration::from_secs(900),
    };
    const WINDOW: Duration = Duration::from_secs(30);

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    fn session(number: u64) -> SessionId {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&number.to_be_bytes());
        SessionId::from(id)
    }

    fn claim(number: u64) -> Claim {
        Claim {
            number,
            session: session(number),
        }
    }

    fn renewal(number: u64) -> Renewal {
        Renewal {
            session: session(number),
            since: at(0),
        }
    }

    fn tick(line: &mut LineState, now: Moment, limits: Limits) {
        let snapshot = line.observe(now);
        let decision = decide(&snapshot, &limits, WINDOW, Doors::Open);
        assert_eq!(line.advance(snapshot.revision, &decision), Advance::Written);
    }

    #[test]
    fn the_dealt_numbers_are_nobody_elses() {
        let mut line = LineState::new(7);
        assert_eq!(line.join(3, 7), JoinOutcome::Dealt { first: 0 });
        assert_eq!(line.join(1, 7), JoinOutcome::Dealt { first: 3 });
        assert_eq!(line.join(1, 8), JoinOutcome::Resync, "another life of the store");
    }

    #[test]
    fn a_claim_is_granted_once_called_and_the_same_when_repeated() {
        let mut line = LineState::new(1);
        line.join(2, 1);
        assert_eq!(line.claim(claim(0), &RULE, at(0)), ClaimOutcome::NotCalled);
        tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
        let admitted = line.claim(claim(0), &RULE, at(2_000));
        assert_eq!(
            admitted,
            ClaimOutcome::Admitted {
                since: at(2_000),
                until: at(302_000)
            }
        );
        assert_eq!(line.claim(claim(0), &RULE, at(9_000)), admitted);
        assert_eq!(line.observe(at(9_000)).active, 1);
        assert_eq!(line.observe(at(302_000)).active, 0);
    }

    #[test]
    fn a_session_that_ended_does_not_come_back() {
        let mut line = LineState::new(1);
        line.join(1, 1);
        tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
        line.claim(claim(0), &RULE, at(1_000));
        assert!(line.end(session(0), at(2_000)));
        assert!(!line.end(session(0), at(2_000)));
        assert_eq!(line.claim(claim(0), &RULE, at(3_000)), ClaimOutcome::Missed);
        assert!(line.renew(&[renewal(0)], &RULE, at(3_000)).is_empty());
    }

    #[test]
    fn renewing_slides_up_to_the_hard_cap() {
        let mut line = LineState::new(1);
        line.join(1, 1);
        tick(&mut line, at(1_000), Limits::new(60, 10).unwrap());
        line.claim(claim(0), &RULE, at(0));
        let renewed = |line: &mut LineState, now| line.renew(&[renewal(0)], &RULE, at(now));
        assert_eq!(renewed(&mut line, 100_000), [(session(0), at(400_000))]);
        assert_eq!(renewed(&mut line, 390_000), [(session(0), at(690_000))]);
        assert_eq!(renewed(&mut line, 680_000), [(session(0), at(900_000))]);
        assert_eq!(renewed(&mut line, 900_000), []);
    }

    #[test]
    fn an_unclaimed_place_is_missed_and_counted() {
        let mut line = LineState::new(1);
        line.join(2, 1);
        tick(&mut line, at(1_000), Limits::new(6_000, 10).unwrap());
        line.claim(claim(1), &RULE, at(1_500));
        tick(&mut line, at(31_000), Limits::new(6_000, 10).unwrap());
        assert_eq!(line.claim(claim(0), &RULE, at(31_100)), ClaimOutcome::Missed);
        let known = line.observe(at(31_100));
        assert_eq!((known.claimed, known.missed, known.settled_below), (1, 1, 2));
    }

    #[test]
    fn a_line_that_forgot_is_told_and_stands_still_meanwhile() {
        let mut line = LineState::new(2);
        let marks = Marks {
            issued: 50,
            called: 20,
            settled_below: 10,
        };
        line.restore(marks, at(1_000), Duration::from_secs(1));
        let known = line.observe(at(1_500));
        assert_eq!(Marks::from(&known), marks);
        assert!(known.is_recovering());
        assert!(!line.observe(at(2_000)).is_recovering());
        line.restore(Marks::default(), at(9_000), Duration::from_secs(1));
        assert!(
            !line.observe(at(9_000)).is_recovering(),
            "an edge that knows less tells nothing new"
        );
    }

    #[derive(Debug, Clone)]
    enum Happening {
        Join(u32),
        Claim(u64),
        End(u64),
        Renew(u64),
        Tick(u64),
        Limits(u32, u32),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            (1u32..40).prop_map(Happening::Join),
            (0u64..400).prop_map(Happening::Claim),
            (0u64..400).prop_map(Happening::End),
            (0u64..400).prop_map(Happening::Renew),
            (50u64..40_000).prop_map(Happening::Tick),
            (0u32..100_000, 1u32..60).prop_map(|(rate, max)| Happening::Limits(rate, max)),
        ]
    }

    proptest! {
        /// Whatever happens, in whatever order: numbers are dealt once, the called stay called, and claims never
        /// bring the sessions over the highest limit that was in force when their places were called.
        #[test]
        fn the_promises_hold(happenings in proptest::collection::vec(happening(), 1..200)) {
            let mut line = LineState::new(1);
            let mut now = at(1_000);
            let mut limits = Limits::new(6_000, 20).unwrap();
            let mut cap = u64::from(limits.max_active);
            let mut dealt = HashSet::new();
            for happening in happenings {
                let before = line.observe(now);
                match happening {
                    Happening::Join(count) => {
                        let JoinOutcome::Dealt { first } = line.join(count, 1) else { panic!("same life") };
                        prop_assert!((first..first + u64::from(count)).all(|number| dealt.insert(number)));
                    }
                    Happening::Claim(number) => { line.claim(claim(number), &RULE, now); }
                    Happening::End(number) => { line.end(session(number), now); }
                    Happening::Renew(number) => { line.renew(&[renewal(number)], &RULE, now); }
                    Happening::Tick(ms) => {
                        now = now.plus(Duration::from_millis(ms));
                        tick(&mut line, now, limits);
                    }
                    Happening::Limits(rate, max_active) => {
                        limits = Limits::new(rate, max_active).unwrap();
                        cap = cap.max(u64::from(max_active));
                    }
                }
                let after = line.observe(now);
                prop_assert!(after.called.min(after.issued) >= before.called.min(before.issued));
                prop_assert!(after.settled_below >= before.settled_below);
                prop_assert!(after.settled_below <= after.called.min(after.issued));
                prop_assert!(after.active <= cap, "{} sessions, cap {cap}", after.active);
                prop_assert!(after.active + after.outstanding() <= cap.max(before.active + before.outstanding()));
            }
        }
    }
}
