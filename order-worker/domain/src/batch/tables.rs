//! The rules as tables: what is there, what comes, what comes of it.

use super::testing::{
    Store, abandoned, at, cancel, captured, eur, failed, order_id, place, product_id, refund, send_back,
    started,
};
use super::{GiveUp, Verdict};
use crate::sale::Sale;
use contract::{Command, Event, OrderState, RefundReason, Refusal};

/// Pairs of product and quantity.
type Lines = &'static [(u8, u32)];
/// What happens, and then the state, the units held and sold, and the number of refunds.
type Story = (&'static str, Vec<Command>, OrderState, (i64, i64), usize);

const OURS: u8 = 1;
const THEIRS: u8 = 2;

fn exactly() -> contract::Money {
    eur(100)
}

#[test]
fn an_order_is_held_or_refused_with_the_reason() {
    use Refusal::{Invalid, SoldOut, UnknownProduct};
    const FIFTY_ONE: [(u8, u32); 51] = [(0, 1); 51];
    let table: [(Lines, Option<Refusal>); 12] = [
        (&[(0, 1)], None),
        (&[(0, 5)], None),
        (&[(0, 6)], Some(SoldOut)),
        (&[(0, 2), (1, 1)], None),
        (&[(0, 2), (1, 2)], Some(SoldOut)),
        (&[(0, 3), (0, 2)], None),
        (&[(0, 3), (0, 3)], Some(SoldOut)),
        (&[(0, 1), (9, 1)], Some(UnknownProduct)),
        (&[], Some(Invalid)),
        (&[(0, 0)], Some(Invalid)),
        (&[(0, 1_001)], Some(Invalid)),
        (&FIFTY_ONE, Some(Invalid)),
    ];
    for (lines, refusal) in table {
        let mut store = Store::with_units(&[5, 1]);
        let decisions = store.decide(&[place(1, OURS, lines)]);
        let state = if refusal.is_some() {
            OrderState::Refused
        } else {
            OrderState::Held
        };
        assert_eq!(decisions.verdicts, [Verdict::Changed(state)], "{lines:?}");
        let Some(Event::OrderChanged(told)) = decisions.events.first() else {
            panic!("nothing was told")
        };
        assert_eq!(
            (told.order.refusal, told.order.version),
            (refusal, 1),
            "{lines:?}"
        );
        let held: u32 = if refusal.is_some() {
            0
        } else {
            lines.iter().map(|(_, quantity)| quantity).sum()
        };
        assert_eq!(
            store.units(0).1 + store.units(1).1,
            i64::from(held),
            "all or nothing: {lines:?}"
        );
        store.audit();
    }
}

#[test]
fn a_sale_is_open_or_the_order_is_refused_with_the_reason() {
    use Refusal::{Closed, NotForSale, NotOpen};
    for (stopped, opens, closes, refusal) in [
        (false, None, None, None),
        (false, Some(0), Some(1), None),
        (false, Some(1), None, Some(NotOpen)),
        (false, None, Some(0), Some(Closed)),
        (true, None, None, Some(NotForSale)),
    ] {
        let mut store = Store::with_units(&[5, 5]);
        let product = store.books.products.get_mut(&product_id(1)).unwrap();
        product.sale = Sale {
            stopped,
            opens_at: opens.map(at),
            closes_at: closes.map(at),
        };
        assert_eq!(refusal_of(&mut store, place(1, OURS, &[(0, 1), (1, 1)])), refusal);
        let held = if refusal.is_none() { 1 } else { 0 };
        assert_eq!(store.units(0).1, held, "all or nothing: {refusal:?}");
        store.audit();
    }
}

#[test]
fn money_that_comes_after_the_closing_still_buys_what_was_held() {
    let mut store = Store::with_units(&[1]);
    store.decide(&[place(1, OURS, &[(0, 1)])]);
    store
        .books
        .products
        .get_mut(&product_id(0))
        .unwrap()
        .sale
        .closes_at = Some(at(0));
    store.decide(&[captured(1, 1, 1, exactly())]);
    assert_eq!(store.state(1), Some(OrderState::Paid));
}

#[test]
fn an_order_at_a_price_that_its_shopper_did_not_see_is_refused() {
    for (seen, refusal) in [
        (None, None),
        (Some(eur(100)), None),
        (Some(eur(99)), Some(Refusal::PriceChanged)),
    ] {
        let mut store = Store::with_units(&[5]);
        let mut command = place(1, OURS, &[(0, 1)]);
        if let Command::PlaceOrder(place) = &mut command {
            place.lines[0].seen_price = seen;
        }
        assert_eq!(refusal_of(&mut store, command), refusal, "{seen:?}");
    }
}

fn refusal_of(store: &mut Store, command: Command) -> Option<Refusal> {
    match store.decide(&[command]).events.into_iter().next() {
        Some(Event::OrderChanged(told)) => told.order.refusal,
        other => panic!("no order was told of: {other:?}"),
    }
}

#[test]
fn two_currencies_or_a_price_beyond_64_bits_make_no_order() {
    let mut store = Store::with_units(&[5]);
    store.add_product(1, 5, "KRW".parse().unwrap());
    store.add_product(2, 5, "EUR".parse().unwrap());
    store.books.products.get_mut(&product_id(2)).unwrap().price = eur(i64::MAX);
    for (order, lines) in [
        (1, [(0, 1), (1, 1)]),
        (2, [(0, 1), (2, 1)]),
        (3, [(2, 1), (2, 1)]),
    ] {
        store.decide(&[place(order, OURS, &lines)]);
        assert_eq!(store.state(order), Some(OrderState::Refused), "{lines:?}");
    }
}

#[test]
fn the_first_in_the_batch_gets_the_last_unit() {
    let mut store = Store::with_units(&[1]);
    let both = [place(2, OURS, &[(0, 1)]), place(1, THEIRS, &[(0, 1)])];
    store.decide(&both);
    assert_eq!(store.state(2), Some(OrderState::Held));
    assert_eq!(store.state(1), Some(OrderState::Refused));
}

#[test]
fn a_unit_given_back_in_a_batch_is_there_for_the_next_command_of_the_batch() {
    let mut store = Store::with_units(&[1]);
    let decisions = store.decide(&[
        place(1, OURS, &[(0, 1)]),
        cancel(1, OURS),
        place(2, THEIRS, &[(0, 1)]),
    ]);
    assert_eq!(store.state(1), Some(OrderState::Cancelled));
    assert_eq!(store.state(2), Some(OrderState::Held));
    assert_eq!(decisions.stock.len(), 1, "one stock row, written once");
    assert_eq!(
        decisions.moved,
        [],
        "an order that is new is written once, as it stands at the end"
    );
    let stock = decisions
        .events
        .iter()
        .filter(|event| matches!(event, Event::StockChanged(_)));
    assert_eq!(stock.count(), 1);
    store.audit();
}

#[test]
fn an_order_that_comes_again_is_told_again_and_changes_nothing() {
    let mut store = Store::with_units(&[5]);
    let twice = [place(1, OURS, &[(0, 2)]), place(1, OURS, &[(0, 2)])];
    let first = store.decide(&twice);
    assert_eq!(
        first.verdicts,
        [Verdict::Changed(OrderState::Held), Verdict::Unchanged]
    );
    let again = store.decide(&twice);
    assert!(again.changes_nothing());
    assert_eq!(again.events[0], first.events[0]);
    assert_eq!(store.units(0), (5, 2, 0));
}

/// One order of one unit of one; what happens to it; the state and the units (held, sold) and refunds after that.
#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn an_order_moves_as_the_table_says() {
    let capture = || captured(1, 1, 1, exactly());
    let (held, paid, due) = (OrderState::Held, OrderState::Paid, OrderState::RefundDue);
    let (cancelled, payment_failed) = (OrderState::Cancelled, OrderState::PaymentFailed);
    let abandoned_payment = OrderState::PaymentAbandoned;
    let table: Vec<Story> = vec![
        ("nothing", vec![], held, (1, 0), 0),
        ("its owner cancels", vec![cancel(1, OURS)], cancelled, (0, 0), 0),
        ("somebody else cancels", vec![cancel(1, THEIRS)], held, (1, 0), 0),
        (
            "cancelled twice",
            vec![cancel(1, OURS), cancel(1, OURS)],
            cancelled,
            (0, 0),
            0,
        ),
        ("paid", vec![capture()], paid, (0, 1), 0),
        ("paid, told twice", vec![capture(), capture()], paid, (0, 1), 0),
        (
            "paid, told by two reports",
            vec![capture(), captured(1, 2, 1, exactly())],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid by two payments",
            vec![capture(), captured(1, 2, 2, exactly())],
            paid,
            (0, 1),
            1,
        ),
        (
            "paid, then cancelled",
            vec![capture(), cancel(1, OURS)],
            due,
            (0, 0),
            1,
        ),
        (
            "paid, then cancelled twice and told again",
            vec![capture(), cancel(1, OURS), cancel(1, OURS), capture()],
            due,
            (0, 0),
            1,
        ),
        (
            "paid, then cancelled by somebody else",
            vec![capture(), cancel(1, THEIRS)],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid, cancelled, then paid by another payment",
            vec![capture(), cancel(1, OURS), captured(1, 2, 2, exactly())],
            due,
            (0, 0),
            2,
        ),
        ("started", vec![started(1, 1)], held, (1, 0), 0),
        (
            "started, then paid",
            vec![started(1, 1), capture()],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid before it started",
            vec![capture(), started(1, 1)],
            paid,
            (0, 1),
            0,
        ),
        (
            "abandoned",
            vec![started(1, 1), abandoned(1, 1, 1)],
            abandoned_payment,
            (0, 0),
            0,
        ),
        (
            "abandoned, and paid all the same",
            vec![abandoned(1, 1, 1), captured(1, 2, 1, exactly())],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid, and then the same payment is said to have failed",
            vec![capture(), failed(1, 2, 1)],
            paid,
            (0, 1),
            0,
        ),
        (
            "sent back before it came",
            vec![capture(), send_back(1, OURS)],
            paid,
            (0, 1),
            0,
        ),
        (
            "a part refunded",
            vec![capture(), refund(1, 1, eur(30))],
            paid,
            (0, 1),
            1,
        ),
        (
            "the same part refunded twice",
            vec![capture(), refund(1, 1, eur(30)), refund(1, 1, eur(30))],
            paid,
            (0, 1),
            1,
        ),
        (
            "two parts refunded, and one that is too much",
            vec![
                capture(),
                refund(1, 1, eur(30)),
                refund(1, 2, eur(30)),
                refund(1, 3, eur(41)),
            ],
            paid,
            (0, 1),
            2,
        ),
        (
            "all of it refunded by hand, then cancelled",
            vec![capture(), refund(1, 1, exactly()), cancel(1, OURS)],
            due,
            (0, 0),
            1,
        ),
        (
            "refunded before it was paid",
            vec![refund(1, 1, eur(30)), capture()],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid, then failed",
            vec![capture(), failed(1, 2, 2)],
            paid,
            (0, 1),
            0,
        ),
        (
            "paid too little",
            vec![captured(1, 1, 1, eur(99))],
            due,
            (0, 0),
            1,
        ),
        ("paid too much", vec![captured(1, 1, 1, eur(101))], due, (0, 0), 1),
        ("paid nothing", vec![captured(1, 1, 1, eur(0))], held, (1, 0), 0),
        ("failed", vec![failed(1, 1, 1)], payment_failed, (0, 0), 0),
        (
            "failed twice",
            vec![failed(1, 1, 1), failed(1, 1, 1)],
            payment_failed,
            (0, 0),
            0,
        ),
        (
            "cancelled, then paid",
            vec![cancel(1, OURS), capture()],
            due,
            (0, 0),
            1,
        ),
        (
            "failed, cancelled, then paid",
            vec![failed(1, 1, 1), cancel(1, OURS), captured(1, 2, 2, exactly())],
            due,
            (0, 0),
            1,
        ),
        (
            "failed, then paid",
            vec![failed(1, 1, 1), captured(1, 2, 2, exactly())],
            paid,
            (0, 1),
            0,
        ),
        (
            "failed, its unit taken, then paid",
            vec![failed(1, 9, 9), place(2, THEIRS, &[(0, 1)]), capture()],
            due,
            (1, 0),
            1,
        ),
        (
            "failed, its unit taken, then paid twice",
            vec![
                failed(1, 9, 9),
                place(2, THEIRS, &[(0, 1)]),
                capture(),
                captured(1, 2, 2, exactly()),
            ],
            due,
            (1, 0),
            2,
        ),
    ];
    for (what, commands, state, (held, sold), refunds) in table {
        let one_by_one: Vec<&[Command]> = commands.chunks(1).collect();
        let at_once: Vec<&[Command]> = vec![&commands];
        for batches in [one_by_one, at_once] {
            let mut store = Store::with_units(&[1]);
            store.decide(&[place(1, OURS, &[(0, 1)])]);
            for batch in batches {
                store.decide(batch);
            }
            assert_eq!(store.state(1), Some(state), "{what}");
            assert_eq!(store.units(0), (1, held, sold), "{what}");
            assert_eq!(store.refunds.len(), refunds, "{what}");
            store.audit();
        }
    }
}

#[test]
fn what_names_no_order_is_given_up_and_leaves_no_trace() {
    let mut store = Store::with_units(&[1]);
    let decisions = store.decide(&[cancel(7, OURS), captured(7, 1, 1, exactly()), failed(7, 2, 1)]);
    assert_eq!(decisions.verdicts, [Verdict::GivenUp(GiveUp::UnknownOrder); 3]);
    assert!(decisions.changes_nothing());
    store.decide(&[place(7, OURS, &[(0, 1)]), captured(7, 1, 1, exactly())]);
    assert_eq!(
        store.state(7),
        Some(OrderState::Paid),
        "given back later, the report is acted on"
    );
}

#[test]
fn a_refund_that_was_made_is_told() {
    let mut store = Store::with_units(&[1]);
    store.decide(&[place(1, OURS, &[(0, 1)]), captured(1, 1, 1, eur(1))]);
    assert_eq!(store.state(1), Some(OrderState::RefundDue));
    store.make_refunds();
    let told = store.books.orders[&order_id(1)].told().order;
    assert_eq!(
        (told.state, told.refund_reason, told.refunded),
        (
            OrderState::Refunded,
            Some(RefundReason::WrongAmount),
            Some(eur(1))
        )
    );
}
