//! Taking orders.

use super::{NewAddress, Product, Verdict, ledger::Ledger};
use crate::{
    hold::Hold,
    limits::{MAX_LINES, MAX_QUANTITY},
    order::{Order, Purchase, State},
};
use contract::{Money, OrderLine, PlaceOrder, Refusal, RequestedLine};
use time::{Duration, OffsetDateTime};

/// The first hold of an order.
const FIRST: i16 = 1;

impl Ledger {
    pub(super) fn place(&mut self, place: &PlaceOrder) -> Verdict {
        if self.order(place.order_id).is_some() {
            self.tell(place.order_id);
            return Verdict::Unchanged;
        }
        let state = self.hold(place).unwrap_or_else(State::Refused);
        self.enter(Order {
            id: place.order_id,
            shopper: place.shopper.clone(),
            fingerprint: place.fingerprint.clone(),
            accepted_at: moment(place.accepted_at_unix_ms).unwrap_or(self.now),
            decided_at: self.now,
            updated_at: self.now,
            version: 1,
            refunded: 0,
            state,
        })
    }

    /// Holds the units of all lines, or says why not.
    fn hold(&mut self, place: &PlaceOrder) -> Result<State, Refusal> {
        let (purchase, lasts) = self.price(&place.lines)?;
        if !self.has_rights(place.order_id, &purchase) {
            return Err(Refusal::NoRight);
        }
        if !self.allows(&place.shopper, &purchase) {
            return Err(Refusal::LimitReached);
        }
        if !self.take_units(&place.shopper, &purchase) {
            return Err(Refusal::SoldOut);
        }
        let hold = Hold::new(FIRST, self.now, lasts);
        self.enter_hold(place.order_id, hold.clone());
        self.keep_address(place);
        Ok(State::Held(purchase, hold))
    }

    /// An order that is refused goes nowhere, and whoever has no account has no address.
    fn keep_address(&mut self, place: &PlaceOrder) {
        let kept = place.shopper.member().zip(place.address.clone());
        self.written
            .addresses
            .extend(kept.map(|(member, address)| NewAddress {
                order_id: place.order_id,
                member,
                address,
            }));
    }

    /// The purchase at today's prices, and how long it may be held: as long as the strictest of its products.
    fn price(&self, requested: &[RequestedLine]) -> Result<(Purchase, Duration), Refusal> {
        check(requested)?;
        let products: Vec<&Product> = requested
            .iter()
            .map(|line| self.product(&line.product_id).ok_or(Refusal::UnknownProduct))
            .collect::<Result<_, _>>()?;
        for (line, product) in requested.iter().zip(&products) {
            product.sale.check(self.now)?;
            if line.seen_price.is_some_and(|seen| seen != product.price) {
                return Err(Refusal::PriceChanged);
            }
        }
        let lines: Vec<OrderLine> = requested
            .iter()
            .zip(&products)
            .map(|(line, product)| priced(line, product))
            .collect();
        let total = total(&lines).ok_or(Refusal::Invalid)?;
        let lasts = products
            .iter()
            .map(|product| product.hold_lasts)
            .min()
            .ok_or(Refusal::Invalid)?;
        Ok((Purchase { lines, total }, lasts))
    }
}

fn check(lines: &[RequestedLine]) -> Result<(), Refusal> {
    let number = (1..=MAX_LINES).contains(&lines.len());
    let quantities = lines
        .iter()
        .all(|line| (1..=MAX_QUANTITY).contains(&line.quantity));
    if number && quantities {
        Ok(())
    } else {
        Err(Refusal::Invalid)
    }
}

fn priced(line: &RequestedLine, product: &Product) -> OrderLine {
    OrderLine {
        product_id: line.product_id.clone(),
        name: product.name.clone(),
        quantity: line.quantity,
        unit_price: product.price,
    }
}

/// Nothing when the lines are of two currencies, or too dear for 64 bits.
fn total(lines: &[OrderLine]) -> Option<Money> {
    let mut amounts = lines.iter().map(|line| line.unit_price.times(line.quantity));
    let first = amounts.next()?.ok()?;
    amounts.try_fold(first, |sum, amount| sum.plus(amount.ok()?).ok())
}

fn moment(unix_ms: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()
}
