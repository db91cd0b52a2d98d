//! What the tests of batches share: short ways to say commands, and a store that takes decisions as the database
//! does, refusing what its constraints refuse.

use super::{Decisions, KnownRefunds, Product, Snapshot, decide, expire, step};
use crate::{order::State, payment::Payment, sale::Sale, stock::Stock, terms::Terms};
use contract::{
    CancelOrder, Command, Currency, Money, OrderId, OrderState, PlaceOrder, ProductId, RefundOrder,
    RequestReturn, RequestedLine, SettlePayment, Settlement, ShopperId, StartPayment,
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
        address: None,
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

pub(super) fn abandoned(order: u8, event: u8, payment: u8) -> Command {
    settle(order, event, payment, Settlement::Abandoned)
}

pub(super) fn started(order: u8, payment: u8) -> Command {
    Command::StartPayment(StartPayment {
        order_id: order_id(order),
        payment_reference: format!("payment-{payment}"),
    })
}

pub(super) fn send_back(order: u8, asks: u8) -> Command {
    Command::RequestReturn(RequestReturn {
        order_id: order_id(order),
        shopper: shopper(asks),
    })
}

pub(super) fn refund(order: u8, number: u8, amount: Money) -> Command {
    Command::RefundOrder(RefundOrder {
        order_id: order_id(order),
        refund_id: Uuid::from_u128(u128::from(number)),
        amount,
    })
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
    /// By their names: of which order, how much, and whether it was made.
    pub(super) refunds: BTreeMap<String, (OrderId, Money, bool)>,
    pub(super) restocked: HashSet<OrderId>,
    pub(super) terms: Terms,
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
            per_customer: None,
            by_draw: false,
            sale: Sale::default(),
            stock,
        };
        self.books.products.insert(product_id(number), product);
    }

    pub(super) fn decide(&mut self, commands: &[Command]) -> Decisions {
        let decisions = decide(at(self.now), &self.terms, self.books.clone(), commands);
        assert_eq!(decisions.verdicts.len(), commands.len());
        self.write(&decisions);
        decisions
    }

    pub(super) fn expire(&mut self) -> Decisions {
        let decisions = expire(at(self.now), &self.terms, self.books.clone());
        self.write(&decisions);
        decisions
    }

    pub(super) fn step(&mut self) -> Decisions {
        let decisions = step(at(self.now), &self.terms, self.books.clone());
        self.write(&decisions);
        decisions
    }

    /// The provider gives back what is owed, one refund after the other.
    pub(super) fn make_refunds(&mut self) {
        let due: Vec<(String, OrderId, Money)> = self
            .refunds
            .iter()
            .filter(|(_, (_, _, made))| !made)
            .map(|(id, (order, amount, _))| (id.clone(), *order, *amount))
            .collect();
        for (id, order_id, amount) in due {
            self.refunds.insert(id, (order_id, amount, true));
            let more = self
                .refunds
                .values()
                .any(|(order, _, made)| *order == order_id && !made);
            let order = self.books.orders[&order_id].clone();
            let order = order.refund_made(amount.minor, more, at(self.now));
            self.books.orders.insert(order_id, order);
            self.books.refunds.get_mut(&order_id).unwrap().outstanding = more;
        }
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
        for restock in &decisions.restocks {
            assert!(self.restocked.insert(restock.order_id), "restocks_pkey");
        }
        for customer in &decisions.customers {
            assert!((0..=customer.at_most).contains(&customer.units), "{customer:?}");
            let who = (customer.product_id.clone(), customer.shopper.clone());
            self.books.customers.insert(who, customer.units);
        }
        self.write_payments(decisions);
    }

    fn write_holds(&mut self, decisions: &Decisions) {
        for made in &decisions.holds {
            let key = (made.order_id, made.hold.attempt);
            assert!(self.holds.insert(key, None).is_none(), "holds_pkey");
        }
        for (order, hold) in &decisions.extensions {
            assert_eq!(self.holds.get(&(*order, hold.attempt)), Some(&None), "still open");
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
        }
        for (order, name, payment) in &decisions.payments {
            if let Payment::Captured { amount, owed_back } = payment {
                assert!((0..=amount.minor).contains(owed_back), "payments_never_overdrawn");
            }
            self.books.payments.insert((*order, name.clone()), *payment);
        }
        for refund in &decisions.refunds {
            let row = (refund.order_id, refund.amount, false);
            assert!(
                self.refunds.insert(refund.id.clone(), row).is_none(),
                "refunds_pkey"
            );
            let known: &mut KnownRefunds = self.books.refunds.entry(refund.order_id).or_default();
            known.ids.insert(refund.id.clone());
            known.outstanding = true;
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
                    Some("posted") if self.restocked.contains(order) => {}
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
                "sold = posted holds that did not come back"
            );
        }
        self.audit_money();
    }

    /// Captured - refunded = kept, and kept is the price of what was sold, less what operators gave back.
    fn audit_money(&self) {
        let captured = self.books.payments.values().map(|payment| match payment {
            Payment::Captured { amount, .. } => amount.minor,
            Payment::Started | Payment::Ended => 0,
        });
        let kept = captured.sum::<i64>()
            - self
                .refunds
                .values()
                .map(|(_, amount, _)| amount.minor)
                .sum::<i64>();
        let mut prices = 0;
        for order in self.books.orders.values() {
            if let State::Sold { purchase, .. } = &order.state {
                let by_hand = self
                    .refunds
                    .iter()
                    .filter(|(id, (of, _, _))| id.starts_with("by-hand-") && *of == order.id);
                prices += purchase.total.minor - by_hand.map(|(_, (_, amount, _))| amount.minor).sum::<i64>();
            }
        }
        assert_eq!(kept, prices);
        self.audit_orders();
    }

    fn audit_orders(&self) {
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
