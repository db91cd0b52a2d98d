//! The database: rows, constraints, and what a batch reads of them.

use crate::{
    Verdict, promise,
    rows::{HoldRow, RefundRow},
};
use contract::{Command, Event, OrderId, ProductId, ShopperId};
use order_domain::{
    batch::{Decisions, Product, Snapshot},
    order::{Order, State},
    payment::Payment,
};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use time::OffsetDateTime;

/// Everything that was committed.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) products: BTreeMap<ProductId, Product>,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    pub(crate) holds: BTreeMap<(OrderId, i16), HoldRow>,
    pub(crate) restocks: BTreeSet<OrderId>,
    pub(crate) payments: BTreeMap<(OrderId, String), Payment>,
    pub(crate) refunds: BTreeMap<String, RefundRow>,
    pub(crate) outbox: VecDeque<Event>,
    reports: BTreeSet<String>,
    customers: BTreeMap<(ProductId, ShopperId), i64>,
}

impl Books {
    /// What the worker reads for these commands: what they name, and nothing else.
    pub(crate) fn for_commands(&self, commands: &[Command]) -> Snapshot {
        let orders = commands.iter().map(Command::order_id);
        let mut snapshot = self.for_orders(orders);
        for command in commands {
            match command {
                Command::PlaceOrder(place) => {
                    for line in &place.lines {
                        self.read_product(&line.product_id, &mut snapshot);
                        self.read_customer(&line.product_id, &place.shopper, &mut snapshot);
                    }
                }
                Command::SettlePayment(settle) if self.reports.contains(&settle.event_id) => {
                    snapshot.seen_reports.insert(settle.event_id.clone());
                }
                _ => {}
            }
        }
        snapshot
    }

    /// What a reconciler reads of these orders.
    pub(crate) fn for_orders(&self, orders: impl IntoIterator<Item = OrderId>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let wanted: HashSet<OrderId> = orders.into_iter().collect();
        for id in &wanted {
            let Some(order) = self.orders.get(id) else {
                continue;
            };
            for line in order.purchase().into_iter().flat_map(|purchase| &purchase.lines) {
                self.read_product(&line.product_id, &mut snapshot);
                self.read_customer(&line.product_id, &order.shopper, &mut snapshot);
            }
            snapshot.orders.insert(*id, order.clone());
        }
        let payments = self
            .payments
            .iter()
            .filter(|((order, _), _)| wanted.contains(order));
        snapshot.payments = payments.map(|(name, payment)| (name.clone(), *payment)).collect();
        for refund in self
            .refunds
            .values()
            .filter(|refund| wanted.contains(&refund.order))
        {
            let known = snapshot.refunds.entry(refund.order).or_default();
            known.ids.insert(refund.id.clone());
            known.outstanding |= !refund.made;
        }
        snapshot
    }

    fn read_product(&self, id: &ProductId, snapshot: &mut Snapshot) {
        if let Some(product) = self.products.get(id) {
            snapshot.products.insert(id.clone(), product.clone());
        }
    }

    /// Who has no row yet is counted from the orders that there are.
    fn read_customer(&self, product: &ProductId, shopper: &ShopperId, snapshot: &mut Snapshot) {
        let limited = self
            .products
            .get(product)
            .is_some_and(|product| product.per_customer.is_some());
        if limited {
            let who = (product.clone(), shopper.clone());
            let units = self.customers.get(&who).copied();
            let units = units.unwrap_or_else(|| self.units_of(product, shopper));
            snapshot.customers.insert(who, units);
        }
    }

    pub(crate) fn units_of(&self, product: &ProductId, shopper: &ShopperId) -> i64 {
        let has_units = |order: &&Order| matches!(order.state, State::Held(..) | State::Sold { .. });
        let theirs = self.orders.values().filter(|order| order.shopper == *shopper);
        theirs
            .filter(has_units)
            .filter_map(Order::purchase)
            .flat_map(|purchase| &purchase.lines)
            .filter(|line| line.product_id == *product)
            .map(|line| i64::from(line.quantity))
            .sum()
    }

    pub(crate) fn change_limit(&mut self, id: &ProductId, limit: Option<u32>) {
        if let Some(product) = self.products.get_mut(id) {
            product.per_customer = limit;
        }
        self.customers.retain(|(product, _), _| product != id);
    }

    pub(crate) fn due_holds(&self, now: OffsetDateTime) -> Vec<OrderId> {
        let open = self.holds.iter().filter(|(_, hold)| hold.resolution.is_none());
        open.filter(|(_, hold)| hold.expires_at <= now)
            .map(|((order, _), _)| *order)
            .collect()
    }

