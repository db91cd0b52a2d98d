//! What the tests of batches share: short ways to say commands, and a store that takes decisions as the database
//! does, refusing what its constraints refuse.

use super::{Decisions, Product, Snapshot, decide, expire};
use crate::{order::State, sale::Sale, stock::Stock};
use contract::{
    CancelOrder, Command, Currency, Money, OrderId, OrderState, PlaceOrder, ProductId, RequestedLine,
    SettlePayment, Settlement, ShopperId,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub(super) const HOLD: Duration = Duration::minutes(30);
pub(super) const PRICE: i64 = 100;

pub(super) fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(seconds)
}

pub(super) fn order_id(number: u8) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(super) fn product_id(number: u8) -> ProductId {
    format!("product-{number}").parse().unwrap()
}

pub(super) fn shopper(number: u8) -> ShopperId {
    ShopperId::of_session(&number.to_string())
}

pub(super) fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

/// `lines` are pairs of product and quantity.
pub(super) fn place(order: u8, owner: u8, lines: &[(u8, u32)]) -> Command {
    let line = |(product, quantity): &(u8, u32)| RequestedLine {
        product_id: product_id(*product),
        quantity: *quantity,
        seen_price: None,
    };
    Command::PlaceOrder(PlaceOrder {
        order_id: order_id(order),
        shopper: shopper(owner),
        fingerprint: "f".repeat(64),
        lines: lines.iter().map(line).collect(),
        accepted_at_unix_ms: 1_000,
    })
}

pub(super) fn cancel(order: u8, asks: u8) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id: order_id(order),
        shopper: shopper(asks),
    })
}

pub(super) fn captured(order: u8, event: u8, payment: u8, amount: Money) -> Command {
    settle(order, event, payment, Settlement::Captured { amount })
}

pub(super) fn failed(order: u8, event: u8, payment: u8) -> Command {
    settle(
        order,
        event,
        payment,
        Settlement::Failed {
            reason: "card_declined".to_owned(),
        },
    )
}

fn settle(order: u8, event: u8, payment: u8, settlement: Settlement) -> Command {
    Command::SettlePayment(SettlePayment {
        order_id: order_id(order),
        event_id: format!("event-{event}"),
        payment_reference: format!("payment-{payment}"),
        settlement,
    })
}

/// Everything that was written, with the constraints of the schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    pub(super) books: Snapshot,
    /// By order and attempt: the product units, and how the hold ended.
    pub(super) holds: BTreeMap<(OrderId, i16), Option<&'static str>>,
    pub(super) refunds: HashMap<String, Money>,
    pub(super) captured: HashMap<String, Money>,
    pub(super) now: i64,
}

impl Store {
    /// Products 0, 1, … with so many units each, at 1.00 EUR.
    pub(super) fn with_units(units: &[i64]) -> Self {
        let mut store = Self::default();
        for (number, on_hand) in (0..).zip(units) {
            store.add_product(number, *on_hand, "EUR".parse().unwrap());
        }
        store
    }

    pub(super) fn add_product(&mut self, number: u8, on_hand: i64, currency: Currency) {
        let stock = Stock {
            on_hand,
            held: 0,
            sold: 0,
            version: 0,
        };
        let price = Money::new(PRICE, currency);
        let product = Product {
            name: format!("Product {number}"),
            price,
            hold_lasts: HOLD,
            sale: Sale::default(),
            stock,
        };
        self.books.products.insert(product_id(number), product);
    }

    pub(super) fn decide(&mut self, commands: &[Command]) -> Decisions {
        let decisions = decide(at(self.now), self.books.clone(), commands);
        assert_eq!(decisions.verdicts.len(), commands.len());
        self.write(&decisions);
        decisions
    }

    pub(super) fn expire(&mut self) -> Decisions {
        let decisions = expire(at(self.now), self.books.clone());
        self.write(&decisions);
        decisions
    }

    pub(super) fn state(&self, order: u8) -> Option<OrderState> {
        self.books
            .orders
            .get(&order_id(order))
            .map(|order| order.state.word())
    }

    /// On hand, held and sold.
    pub(super) fn units(&self, product: u8) -> (i64, i64, i64) {
        let stock = self.books.products[&product_id(product)].stock;
        (stock.on_hand, stock.held, stock.sold)
    }

