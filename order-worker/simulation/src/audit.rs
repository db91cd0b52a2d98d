//! The promises, checked after every step, and those that hold when everything has come to rest.

use crate::{Verdict, ledger::is_sold, promise, provider::Stands, world::World};
use order_domain::{order::State, payment::Payment};
use std::collections::BTreeMap;

/// After every step.
pub(crate) fn always(world: &World) -> Verdict {
    orders_agree(world)?;
    stock_adds_up(world)?;
    money_adds_up(world)?;
    limits_hold(world)
}

fn orders_agree(world: &World) -> Verdict {
    let books = &world.books;
    promise(books.orders.len() == world.ledger.count(), || {
        "an order is missing".to_owned()
    })?;
    for (id, order) in &books.orders {
        let (ours, theirs) = (order.state.word(), world.ledger.state(*id));
        promise(theirs == Some(ours), || {
            format!("{id} is {ours}, and by the ledger {theirs:?}")
        })?;
        let mut open = books.holds.range((*id, i16::MIN)..=(*id, i16::MAX));
        let is_open = open.any(|(_, hold)| hold.resolution.is_none());
        let held = matches!(order.state, State::Held(..));
        promise(is_open == held, || {
            format!("{id} is {ours}, and its hold is open: {is_open}")
        })?;
    }
    Ok(())
}

/// `held + sold <= on hand`; held are the open holds, and sold the posted ones that did not come back.
fn stock_adds_up(world: &World) -> Verdict {
    let mut of_holds: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for ((id, _), hold) in &world.books.holds {
        let Some(order) = world.books.orders.get(id) else {
            continue;
        };
        for line in order.purchase().into_iter().flat_map(|purchase| &purchase.lines) {
            let (held, sold) = of_holds.entry(&line.product_id).or_default();
            let units = i64::from(line.quantity);
            match hold.resolution {
                None => *held += units,
                Some("posted") if !world.books.restocks.contains(id) => *sold += units,
                Some(_) => {}
            }
        }
    }
    for (id, product) in &world.books.products {
        let stock = product.stock;
        let ours = (stock.held, stock.sold);
        let holds = of_holds.get(id).copied().unwrap_or_default();
        let ledger = world.ledger.units(id);
        promise(ours == holds && ours == ledger && stock.available() >= 0, || {
            format!("{id}: {stock:?}, holds {holds:?}, ledger {ledger:?}")
        })?;
    }
    Ok(())
}

/// Captured less refunded is what we keep: the price of what is sold, less what operators gave back.
fn money_adds_up(world: &World) -> Verdict {
    let mut kept = 0;
    for ((order, name), payment) in &world.books.payments {
        let Payment::Captured { amount, owed_back } = payment else {
            continue;
        };
        kept += amount.minor - owed_back;
        let taken = world.provider.payments.get(name);
        let same = taken.is_some_and(|paid| paid.stands == Stands::Captured && paid.amount == *amount);
        promise(same, || format!("{name} was captured by our books alone"))?;
        let rows = world
            .books
            .refunds
            .values()
            .filter(|row| row.payment == *name && row.order == *order);
        let rows: i64 = rows.map(|row| row.amount.minor).sum();
        let ledger = world.ledger.owed_of(*order, name);
        promise(rows == *owed_back && ledger == *owed_back, || {
            format!("{name}: {owed_back} owed back, {rows} in refunds, {ledger} by the ledger")
        })?;
    }
    let sold = world
        .books
        .orders
        .values()
        .filter(|order| is_sold(order.state.word()));
    let prices: i64 = sold.filter_map(|order| Some(order.purchase()?.total.minor)).sum();
    let by_hand = world.books.refunds.values().filter(|row| {
        let order = world.books.orders.get(&row.order);
        row.id.starts_with("by-hand-") && order.is_some_and(|order| is_sold(order.state.word()))
    });
    let by_hand: i64 = by_hand.map(|row| row.amount.minor).sum();
    let ledger = world.ledger.kept();
    promise(kept == prices - by_hand && kept == ledger, || {
        format!("{kept} kept, {prices} sold for, {by_hand} given back by hand, {ledger} by the ledger")
    })
}

/// Nobody gets beyond the limit that was in force when they got it.
fn limits_hold(world: &World) -> Verdict {
    for (id, product) in &world.books.products {
        let Some(limit) = product.per_customer else {
            continue;
        };
        for shopper in world.shoppers() {
            let (has, had) = (
                world.books.units_of(id, &shopper),
                world.had_when_limited(id, &shopper),
            );
            promise(has <= i64::from(limit).max(had), || {
                format!(
                    "{} has {has} of {id}, of which one may have {limit}",
                    shopper.as_str()
                )
            })?;
        }
    }
    Ok(())
}

/// When nothing is on its way any more and a week has passed.
pub(crate) fn at_rest(world: &World) -> Verdict {
    for place in &world.placed {
        promise(world.books.orders.contains_key(&place.order_id), || {
            format!("{} was confirmed and never decided", place.order_id)
        })?;
    }
    for (id, order) in &world.books.orders {
        let word = order.state.word();
        let ends = [
            "refused",
            "confirmed",
            "cancelled",
            "payment_failed",
            "payment_abandoned",
            "expired",
            "refunded",
        ];
        promise(ends.contains(&word.as_str()), || {
            format!("{id} is {word} for ever")
        })?;
        let told = world.heard.get(id);
        promise(told == Some(&order.told().order), || {
            format!("{id} is {word}, and its owner heard {told:?}")
        })?;
    }
    for (name, paid) in &world.provider.payments {
        let ours = world.books.payments.get(&(paid.order, name.clone()));
        let kept = ours
            .and_then(|payment| payment.kept())
            .map_or(0, |kept| kept.minor);
        let keeps = world.provider.keeps(name);
        promise(kept == keeps, || {
            format!("{name}: the provider keeps {keeps} for us, and we think {kept}")
        })?;
    }
    Ok(())
}
