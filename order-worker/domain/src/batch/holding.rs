//! How long units are held.

use super::Verdict;
use super::testing::{HOLD, Store, at, captured, eur, order_id, place, product_id, started};
use contract::OrderState;
use time::{Duration, OffsetDateTime};

const OURS: u8 = 1;

#[test]
fn a_hold_expires_when_its_time_is_over_and_not_before() {
    let mut store = Store::with_units(&[1]);
    store.decide(&[place(1, OURS, &[(0, 1)])]);
    store.now = HOLD.whole_seconds() - 1;
    assert!(store.expire().changes_nothing());
    store.now += 1;
    assert_eq!(store.expire().verdicts, [Verdict::Changed(OrderState::Expired)]);
    assert_eq!(store.units(0), (1, 0, 0));
    assert!(store.expire().changes_nothing(), "a second time changes nothing");
    store.decide(&[captured(1, 1, 1, eur(100))]);
    assert_eq!(
        store.state(1),
        Some(OrderState::Paid),
        "late, and the unit is still there"
    );
    store.audit();
}

/// Of two products, how many minutes each is held, and how many an order of both is.
#[test]
fn an_order_is_held_as_long_as_the_strictest_of_its_products_says() {
    for (one, other, minutes) in [(30, 30, 30), (30, 5, 5), (5, 30, 5), (60, 45, 45)] {
        let mut store = Store::with_units(&[5, 5]);
        for (product, minutes) in [(0, one), (1, other)] {
            let product = store.books.products.get_mut(&product_id(product)).unwrap();
            product.hold_lasts = Duration::minutes(minutes);
        }
        store.decide(&[place(1, OURS, &[(0, 1), (1, 1)])]);
        assert_eq!(held_until(&store, 1), Some(at(minutes * 60)), "{one} and {other}");
        store.now = minutes * 60 - 1;
        assert!(store.expire().changes_nothing());
        store.now += 1;
        store.expire();
        assert_eq!(store.state(1), Some(OrderState::Expired));
        store.audit();
    }
}

#[test]
fn a_payment_that_starts_makes_the_hold_ten_minutes_longer_once() {
    let mut store = Store::with_units(&[1]);
    store.decide(&[place(1, OURS, &[(0, 1)])]);
    for (payment, minutes) in [(1, 40), (1, 40), (2, 40)] {
        store.now += 60;
        store.decide(&[started(1, payment)]);
        assert_eq!(held_until(&store, 1), Some(at(minutes * 60)));
    }
    store.now = HOLD.whole_seconds() + 599;
    assert!(store.expire().changes_nothing());
    store.now += 1;
    assert_eq!(store.expire().verdicts, [Verdict::Changed(OrderState::Expired)]);
    store.decide(&[started(1, 3)]);
    assert_eq!(store.state(1), Some(OrderState::Expired), "too late");
    store.audit();
}

#[test]
fn a_hold_made_and_extended_in_one_batch_is_written_once() {
    let mut store = Store::with_units(&[1]);
    let decisions = store.decide(&[place(1, OURS, &[(0, 1)]), started(1, 1)]);
    assert_eq!((decisions.holds.len(), decisions.extensions.len()), (1, 0));
    assert!(decisions.holds[0].hold.extended);
}

fn held_until(store: &Store, order: u8) -> Option<OffsetDateTime> {
    let told = store.books.orders[&order_id(order)].told().order;
    let seconds = told.hold_expires_at_unix_ms? / 1_000;
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}
