//! What shoppers do, and what the edges answer: the same questions to the same functions as behind the real gate.

use crate::{
    World,
    crowd::{NEVER, POLITE, Shopper, Step, WAS_AWAY},
    edge::{Condition, View},
    model::Verdict,
    scenario::BEGINNING,
    world::{millis, narrow},
};
use rand::RngExt;
use std::time::Duration;
use waiting_room_domain::{
    Claim, ClaimOutcome, JoinGroup, JoinOutcome, Moment, Renewal, Standing, delay_index, wait_range,
};

/// Numbers dealt in one round trip at most, as by the edge's joiner.
const DEALT_MAX: usize = 8_192;
/// Who was told to try again does so after this.
const TRY_AGAIN_MS: u64 = 1_000;

impl World {
    pub(crate) fn visit(&mut self, index: u32) -> Verdict {
        let shopper = self.crowd[index as usize];
        if self.at < u64::from(shopper.due) {
            self.wheel.put(index, u64::from(shopper.due));
            return Ok(());
        }
        if !shopper.is_in() && u64::from(shopper.leaves) <= self.at {
            self.walk_away(index);
            return Ok(());
        }
        match shopper.step {
            Step::Join => self.ask_for_a_place(index),
            Step::Poll => return self.poll(index),
            Step::Claim => return self.claim(index),
            Step::Stay => self.stay(index),
            Step::Gone => {}
        }
        Ok(())
    }

    fn walk_away(&mut self, index: u32) {
        self.figures.walked_away += 1;
        let comes_back = self.chance(self.scenario.behaviour.come_back);
        let shopper = &mut self.crowd[index as usize];
        shopper.leaves = NEVER;
        shopper.manners |= WAS_AWAY;
        let away = self.up_to(120_000);
        if comes_back {
            self.again(index, self.crowd[index as usize].step, away);
        } else {
            self.crowd[index as usize].step = Step::Gone;
        }
    }

    /// The next step, after a while.
    fn again(&mut self, index: u32, step: Step, after_ms: u64) {
        let due = self.at + after_ms;
        let shopper = &mut self.crowd[index as usize];
        shopper.step = step;
        shopper.due = narrow(due);
        self.wheel.put(index, due);
    }

    fn try_again(&mut self, index: u32, step: Step) {
        let after = TRY_AGAIN_MS + self.up_to(TRY_AGAIN_MS);
        self.again(index, step, after);
    }

    /// Whichever edge the balancer picks, if that one answers.
    fn some_edge(&mut self) -> Option<usize> {
        let edge = self.rng.random_range(0..self.edges.len());
        (self.edges[edge].condition == Condition::Up).then_some(edge)
    }

    // --- joining

    fn ask_for_a_place(&mut self, index: u32) {
        match self.some_edge() {
            Some(edge) => {
                let lane = usize::from(self.crowd[index as usize].lane);
                self.edges[edge].gathered[lane].push(index);
            }
            None => self.try_again(index, Step::Join),
        }
    }

    pub(crate) fn deal(&mut self, edge: usize) -> Verdict {
        for lane in 0..self.scenario.weights.len() {
            let mut gathered = std::mem::take(&mut self.edges[edge].gathered[lane]);
            for group in gathered.chunks(DEALT_MAX) {
                self.deal_to(edge, lane, group)?;
            }
            gathered.clear();
            self.edges[edge].gathered[lane] = gathered;
        }
        Ok(())
    }

    fn deal_to(&mut self, edge: usize, lane: usize, group: &[u32]) -> Verdict {
        let Some(&[one, ..]) = group.first_chunk::<1>() else {
            return Ok(());
        };
        let lane_id = self.crowd[one as usize].lane();
        let now = self.now();
        let outcome = self.edges[edge].view.as_ref().filter(|view| {
            let draws_next = self.scenario.method.draws() && view.snapshot.draws == 0;
            view.rules.joins && (!draws_next || self.edges[edge].ledger.has_committed(0))
        });
        let outcome = outcome.and_then(|view| {
            let join = JoinGroup {
                lane: lane_id,
                count: u32::try_from(group.len()).unwrap_or(0),
                root: self.scenario.logs_joins.then(|| format!("{one:064x}")),
                holders: Vec::new(),
            };
            let known = self.edges[edge].issued(lane_id);
            self.store.join(&join, view.snapshot.incarnation, known, now)
        });
        let Some(JoinOutcome::Dealt { first, .. }) = outcome else {
            for shopper in group {
                self.try_again(*shopper, Step::Join);
            }
            return Ok(());
        };
        self.edges[edge].saw_number(lane_id, first + group.len() as u64 - 1);
        self.model.dealt(lane, first, group)?;
        for (index, number) in group.iter().zip(first..) {
            let shopper = &mut self.crowd[*index as usize];
            shopper.number = narrow(number);
            shopper.joins += 1;
            self.answer(*index, edge)?;
        }
        Ok(())
    }