    pub(crate) fn due_orders(&self, now: OffsetDateTime) -> Vec<OrderId> {
        let due = self.orders.values().filter(|order| order.is_due(now));
        due.map(|order| order.id).collect()
    }

    /// Commits what was decided, as the constraints of the schema allow it.
    pub(crate) fn commit(&mut self, decisions: &Decisions) -> Verdict {
        self.commit_orders(decisions)?;
        self.commit_holds(decisions)?;
        for restock in &decisions.restocks {
            promise(self.restocks.insert(restock.order_id), || {
                format!("{} was put back twice", restock.order_id)
            })?;
        }
        for customer in &decisions.customers {
            promise((0..=customer.at_most).contains(&customer.units), || {
                format!("{customer:?}")
            })?;
            let who = (customer.product_id.clone(), customer.shopper.clone());
            self.customers.insert(who, customer.units);
        }
        self.commit_money(decisions)?;
        self.commit_stock(decisions)?;
        self.outbox.extend(decisions.events.iter().cloned());
        Ok(())
    }

    fn commit_orders(&mut self, decisions: &Decisions) -> Verdict {
        for order in &decisions.placed {
            let before = self.orders.insert(order.id, order.clone());
            promise(before.is_none(), || format!("{} was decided twice", order.id))?;
        }
        for order in &decisions.moved {
            let before = self.orders.insert(order.id, order.clone());
            let is_newer = before.is_some_and(|before| before.version < order.version);
            promise(is_newer, || format!("{} moved and is not newer", order.id))?;
        }
        Ok(())
    }

    fn commit_holds(&mut self, decisions: &Decisions) -> Verdict {
        for made in &decisions.holds {
            let row = HoldRow {
                expires_at: made.hold.expires_at,
                extended: made.hold.extended,
                resolution: None,
            };
            let before = self.holds.insert((made.order_id, made.hold.attempt), row);
            promise(before.is_none(), || format!("a hold of {} twice", made.order_id))?;
        }
        for (order, hold) in &decisions.extensions {
            let row = self.holds.get_mut(&(*order, hold.attempt));
            let row = row.filter(|row| row.resolution.is_none() && !row.extended);
            let row = row.ok_or_else(|| format!("the hold of {order} was made longer twice, or late"))?;
            (row.expires_at, row.extended) = (hold.expires_at, true);
        }
        for (order, ended) in &decisions.resolutions {
            let row = self.holds.get_mut(&(*order, ended.attempt));
            let before = row.map(|row| row.resolution.replace(ended.resolution.as_str()));
            promise(before == Some(None), || {
                format!("the hold of {order} ended twice")
            })?;
        }
        Ok(())
    }

    fn commit_money(&mut self, decisions: &Decisions) -> Verdict {
        for report in &decisions.reports {
            let is_new = self.reports.insert(report.event_id.clone());
            promise(is_new, || format!("{} was acted on twice", report.event_id))?;
        }
        for (order, name, payment) in &decisions.payments {
            if let Payment::Captured { amount, owed_back } = payment {
                promise((0..=amount.minor).contains(owed_back), || {
                    format!("{name}: {payment:?}")
                })?;
            }
            self.payments.insert((*order, name.clone()), *payment);
        }
        for refund in &decisions.refunds {
            let row = RefundRow {
                id: refund.id.clone(),
                order: refund.order_id,
                payment: refund.payment_reference.clone(),
                amount: refund.amount,
                made: false,
            };
            let before = self.refunds.insert(refund.id.clone(), row);
            promise(before.is_none(), || format!("refund {} is owed twice", refund.id))?;
        }
        Ok(())
    }

    fn commit_stock(&mut self, decisions: &Decisions) -> Verdict {
        for (id, stock) in &decisions.stock {
            let Some(product) = self.products.get_mut(id) else {
                return Err(format!("stock of {id}, which is not sold"));
            };
            let fits = stock.held >= 0 && stock.sold >= 0 && stock.held + stock.sold <= stock.on_hand;
            promise(fits && stock.version == product.stock.version + 1, || {
                format!("{id}: {stock:?}")
            })?;
            product.stock = *stock;
        }
        Ok(())
    }

    /// Notes that a refund was made; answers whether that is news.
    pub(crate) fn note_refund(&mut self, id: &str, now: OffsetDateTime) -> bool {
        let Some(row) = self.refunds.get_mut(id).filter(|row| !row.made) else {
            return false;
        };
        row.made = true;
        let (order, minor) = (row.order, row.amount.minor);
        let more = self.refunds.values().any(|row| row.order == order && !row.made);
        if let Some(order) = self.orders.get_mut(&order) {
            *order = order.clone().refund_made(minor, more, now);
            self.outbox.push_back(Event::OrderChanged(order.told()));
        }
        true
    }
}
