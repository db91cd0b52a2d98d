//! A whole sale against what a naive shop would remember: who had a right when.

use super::{Claim, OrderFate, Right, RightState, Sale, Settled};
use crate::limits::DRAW_CLAIM_LASTS;
use contract::{OrderId, ShopperId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

const RIGHT_LASTS: Duration = Duration::hours(1);

/// What happens to the sale. An index names one of the rights that were given.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// The shop looks: rights are settled and the next are offered, at most so many at once.
    Look(u64),
    /// A member places an order.
    Order(usize),
    /// An order is decided, or paid, or over.
    Decided(usize, OrderFate),
    /// Time passes, in minutes.
    Wait(i64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let fate = prop_oneof![
        Just(OrderFate::Held),
        Just(OrderFate::Paid),
        Just(OrderFate::Ended)
    ];
    prop_oneof![
        3 => (1u64..5).prop_map(Happens::Look),
        3 => (0usize..40).prop_map(Happens::Order),
        3 => (0usize..40, fate).prop_map(|(index, fate)| Happens::Decided(index, fate)),
        1 => (1i64..50).prop_map(Happens::Wait),
    ]
}

/// The shop: the books, and the rights by rank.
struct Shop {
    now: OffsetDateTime,
    sale: Sale,
    left: Vec<bool>,
    rights: BTreeMap<u64, Right>,
    fates: BTreeMap<OrderId, OrderFate>,
    orders: u64,
}

impl Shop {
    fn new(units: u64, left: Vec<bool>) -> Self {
        let sale = Sale {
            units,
            entries: left.len() as u64,
            offered_below: 0,
            open: 0,
            bought: 0,
            lapsed: 0,
        };
        Self {
            now: OffsetDateTime::UNIX_EPOCH,
            sale,
            left,
            rights: BTreeMap::new(),
            fates: BTreeMap::new(),
            orders: 0,
        }
    }

    fn look(&mut self, at_most: u64) {
        let (mut bought, mut lapsed) = (0, 0);
        for right in self.rights.values_mut() {
            let order = right.claim.map(|claim| claim.order_id);
            let fate = order.and_then(|order| self.fates.get(&order).copied());
            match right.settle(self.now, fate.unwrap_or(OrderFate::Undecided)) {
                Settled::Keep => {}
                Settled::Free => right.claim = None,
                Settled::Bought => (right.state, bought) = (RightState::Bought, bought + 1),
                Settled::Lapsed => (right.state, lapsed) = (RightState::Lapsed, lapsed + 1),
            }
        }
        self.sale = self.sale.settled(bought, lapsed);
        let ranks = self.sale.due().min(at_most);
        let next = self.sale.offered_below..self.sale.offered_below + ranks;
        let offered: Vec<u64> = next
            .filter(|rank| !self.left[usize::try_from(*rank).unwrap()])
            .collect();
        self.sale = self.sale.offered(ranks, offered.len() as u64);
        let right = Right {
            state: RightState::Open,
            lapses_at: self.now + RIGHT_LASTS,
            claim: None,
        };
        self.rights.extend(offered.into_iter().map(|rank| (rank, right)));
    }

    fn happen(&mut self, event: Happens) {
        match event {
            Happens::Look(at_most) => self.look(at_most),
            Happens::Order(index) => {
                self.orders += 1;
                let id = OrderId::derive(&ShopperId::of_session("x"), "k", self.orders);
                let now = self.now;
                if let Some(right) = self.nth(index)
                    && let Ok(claimed) = right.claim(now, id)
                {
                    *right = claimed;
                }
            }
            Happens::Decided(index, fate) => {
                let claim = self.nth(index).and_then(|right| right.claim);
                let Some(Claim { order_id, .. }) = claim else {
                    return;
                };
                let known = self.fates.get(&order_id).copied();
                // An order is held first, and what was paid or has ended stays so.
                if known.is_none_or(|known| known == OrderFate::Held) {
                    self.fates.insert(order_id, fate);
                }
            }
            Happens::Wait(minutes) => self.now += Duration::minutes(minutes),
        }
    }

    fn nth(&mut self, index: usize) -> Option<&mut Right> {
        self.rights.values_mut().nth(index)
    }

    fn count(&self, state: RightState) -> u64 {
        self.rights.values().filter(|right| right.state == state).count() as u64
    }

    /// Looks until nothing moves any more, while nobody does anything.
    fn run_out(&mut self) {
        for _ in 0..10_000 {
            if self.sale.is_over() {
                return;
            }
            // What is held is paid or over some day.
            for fate in self.fates.values_mut().filter(|fate| **fate == OrderFate::Held) {
                *fate = OrderFate::Ended;
            }
            self.now += RIGHT_LASTS.max(DRAW_CLAIM_LASTS);
            self.look(3);
        }
    }

    /// Checks what must hold after every step.
    fn check(&self) -> Result<(), TestCaseError> {
        let sale = self.sale;
        prop_assert!(
            sale.open + sale.bought <= sale.units,
            "more rights than units: {:?}",
            sale
        );
        prop_assert_eq!(sale.open, self.count(RightState::Open));
        prop_assert_eq!(sale.bought, self.count(RightState::Bought));
        prop_assert_eq!(sale.lapsed, self.count(RightState::Lapsed));
        // Nobody is passed over who wants it, and nobody is offered out of turn.
        for (rank, left) in (0u64..).zip(&self.left) {
            let offered = rank < sale.offered_below && !left;
            prop_assert_eq!(self.rights.contains_key(&rank), offered, "rank {}", rank);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn units_go_to_the_first_in_order_who_buy(
        units in 1u64..8,
        left in prop::collection::vec(prop::bool::weighted(0.2), 0..40),
        story in prop::collection::vec(happens(), 0..120),
    ) {
        let mut shop = Shop::new(units, left);
        for event in story {
            let paid_before: Vec<u64> = shop.rights.iter().filter(|(_, right)| right.state == RightState::Bought).map(|(rank, _)| *rank).collect();
            shop.happen(event);
            shop.check()?;
            // Once bought, bought for good.
            for rank in paid_before {
                prop_assert_eq!(shop.rights[&rank].state, RightState::Bought);
            }
        }
        shop.run_out();
        shop.check()?;
        prop_assert!(shop.sale.is_over());
        let all_sold = shop.sale.bought == units;
        prop_assert!(all_sold || shop.sale.offered_below == shop.sale.entries, "a unit was offered to nobody");
        // Each paid order bought one unit, unless its right was taken from it before it was known.
        let paid = shop.fates.values().filter(|fate| **fate == OrderFate::Paid).count() as u64;
        prop_assert!(shop.sale.bought <= paid);
    }
}
