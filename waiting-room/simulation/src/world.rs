//! The world: shoppers, edges and the store, and the clock that they all live by.

use crate::{
    Happening, Report, Scenario, Violation,
    crowd::{NEVER, POLITE, Shopper, Step},
    early_arrival_z,
    edge::{Condition, Edge, Pending},
    figures::{Figures, float},
    model::{Model, Verdict},
    scenario::{BEGINNING, CLOCK_AHEAD},
    store::{RECOVERY, Reach, Store},
    wheel::{STEP_MS, Wheel},
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use std::time::Duration;
use waiting_room_domain::{Advance, ControlChange, Doors, Moment};

const TICK_MS: u64 = 100;
/// A drop, as far as it has gone.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Xoshiro256PlusPlus,
    /// Milliseconds since the beginning.
    pub(crate) at: u64,
    pub(crate) clock_ahead_ms: u64,
    pub(crate) store: Store,
    pub(crate) edges: Vec<Edge>,
    pub(crate) crowd: Vec<Shopper>,
    pub(crate) wheel: Wheel,
    pub(crate) model: Model,
    pub(crate) figures: Figures,
    /// What is still to happen, the next at the end.
    plan: Vec<(u64, Happening)>,
    /// Until then, sessions that the store has forgotten may be on beside those that it let in instead.
    forgot_until: u64,
    /// The rate of the last decision.
    users_per_minute: u32,
}