    // --- waiting

    fn poll(&mut self, index: u32) -> Verdict {
        let edge = self.some_edge().filter(|edge| self.edges[*edge].view.is_some());
        let Some(edge) = edge else {
            self.try_again(index, Step::Poll);
            return Ok(());
        };
        self.figures.poll();
        let shopper = self.crowd[index as usize];
        self.edges[edge].saw_number(shopper.lane(), u64::from(shopper.number));
        self.answer(index, edge)
    }

    /// Tells a shopper where the ticket stands; from that follows what happens next.
    fn answer(&mut self, index: u32, edge: usize) -> Verdict {
        let now = self.now();
        let shopper = self.crowd[index as usize];
        let Some(view) = &self.edges[edge].view else {
            self.try_again(index, Step::Poll);
            return Ok(());
        };
        let (method, window) = (self.scenario.method, self.scenario.claim_window);
        let number = u64::from(shopper.number);
        let standing = view.snapshot.standing(method, shopper.lane(), number, window);
        if let Some(rank) = rank_of(view, &shopper, standing) {
            self.model.ranked(usize::from(shopper.lane), number, rank)?;
        }
        match standing {
            Standing::Missed => {
                let rank = view.snapshot.rank(method, shopper.lane(), number);
                self.missed(index, rank, now)
            }
            Standing::Called { .. } if view.rules.claims => {
                self.called(index);
                Ok(())
            }
            _ => {
                let pause = self.poll_after(view, &shopper, standing, now);
                self.again(index, Step::Poll, millis(pause));
                Ok(())
            }
        }
    }

    /// When to ask again, as the gate tells it.
    fn poll_after(&self, view: &View, shopper: &Shopper, standing: Standing, now: Moment) -> Duration {
        let (ahead, wait) = match standing {
            Standing::Waiting { ahead, .. } => {
                let policy = view.policy(&self.scenario);
                (ahead, wait_range(&view.snapshot, &policy, shopper.lane(), ahead))
            }
            Standing::ToBeDrawn { ahead, .. } => (ahead, None),
            _ => (0, None),
        };
        let spread = u64::from(shopper.number).wrapping_add(now.unix_ms());
        let spread = spread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        let spread = u32::try_from(spread).unwrap_or(0);
        let pacing = &self.scenario.pacing;
        let pause = pacing.poll_after(wait, ahead, view.snapshot.waiting(), spread);
        if view.until_doors(now) > Duration::from_secs(60) {
            pause.max(Duration::from_secs(10))
        } else {
            pause
        }
    }

    fn called(&mut self, index: u32) {
        if self.chance(self.scenario.behaviour.no_show) {
            self.figures.walked_away += 1;
            self.crowd[index as usize].step = Step::Gone;
            return;
        }
        // Pages claim by themselves, people think.
        let thinks = if self.chance(60) { 0 } else { self.up_to(3_000) };
        self.again(index, Step::Claim, thinks);
    }

    fn missed(&mut self, index: u32, rank: Option<u64>, now: Moment) -> Verdict {
        let shopper = self.crowd[index as usize];
        if let Some(rank) = rank {
            let window = self.scenario.claim_window;
            self.model.missed(usize::from(shopper.lane), rank, window, now)?;
        }
        if !shopper.is(WAS_AWAY) {
            self.figures.came_too_late += 1;
        }
        if shopper.joins < 3 && self.chance(self.scenario.behaviour.join_again) {
            let after = self.up_to(10_000);
            self.again(index, Step::Join, after);
        } else {
            self.crowd[index as usize].step = Step::Gone;
        }
        Ok(())
    }

    // --- coming in

