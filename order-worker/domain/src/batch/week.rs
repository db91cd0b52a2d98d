//! A week in the life of orders that were paid.

use super::testing::{PRICE, Store, cancel, captured, eur, order_id, place, send_back};
use contract::{OrderState, RefundReason};

const DAY: i64 = 86_400;
const OURS: u8 = 1;
const THEIRS: u8 = 2;

/// Orders 1 to `number` of one unit each, paid at noon of day 0.
fn paid(number: u8) -> Store {
    let mut store = Store::with_units(&[10]);
    store.now = DAY / 2;
    for order in 1..=number {
        let price = eur(PRICE);
        store.decide(&[
            place(order, OURS, &[(0, 1)]),
            captured(order, order, order, price),
        ]);
    }
    store
}

/// Lets time pass until noon of `day`, with a look every hour.
fn until_noon_of(store: &mut Store, day: i64) {
    while store.now < day * DAY + DAY / 2 {
        store.now += 3_600;
        store.step();
        store.make_refunds();
        store.audit();
    }
}

#[test]
fn an_order_is_shipped_delivered_and_confirmed_a_day_apart() {
    use OrderState::{Confirmed, Delivered, Paid, Shipped};
    let mut store = paid(1);
    for (day, state) in [
        (0, Paid),
        (1, Shipped),
        (2, Delivered),
        (3, Confirmed),
        (7, Confirmed),
    ] {
        until_noon_of(&mut store, day);
        assert_eq!(store.state(1), Some(state), "day {day}");
    }
    assert!(store.step().changes_nothing());
    assert_eq!(store.units(0), (10, 0, 1), "shipping sells nothing twice");
}

#[test]
fn a_shop_that_stood_still_for_days_leaves_out_no_step() {
    let mut store = paid(1);
    store.now += 5 * DAY;
    let mut states = Vec::new();
    for _ in 0..3 {
        store.step();
        states.push(store.state(1).unwrap());
        store.now += DAY;
    }
    assert_eq!(
        states,
        [OrderState::Shipped, OrderState::Delivered, OrderState::Confirmed]
    );
}

/// On which day somebody cancels or sends back, and what the order is a day and a half later.
#[test]
fn what_may_be_done_on_which_day() {
    use OrderState::{Confirmed, Delivered, Refunded, Shipped};
    for (day, who, cancels, state) in [
        (0, OURS, true, Refunded),
        (0, THEIRS, true, Shipped),
        (1, OURS, true, Delivered),
        (2, OURS, true, Confirmed),
        (0, OURS, false, Shipped),
        (1, OURS, false, Delivered),
        (2, OURS, false, Refunded),
        (2, THEIRS, false, Confirmed),
        (3, OURS, false, Confirmed),
    ] {
        let mut store = paid(1);
        until_noon_of(&mut store, day);
        let asked = if cancels {
            cancel(1, who)
        } else {
            send_back(1, who)
        };
        store.decide(std::slice::from_ref(&asked));
        assert!(store.decide(&[asked]).changes_nothing(), "twice is once");
        store.audit();
        until_noon_of(&mut store, day + 1);
        assert_eq!(store.state(1), Some(state), "day {day}, cancels: {cancels}");
        let sold = i64::from(state != Refunded);
        assert_eq!(store.units(0), (10, 0, sold));
    }
}

#[test]
fn what_is_sent_back_is_on_the_shelf_once_and_its_money_goes_back_once() {
    let mut store = paid(2);
    until_noon_of(&mut store, 2);
    store.decide(&[send_back(1, OURS)]);
    assert_eq!(store.state(1), Some(OrderState::ReturnRequested));
    assert_eq!(store.units(0), (10, 0, 2), "not back yet");
    until_noon_of(&mut store, 3);
    let told = store.books.orders[&order_id(1)].told().order;
    assert_eq!(
        (told.state, told.refund_reason, told.refunded),
        (
            OrderState::Refunded,
            Some(RefundReason::Returned),
            Some(eur(PRICE))
        )
    );
    assert_eq!(store.units(0), (10, 0, 1));
    until_noon_of(&mut store, 7);
    assert_eq!(store.units(0), (10, 0, 1));
    assert_eq!(store.refunds.len(), 1);
    assert_eq!(
        store.state(2),
        Some(OrderState::Confirmed),
        "the other one was kept"
    );
}

#[test]
fn the_door_for_returns_shuts_at_the_moment_of_the_confirmation() {
    let mut store = paid(1);
    until_noon_of(&mut store, 2);
    let OrderState::Delivered = store.state(1).unwrap() else {
        panic!("not delivered")
    };
    // The reconciler has not looked yet, but the day is over.
    store.now = 3 * DAY;
    assert!(store.decide(&[send_back(1, OURS)]).changes_nothing());
    store.now -= 1;
    assert!(!store.decide(&[send_back(1, OURS)]).changes_nothing());
}
