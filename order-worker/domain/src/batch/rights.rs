//! Products that are sold by draw: one unit to an order that has a right, which it got before it was handed over.

use super::ledger::Ledger;
use crate::order::Purchase;
use contract::OrderId;

/// Units that a right is for.
const UNITS: u32 = 1;

impl Ledger {
    /// Whether the order has a right to each unit of what is sold by draw. Asked whenever units are taken: the right may
    /// have gone to somebody else since the order had it.
    pub(super) fn has_rights(&self, order: OrderId, purchase: &Purchase) -> bool {
        let by_draw = |product| self.product(product).is_some_and(|product| product.by_draw);
        let mut drawn = purchase.lines.iter().filter(|line| by_draw(&line.product_id));
        drawn.all(|line| {
            let same = purchase
                .lines
                .iter()
                .filter(|other| other.product_id == line.product_id);
            let units = same.fold(0u32, |units, line| units.saturating_add(line.quantity));
            units <= UNITS && self.books.rights.contains(&(order, line.product_id.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::batch::testing::{HOLD, Store, captured, order_id, place, product_id};
    use contract::OrderState::{Expired, Held, Paid, RefundDue, Refused};

    const OURS: u8 = 1;

    /// Five units of each of two products, of which the first is sold by draw; order 1 has a right.
    fn store() -> Store {
        let mut store = Store::with_units(&[5, 5]);
        let product = store.books.products.get_mut(&product_id(0)).unwrap();
        product.by_draw = true;
        store.books.rights.insert((order_id(1), product_id(0)));
        store
    }

    #[test]
    fn a_unit_of_a_draw_goes_to_an_order_with_a_right() {
        for (order, lines, state) in [
            (1, &[(0, 1)][..], Held),
            (1, &[(0, 1), (1, 3)], Held),
            (1, &[(0, 2)], Refused),
            (1, &[(0, 1), (0, 1)], Refused),
            (2, &[(0, 1)], Refused),
            (2, &[(0, 1), (1, 1)], Refused),
            (2, &[(1, 3)], Held),
        ] {
            let mut store = store();
            store.decide(&[place(order, OURS, lines)]);
            assert_eq!(store.state(order), Some(state), "order {order} of {lines:?}");
            store.audit();
        }
    }

    #[test]
    fn money_that_comes_late_buys_only_while_the_right_is_there() {
        for (still_there, state) in [(true, Paid), (false, RefundDue)] {
            let mut store = store();
            store.decide(&[place(1, OURS, &[(0, 1)])]);
            let price = store.books.products[&product_id(0)].price;
            store.now += HOLD.whole_seconds();
            store.expire();
            assert_eq!(store.state(1), Some(Expired));
            if !still_there {
                store.books.rights.clear();
            }
            store.decide(&[captured(1, 1, 1, price)]);
            assert_eq!(store.state(1), Some(state));
            store.audit();
        }
    }
}