    fn claim(&mut self, index: u32) -> Verdict {
        let now = self.now();
        let shopper = self.crowd[index as usize];
        let edge = self.some_edge().filter(|edge| {
            let view = self.edges[*edge].view.as_ref();
            view.is_some_and(|view| view.rules.claims)
        });
        let claim = edge.and_then(|edge| self.claim_at(edge, index, &shopper, now));
        let Some((rank, outcome)) = claim else {
            self.try_again(index, Step::Poll);
            return Ok(());
        };
        match outcome {
            Some(ClaimOutcome::Admitted { since, until }) => {
                let number = u64::from(shopper.number);
                self.model
                    .admitted(usize::from(shopper.lane), number, rank, index)?;
                self.figures.claim();
                self.come_in(index, since, until);
                Ok(())
            }
            Some(ClaimOutcome::Missed) => self.missed(index, Some(rank), now),
            Some(ClaimOutcome::NotCalled | ClaimOutcome::Resync) | None => {
                self.try_again(index, Step::Claim);
                Ok(())
            }
        }
    }

    /// The rank that was claimed, and what the store answered.
    fn claim_at(
        &mut self,
        edge: usize,
        index: u32,
        shopper: &Shopper,
        now: Moment,
    ) -> Option<(u64, Option<ClaimOutcome>)> {
        let (method, window) = (self.scenario.method, self.scenario.claim_window);
        let snapshot = &self.edges[edge].view.as_ref()?.snapshot;
        let number = u64::from(shopper.number);
        let rank = snapshot.rank(method, shopper.lane(), number)?;
        let since_call = match snapshot.standing(method, shopper.lane(), number, window) {
            Standing::Called {
                since: Some(since), ..
            } => now.since(since),
            _ => Duration::ZERO,
        };
        let claim = Claim {
            lane: shopper.lane(),
            rank,
            session: shopper.session(index),
            delay_index: delay_index(since_call),
        };
        let incarnation = snapshot.incarnation;
        Some((
            rank,
            self.store.claim(claim, &self.scenario.session, incarnation, now),
        ))
    }

    fn come_in(&mut self, index: u32, since: Moment, until: Moment) {
        let visit = self.up_to(millis(self.scenario.behaviour.visit));
        let leaves = narrow(self.at + visit);
        let shopper = &mut self.crowd[index as usize];
        shopper.since = own(since);
        shopper.until = own(until);
        shopper.leaves = leaves;
        self.stay_on(index);
    }

    /// The next request, or the end of the visit.
    fn stay_on(&mut self, index: u32) {
        let shopper = self.crowd[index as usize];
        let expires = u64::from(shopper.until).saturating_sub(self.clock_ahead_ms);
        let next = self.at + millis(self.scenario.session.length) / 3;
        let next = next.min(u64::from(shopper.leaves)).min(expires);
        self.again(index, Step::Stay, next.saturating_sub(self.at));
    }

    fn stay(&mut self, index: u32) {
        let now = self.now();
        let shopper = self.crowd[index as usize];
        let until = BEGINNING.plus(Duration::from_millis(u64::from(shopper.until)));
        if until <= now {
            return self.leave(index);
        }
        if u64::from(shopper.leaves) <= self.at {
            if shopper.is(POLITE) {
                // The session is over for its edge, whether the store hears of it or not.
                let _ = self.store.end(shopper.session(index), now);
                return self.leave(index);
            }
            // No request any more; the session goes on until it expires.
            self.crowd[index as usize].leaves = NEVER;
            let rest = until.since(now);
            return self.again(index, Step::Stay, millis(rest));
        }
        let renewal = Renewal {
            session: shopper.session(index),
            since: BEGINNING.plus(Duration::from_millis(u64::from(shopper.since))),
        };
        if shopper.leaves != NEVER
            && let Some(Some(until)) = self.store.renew(renewal, &self.scenario.session, now)
        {
            self.crowd[index as usize].until = own(until);
        }
        self.stay_on(index);
    }

    fn leave(&mut self, index: u32) {
        self.model.active -= 1;
        self.crowd[index as usize].step = Step::Gone;
    }
}

/// The rank that a shopper can tell from the answer, as long as it is of interest.
fn rank_of(view: &View, shopper: &Shopper, standing: Standing) -> Option<u64> {
    let lane = view.snapshot.lane(shopper.lane())?;
    match standing {
        _ if view.snapshot.is_recovering() => None,
        Standing::Waiting { ahead, .. } => Some(lane.called + ahead),
        // Whoever is called is checked when claiming.
        _ => None,
    }
}

/// A moment of the store's clock in four bytes.
fn own(moment: Moment) -> u32 {
    narrow(millis(moment.since(BEGINNING)))
}
