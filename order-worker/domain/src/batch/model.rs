//! Random commands, decided by us in batches and by a naive model one at a time: both must agree, and the books
//! must add up after every batch.

use super::{
    Verdict,
    testing::{HOLD, PRICE, Store, cancel, captured, eur, failed, place},
};
use contract::{Command, OrderState};
use proptest::{collection::vec, prelude::*};
use std::collections::{BTreeMap, HashSet};

/// Everything that can happen.
#[derive(Debug, Clone)]
enum Happening {
    Place {
        order: u8,
        shopper: u8,
        lines: Vec<(u8, u32)>,
    },
    Cancel {
        order: u8,
        shopper: u8,
    },
    Captured {
        order: u8,
        event: u8,
        payment: u8,
        units_paid: i64,
    },
    Failed {
        order: u8,
        event: u8,
        payment: u8,
    },
}

/// Orders 0-5 of shoppers 0-1; products 0-2, of which 2 does not exist.
fn happening() -> impl Strategy<Value = Happening> {
    let (order, shopper) = (0..6_u8, 0..2_u8);
    // A report names its order, so that one event id does not stand for two orders' reports.
    let report = (0..6_u8, 0..4_u8, 0..3_u8)
        .prop_map(|(order, event, payment)| (order, order * 10 + event, order * 10 + payment));
    prop_oneof![
        4 => (order.clone(), shopper.clone(), vec((0..3_u8, 0..3_u32), 0..3))
            .prop_map(|(order, shopper, lines)| Happening::Place { order, shopper, lines }),
        1 => (order, shopper).prop_map(|(order, shopper)| Happening::Cancel { order, shopper }),
        3 => (report.clone(), 0..4_i64).prop_map(|((order, event, payment), units_paid)| {
            Happening::Captured { order, event, payment, units_paid }
        }),
        1 => report.prop_map(|(order, event, payment)| Happening::Failed { order, event, payment }),
    ]
}

impl Happening {
    fn command(&self) -> Command {
        match self {
            Self::Place {
                order,
                shopper,
                lines,
            } => place(*order, *shopper, lines),
            Self::Cancel { order, shopper } => cancel(*order, *shopper),
            Self::Captured {
                order,
                event,
                payment,
                units_paid,
            } => captured(*order, *event, *payment, eur(units_paid * PRICE)),
            Self::Failed {
                order,
                event,
                payment,
            } => failed(*order, *event, *payment),
        }
    }
}

/// An order as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    shopper: u8,
    wanted: [i64; 2],
    state: OrderState,
    expires: i64,
}

/// Orders and free units, and nothing clever.
#[derive(Debug)]
struct Model {
    orders: BTreeMap<u8, Known>,
    free: [i64; 2],
    reports: HashSet<u8>,
    payments: HashSet<u8>,
    refunds: usize,
    now: i64,
}

impl Model {
    fn happens(&mut self, what: &Happening) {
        match what {
            Happening::Place {
                order,
                shopper,
                lines,
            } => self.place(*order, *shopper, lines),
            Happening::Cancel { order, shopper } => {
                if self
                    .orders
                    .get(order)
                    .is_some_and(|known| known.shopper == *shopper)
                {
                    self.cancel(*order);
                }
            }
            Happening::Captured {
                order,
                event,
                payment,
                units_paid,
            } => {
                self.captured(*order, *event, *payment, *units_paid);
            }
            Happening::Failed { order, event, .. } => {
                if self.orders.contains_key(order) && self.reports.insert(*event) {
                    self.give_up_hold(*order, OrderState::PaymentFailed);
                }
            }
        }
    }

    fn place(&mut self, order: u8, shopper: u8, lines: &[(u8, u32)]) {
        if self.orders.contains_key(&order) {
            return;
        }
        let mut wanted = [0, 0];
        let mut possible = !lines.is_empty();
        for (product, quantity) in lines {
            possible &= *quantity > 0 && *product < 2;
            wanted[usize::from(*product % 2)] += i64::from(*quantity);
        }
        possible &= wanted[0] <= self.free[0] && wanted[1] <= self.free[1];
        let state = if possible {
            OrderState::Held
        } else {
            OrderState::Refused
        };
        let expires = self.now + HOLD.whole_seconds();
        self.orders.insert(
            order,
            Known {
                shopper,
                wanted,
                state,
                expires,
            },
        );
        if possible {
            self.take(wanted, 1);
        }
    }