    fn write(&mut self, decisions: &Decisions) {
        for order in &decisions.placed {
            assert!(
                self.books.orders.insert(order.id, order.clone()).is_none(),
                "orders_pkey"
            );
        }
        for order in &decisions.moved {
            let before = self
                .books
                .orders
                .insert(order.id, order.clone())
                .expect("an update finds its row");
            assert!(order.version > before.version);
        }
        self.write_holds(decisions);
        for (id, stock) in &decisions.stock {
            assert!(stock.held >= 0 && stock.sold >= 0, "{stock:?}");
            assert!(
                stock.held + stock.sold <= stock.on_hand,
                "stock_never_oversold: {stock:?}"
            );
            let before = std::mem::replace(&mut self.books.products.get_mut(id).unwrap().stock, *stock);
            assert_eq!(before.version + 1, stock.version);
        }
        self.write_payments(decisions);
    }

    fn write_holds(&mut self, decisions: &Decisions) {
        for made in &decisions.holds {
            let key = (made.order_id, made.hold.attempt);
            assert!(self.holds.insert(key, None).is_none(), "holds_pkey");
        }
        for (order, ended) in &decisions.resolutions {
            let hold = self
                .holds
                .get_mut(&(*order, ended.attempt))
                .expect("a resolution finds its hold");
            assert!(
                hold.replace(ended.resolution.as_str()).is_none(),
                "hold_resolutions_pkey"
            );
        }
        for made in &decisions.holds {
            assert_eq!(
                made.open,
                self.holds[&(made.order_id, made.hold.attempt)].is_none()
            );
        }
    }

    fn write_payments(&mut self, decisions: &Decisions) {
        for report in &decisions.reports {
            assert!(
                self.books.seen_reports.insert(report.event_id.clone()),
                "payment_reports_pkey"
            );
            if let Settlement::Captured { amount } = report.settlement {
                self.captured
                    .entry(report.payment_reference.clone())
                    .or_insert(amount);
                self.books
                    .captured
                    .insert((report.order_id, report.payment_reference.clone()));
            }
        }
        for refund in &decisions.refunds {
            let before = self
                .refunds
                .insert(refund.payment_reference.clone(), refund.amount);
            assert!(before.is_none(), "refunds_pkey");
        }
    }

    /// What must hold after every batch.
    pub(super) fn audit(&self) {
        let mut held: HashMap<&ProductId, i64> = HashMap::new();
        let mut sold: HashMap<&ProductId, i64> = HashMap::new();
        for ((order, _), end) in &self.holds {
            let lines = &self.books.orders[order]
                .purchase()
                .expect("a held order has lines")
                .lines;
            for line in lines {
                match end {
                    None => *held.entry(&line.product_id).or_default() += i64::from(line.quantity),
                    Some("posted") => *sold.entry(&line.product_id).or_default() += i64::from(line.quantity),
                    Some(_) => {}
                }
            }
        }
        for (id, product) in &self.books.products {
            assert_eq!(
                product.stock.held,
                held.get(id).copied().unwrap_or(0),
                "held = open holds"
            );
            assert_eq!(
                product.stock.sold,
                sold.get(id).copied().unwrap_or(0),
                "sold = posted holds"
            );
        }
        self.audit_money();
    }

    /// Captured - refunded = kept, and kept is the price of what was sold.
    fn audit_money(&self) {
        let sum = |amounts: &HashMap<String, Money>| amounts.values().map(|amount| amount.minor).sum::<i64>();
        let is_paid = |state: &State| state.word() == OrderState::Paid;
        let paid = self.books.orders.values().filter(|order| is_paid(&order.state));
        let prices = paid.map(|order| order.purchase().unwrap().total.minor);
        assert_eq!(sum(&self.captured) - sum(&self.refunds), prices.sum::<i64>());
        let open: HashSet<_> = self
            .holds
            .iter()
            .filter(|(_, end)| end.is_none())
            .map(|((id, _), _)| id)
            .collect();
        for order in self.books.orders.values() {
            assert_eq!(open.contains(&order.id), matches!(order.state, State::Held(..)));
        }
    }
}