impl World {
    /// The world before anything has happened.
    pub fn new(scenario: Scenario) -> Self {
        let lanes = scenario.weights.len();
        let mut plan = scenario.happenings.clone();
        plan.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut world = Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(scenario.seed),
            at: 0,
            clock_ahead_ms: millis(CLOCK_AHEAD),
            store: Store::new(),
            edges: (0..scenario.edges).map(|edge| Edge::new(edge, lanes)).collect(),
            crowd: Vec::with_capacity(scenario.shoppers as usize),
            wheel: Wheel::new(),
            model: Model::new(lanes, scenario.limits.max_active, scenario.method),
            figures: Figures::new(),
            plan,
            forgot_until: 0,
            users_per_minute: scenario.limits.users_per_minute,
            scenario,
        };
        for index in 0..world.scenario.shoppers {
            let shopper = world.newcomer();
            world.wheel.put(index, u64::from(shopper.due));
            world.crowd.push(shopper);
        }
        world
    }

    fn newcomer(&mut self) -> Shopper {
        let prequeue = millis(self.scenario.prequeue);
        let arrivals = millis(self.scenario.arrivals).max(1);
        let due = if self.chance(self.scenario.behaviour.early) {
            self.up_to(prequeue)
        } else {
            prequeue + self.up_to(arrivals)
        };
        let leaves = if self.chance(self.scenario.behaviour.leave) {
            let longest = millis(self.scenario.longest) / 2;
            narrow(due + self.up_to(longest))
        } else {
            NEVER
        };
        let lanes = self.scenario.weights.len();
        Shopper {
            number: 0,
            due: narrow(due),
            until: 0,
            since: 0,
            leaves,
            lane: u8::try_from(self.rng.random_range(0..lanes)).unwrap_or(0),
            step: Step::Join,
            joins: 0,
            manners: if self.chance(self.scenario.behaviour.polite) {
                POLITE
            } else {
                0
            },
        }
    }

    /// Lets it all happen. `progress` is told every ten virtual seconds.
    ///
    /// # Errors
    /// [`Violation`] at the first promise that is broken.
    pub fn run(&mut self, mut progress: impl FnMut(&Self)) -> Result<Report, Violation> {
        let longest = millis(self.scenario.longest);
        while self.at < longest && self.wheel.count() > 0 {
            self.at += STEP_MS;
            self.step().map_err(|what| Violation {
                seed: self.scenario.seed,
                at_ms: self.at,
                what,
            })?;
            if self.at.is_multiple_of(10_000) {
                progress(self);
            }
        }
        Ok(self.report())
    }

    /// Where it stands, for whoever watches.
    pub fn progress(&self) -> String {
        format!(
            "{:>5} s: {} came in, {} places or visits open, {} polls, {} in the last minute, worst minute off by {:.2} %",
            self.at / 1_000,
            self.figures.admitted,
            self.wheel.count(),
            self.figures.polls,
            self.figures.claims_of_minute(),
            self.figures.rate_error.unwrap_or(0.0) * 100.0,
        )
    }

    fn step(&mut self) -> Verdict {
        while let Some((_, happening)) = self.plan.pop_if(|(at, _)| *at <= self.at) {
            self.happen(happening)?;
        }
        for edge in 0..self.edges.len() {
            self.happen(Happening::Write { edge })?;
            if self.looks_now(edge) {
                self.happen(Happening::Look { edge })?;
            }
        }
        for shopper in self.wheel.turn(self.at) {
            self.happen(Happening::Visit { shopper })?;
        }
        for edge in 0..self.edges.len() {
            self.happen(Happening::Deal { edge })?;
        }
        if self.at.is_multiple_of(TICK_MS) {
            self.tick();
        }
        Ok(())
    }

    /// Edges look in turn, not together.
    fn looks_now(&self, edge: usize) -> bool {
        let offset = edge as u64 * STEP_MS % TICK_MS;
        self.at % (TICK_MS * self.edges[edge].lag) == offset
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        use Happening::*;
        if happening.disturbs() {
            self.figures.disturbances += 1;
            self.figures.disturb(self.at);
        }
        match happening {
            Visit { shopper } => return self.visit(shopper),
            Look { edge } => return self.look(edge),
            Write { edge } => return self.write(edge),
            Deal { edge } => return self.deal(edge),
            Crash { edge } => {
                self.edges[edge] = Edge::new(edge, self.scenario.weights.len());
                self.edges[edge].condition = Condition::Down;
            }
            Pause { edge } => self.edges[edge].pause(),
            Restart { edge } | Wake { edge } => self.edges[edge].condition = Condition::Up,
            Lag { edge, ticks } => self.edges[edge].lag = ticks,
            Silence => self.store.reach = Reach::Mute,
            Speak => self.store.reach = Reach::Fine,
            Save => self.store.save(),
            RollBack => self.lose(Store::roll_back),
            Wipe => self.lose(Store::wipe),
            ClockStep { by_ms } => {
                self.clock_ahead_ms = self.clock_ahead_ms.saturating_add_signed(by_ms);
                // Sessions end by the store's clock; the model hears of those that are on as late as the step is long.
                let late = by_ms.unsigned_abs() + millis(self.scenario.session.length);
                self.forgot_until = self.forgot_until.max(self.at + late);
            }
            SetLimits {
                users_per_minute,
                max_active,
            } => self.change(&ControlChange {
                users_per_minute: Some(Some(users_per_minute)),
                max_active: Some(Some(max_active)),
                ..ControlChange::default()
            }),
            SetSwitch { switch } => self.change(&ControlChange {
                switch: Some(switch),
                ..ControlChange::default()
            }),
        }
        Ok(())
    }

    /// The store forgets, unless there is no edge that could tell it.
    fn lose(&mut self, how: impl FnOnce(&mut Store)) {
        let somebody_knows = self
            .edges
            .iter()
            .any(|edge| edge.condition == Condition::Up && edge.view.is_some());
        self.store.reach = Reach::Fine;
        if somebody_knows {
            how(&mut self.store);
            let session = &self.scenario.session;
            let ignorance = session.length + RECOVERY + self.scenario.claim_window + session.hard_cap;
            self.forgot_until = self.forgot_until.max(self.at + millis(ignorance));
        }
    }

    fn change(&mut self, change: &ControlChange) {
        let now = self.now();
        if self.store.change_control(change, now).is_some() {
            self.model.cap = self
                .model
                .cap
                .max(u64::from(change.max_active.flatten().unwrap_or(0)));
        }
    }

    fn look(&mut self, edge: usize) -> Verdict {
        let now = self.now();
        let edge = &mut self.edges[edge];
        if edge.condition != Condition::Up || !edge.look(&mut self.store, &self.scenario, now) {
            return Ok(());
        }
        self.model.saw_log(edge.ledger.length(), edge.ledger.head())?;
        let Some(view) = &edge.view else { return Ok(()) };
        if view.snapshot.is_recovering() {
            return Ok(());
        }
        for (lane, index) in view.snapshot.lanes.iter().zip(0..) {
            self.model.saw_called(index, lane.called.min(lane.issued))?;
        }
        if self.at >= self.forgot_until {
            self.model.occupied(view.snapshot.outstanding())?;
        }
        Ok(())
    }

    fn write(&mut self, index: usize) -> Verdict {
        let edge = &mut self.edges[index];
        if edge.condition != Condition::Up {
            return Ok(());
        }
        let Some(pending) = edge.pending.take() else {
            return Ok(());
        };
        let revision = pending.decided_on.revision;
        let now = self.now();
        let written = self
            .store
            .advance(index, pending.fence, revision, &pending.decision, now);
        // An answer that is lost says nothing: the next look tells.
        let may_be_written = written != Some(Advance::Stale) && self.store.reach != Reach::Silent;
        if self.store.reach == Reach::Mute {
            self.store.reach = Reach::Silent;
        }
        if may_be_written {
            self.decided(index, &pending)
        } else {
            Ok(())
        }
    }

    fn decided(&mut self, index: usize, pending: &Pending) -> Verdict {
        let Pending {
            decided_on, decision, ..
        } = pending;
        let lanes = decision.lanes.iter().zip(&decided_on.lanes);
        let more: u64 = lanes
            .map(|(after, before)| after.called.saturating_sub(before.called))
            .sum();
        let reserved = decided_on.active + decided_on.outstanding();
        if more > 0 && reserved + more > self.model.cap {
            return Err(format!(
                "{more} places called beside {reserved}, of at most {}",
                self.model.cap
            ));
        }
        for ((after, before), lane) in decision.lanes.iter().zip(&decided_on.lanes).zip(0..) {
            let below = after.called.min(before.issued);
            self.model.called(lane, after.called, below, decision.decided_at);
        }
        if let Some(drawn) = &decision.drawn {
            for ((rounds, before), lane) in drawn.iter().zip(&decided_on.lanes).zip(0..) {
                let (from, to) = before.rounds.pending().unwrap_or((0, 0));
                let rank = |number| rounds.rank(self.scenario.method, before.called, number);
                self.model.drawn(lane, from, to, rank)?;
            }
        }
        let view = self.edges[index].view.as_ref();
        self.users_per_minute = view.map_or(0, |view| view.limits.users_per_minute);
        let open = view.is_some_and(|view| view.rules.doors == Doors::Open);
        // Five seconds' worth of people must be there, or the line is not what is measured.
        let few = decided_on.waiting() < u64::from(self.users_per_minute / 12);
        if !open || few || decision.full {
            self.figures.disturb(self.at);
        }
        Ok(())
    }

    fn tick(&mut self) {
        if self.store.reach == Reach::Mute {
            self.store.reach = Reach::Silent;
        }
        self.figures.tick(self.at, self.users_per_minute);
    }

    fn report(&self) -> Report {
        let waiting = self
            .crowd
            .iter()
            .filter(|shopper| shopper.step != Step::Gone && !shopper.is_in());
        Report {
            shoppers: self.crowd.len() as u64,
            edges: self.edges.len(),
            rate_error: self.figures.rate_error,
            rate_error_at_ms: self.figures.rate_error_at_ms,
            minutes_measured: self.figures.minutes_measured,
            overshoot: self.model.overshoot,
            places_lost: self.model.places_lost,
            numbers_doubled: self.model.numbers_doubled,
            shuffle_statistic: self.shuffle_statistic(),
            polls_per_second_highest: self.figures.polls_highest,
            polls_per_second_mean: float(self.figures.polls) * 1_000.0 / float(self.at.max(1)),
            admitted: self.figures.admitted,
            came_too_late: self.figures.came_too_late,
            walked_away: self.figures.walked_away,
            left_waiting: waiting.count() as u64,
            disturbances: self.figures.disturbances,
            virtual_seconds: self.at / 1_000,
            seed: self.scenario.seed,
        }
    }

    /// Of the first draw of the first lane.
    fn shuffle_statistic(&self) -> Option<f64> {
        let ranges = self.edges.iter().find_map(|edge| edge.ledger.first_draw());
        let first = ranges?
            .first()
            .filter(|range| self.scenario.method.draws() && range.from == 0)?;
        early_arrival_z(self.model.ranks(0, usize::try_from(first.to).ok()?))
    }

    // --- small things

    /// The store's clock.
    pub(crate) fn now(&self) -> Moment {
        BEGINNING.plus(Duration::from_millis(self.at + self.clock_ahead_ms))
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// Up to so many milliseconds.
    pub(crate) fn up_to(&mut self, ms: u64) -> u64 {
        self.rng.random_range(0..=ms)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds of a drop in four bytes: there is room for seven weeks.
pub(crate) fn narrow(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(NEVER - 1)
}
