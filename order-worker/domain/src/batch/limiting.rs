//! What one customer may have.

use super::testing::{Store, cancel, captured, eur, failed, order_id, place, product_id, shopper};
use contract::{OrderState, Refusal};

const OURS: u8 = 1;
const THEIRS: u8 = 2;

/// Of at most three units each: who asks, for how many, and whether they get them.
#[test]
fn a_customer_has_no_more_than_the_limit() {
    let mut store = Store::with_units(&[100, 100]);
    store.books.products.get_mut(&product_id(0)).unwrap().per_customer = Some(3);
    let limited = Some(Refusal::LimitReached);
    for (order, who, lines, refusal) in [
        (1, OURS, vec![(0, 4)], limited),
        (2, OURS, vec![(0, 2), (0, 2)], limited),
        (3, OURS, vec![(0, 2), (1, 50)], None),
        (4, OURS, vec![(0, 2)], limited),
        (5, OURS, vec![(1, 1), (0, 2)], limited),
        (6, THEIRS, vec![(0, 3)], None),
        (7, OURS, vec![(0, 1)], None),
        (8, OURS, vec![(0, 1)], limited),
    ] {
        store.decide(&[place(order, who, &lines)]);
        let told = store.books.orders[&order_id(order)].told().order;
        assert_eq!(told.refusal, refusal, "{order}");
        store.audit();
    }
    assert_eq!(store.units(0), (100, 6, 0));
    store.decide(&[failed(3, 1, 1), place(9, OURS, &[(0, 2)])]);
    assert_eq!(
        store.state(9),
        Some(OrderState::Held),
        "what goes back counts no more"
    );
    store.decide(&[captured(3, 2, 2, eur(52 * 100))]);
    assert_eq!(
        store.state(3),
        Some(OrderState::RefundDue),
        "a late payment obeys the limit"
    );
    assert_eq!(store.books.customers[&(product_id(0), shopper(OURS))], 3);
    store.audit();
}

#[test]
fn whoever_had_more_before_the_limit_was_lowered_may_give_it_back() {
    let mut store = Store::with_units(&[10]);
    store.books.products.get_mut(&product_id(0)).unwrap().per_customer = Some(5);
    store.decide(&[place(1, OURS, &[(0, 2)]), place(2, OURS, &[(0, 2)])]);
    store.books.products.get_mut(&product_id(0)).unwrap().per_customer = Some(1);
    store.decide(&[cancel(1, OURS)]);
    assert_eq!(store.state(1), Some(OrderState::Cancelled));
    store.decide(&[place(3, OURS, &[(0, 1)])]);
    assert_eq!(store.state(3), Some(OrderState::Refused));
}