    fn captured(&mut self, order: u8, event: u8, payment: u8, units_paid: i64) {
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        if units_paid == 0 || !self.reports.insert(event) || !self.payments.insert(payment) {
            return;
        }
        let exact = known.state != OrderState::Refused && known.wanted[0] + known.wanted[1] == units_paid;
        let free = known.wanted[0] <= self.free[0] && known.wanted[1] <= self.free[1];
        let wanted = known.wanted;
        match known.state {
            OrderState::Held if exact => known.state = OrderState::Paid,
            OrderState::Held => {
                known.state = OrderState::RefundDue;
                self.take(wanted, -1);
                self.refunds += 1;
            }
            OrderState::PaymentFailed | OrderState::Expired if exact && free => {
                known.state = OrderState::Paid;
                self.take(wanted, 1);
            }
            OrderState::Refused | OrderState::Paid => self.refunds += 1,
            _ => {
                known.state = OrderState::RefundDue;
                self.refunds += 1;
            }
        }
    }

    fn cancel(&mut self, order: u8) {
        self.give_up_hold(order, OrderState::Cancelled);
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        match known.state {
            OrderState::Paid => {
                known.state = OrderState::RefundDue;
                let wanted = known.wanted;
                self.take(wanted, -1);
                self.refunds += 1;
            }
            OrderState::PaymentFailed | OrderState::Expired => known.state = OrderState::Cancelled,
            _ => {}
        }
    }

    fn expire(&mut self) {
        let due: Vec<u8> = self
            .orders
            .iter()
            .filter(|(_, known)| known.expires <= self.now)
            .map(|(id, _)| *id)
            .collect();
        for order in due {
            self.give_up_hold(order, OrderState::Expired);
        }
    }

    fn give_up_hold(&mut self, order: u8, becomes: OrderState) {
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        if known.state == OrderState::Held {
            known.state = becomes;
            let wanted = known.wanted;
            self.take(wanted, -1);
        }
    }

    fn take(&mut self, wanted: [i64; 2], sign: i64) {
        self.free = [self.free[0] - sign * wanted[0], self.free[1] - sign * wanted[1]];
    }
}

fn agree(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    for order in 0..6 {
        prop_assert_eq!(
            store.state(order),
            model.orders.get(&order).map(|known| known.state),
            "order {}",
            order
        );
    }
    for (product, free) in (0..).zip(model.free) {
        let (on_hand, held, sold) = store.units(product);
        prop_assert_eq!(on_hand - held - sold, free, "product {}", product);
    }
    prop_assert_eq!(store.refunds.len(), model.refunds);
    store.audit();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn batches_decide_as_the_naive_model_does(
        units in [0..6_i64, 0..6_i64],
        batches in vec((vec(happening(), 0..12), 0..3_i64), 1..8),
    ) {
        let mut store = Store::with_units(&units);
        let mut model = Model {
            orders: BTreeMap::new(), free: units, reports: HashSet::new(), payments: HashSet::new(), refunds: 0, now: 0,
        };
        for (happenings, thirds_of_a_hold) in batches {
            let commands: Vec<Command> = happenings.iter().map(Happening::command).collect();
            let verdicts = store.decide(&commands).verdicts;
            happenings.iter().for_each(|what| model.happens(what));
            agree(&store, &model)?;

            // What was given up is set aside and does not come again.
            let given_up = |verdict: &Verdict| matches!(verdict, Verdict::GivenUp(_));
            let decided = commands.into_iter().zip(&verdicts).filter(|(_, verdict)| !given_up(verdict));
            let again: Vec<Command> = decided.map(|(command, _)| command).collect();
            prop_assert!(store.decide(&again).changes_nothing(), "the same commands again change nothing");

            store.now += HOLD.whole_seconds() * thirds_of_a_hold / 3;
            model.now = store.now;
            store.expire();
            model.expire();
            agree(&store, &model)?;
            prop_assert!(store.expire().changes_nothing(), "expiring again changes nothing");
        }
    }
}
