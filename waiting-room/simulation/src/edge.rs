//! An edge: what it last saw of the line, what it must not forget, and what it is about to write.

use crate::{
    ledger::Ledger,
    scenario::Scenario,
    store::{Observation, Store},
};
use std::time::Duration;
use waiting_room_domain::{
    Decision, LaneId, LaneMarks, Limits, Marks, Moment, Phase, Policy, Rules, Snapshot, decide,
};

/// Whether an edge does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Up,
    Paused,
    Down,
}

/// A line as an edge saw it.
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    pub(crate) phase: Phase,
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
}

/// A decision that is on its way to the store.
pub(crate) struct Pending {
    pub(crate) fence: u64,
    pub(crate) decided_on: Snapshot,
    pub(crate) decision: Decision,
}

pub(crate) struct Edge {
    pub(crate) index: usize,
    pub(crate) condition: Condition,
    /// It looks every so many ticks.
    pub(crate) lag: u64,
    pub(crate) view: Option<View>,
    pub(crate) pending: Option<Pending>,
    pub(crate) ledger: Ledger,
    /// Who waits for a number, by lane.
    pub(crate) gathered: Vec<Vec<u32>>,
    marks: Marks,
}

impl View {
    /// By which rules it is decided who comes next.
    pub(crate) fn policy<'a>(&self, scenario: &'a Scenario) -> Policy<'a> {
        Policy {
            limits: self.limits,
            weights: &scenario.weights,
            method: scenario.method,
            claim_window: scenario.claim_window,
            doors: self.rules.doors,
        }
    }

    /// How far from the opening of the doors.
    pub(crate) fn until_doors(&self, now: Moment) -> Duration {
        match self.phase {
            Phase::Early { doors_open, .. } | Phase::PreQueue { doors_open } => doors_open.since(now),
            Phase::Open { .. } | Phase::Closed => Duration::ZERO,
        }
    }
}

impl Edge {
    pub(crate) fn new(index: usize, lanes: usize) -> Self {
        Self {
            index,
            condition: Condition::Up,
            lag: 1,
            view: None,
            pending: None,
            ledger: Ledger::new(),
            gathered: vec![Vec::new(); lanes],
            marks: Marks {
                lanes: vec![LaneMarks::default(); lanes],
                ..Marks::default()
            },
        }
    }

    /// Stands still, unless it is down anyway.
    pub(crate) fn pause(&mut self) {
        if self.condition == Condition::Up {
            self.condition = Condition::Paused;
        }
    }

    /// Looks at the line as the edge's follower does; answers whether the store answered.
    pub(crate) fn look(&mut self, store: &mut Store, scenario: &Scenario, now: Moment) -> bool {
        self.marks.log_length = self.ledger.length();
        let Some(seen) = store.observe(self.index, &self.marks, now) else {
            return false;
        };
        let Observation {
            snapshot,
            lease,
            log_length,
            log,
        } = seen;
        self.remember(&snapshot);
        self.ledger.extend(log);
        let lost = self.ledger.lost_by(log_length);
        let restored = lost.is_empty() || store.restore_log(log_length, lost, now).is_some();
        let (_, phase) = scenario.schedule.at(snapshot.taken_at);
        let view = View {
            phase,
            rules: Rules::of(&phase, snapshot.control.switch),
            limits: snapshot.control.limits(scenario.limits),
            snapshot,
        };
        self.pending = lease
            .filter(|_| restored)
            .and_then(|fence| self.decide(&view, scenario, fence, log_length));
        self.view = Some(view);
        true
    }

    fn decide(&self, view: &View, scenario: &Scenario, fence: u64, log_length: u64) -> Option<Pending> {
        // Who has not read all of the log yet must not add to it.
        if view.snapshot.is_recovering() || self.ledger.length() != log_length {
            return None;
        }
        let mut decision = decide(&view.snapshot, &view.policy(scenario));
        self.ledger
            .write(scenario.method, scenario.seed, &view.snapshot, &mut decision);
        Some(Pending {
            fence,
            decided_on: view.snapshot.clone(),
            decision,
        })
    }

    fn remember(&mut self, snapshot: &Snapshot) {
        for (memory, lane) in self.marks.lanes.iter_mut().zip(&snapshot.lanes) {
            *memory = memory.merge(LaneMarks::from(lane));
        }
        if snapshot.draw_step > self.marks.draw_step {
            self.marks.draw_step = snapshot.draw_step;
            self.marks.rounds = snapshot.lanes.iter().map(|lane| lane.rounds.clone()).collect();
        }
    }

    /// Somebody holds this number.
    pub(crate) fn saw_number(&mut self, lane: LaneId, number: u64) {
        if let Some(lane) = self.marks.lanes.get_mut(lane.index()) {
            lane.issued = lane.issued.max(number + 1);
        }
    }

    /// Every number of the lane below this was dealt, as far as the edge knows.
    pub(crate) fn issued(&self, lane: LaneId) -> u64 {
        self.marks.lanes.get(lane.index()).map_or(0, |lane| lane.issued)
    }
}
