//! The books while a batch is decided.

use super::{Decisions, NewHold, Product, Refund, Snapshot, Verdict};
use crate::{
    hold::Hold,
    order::{Ending, Order, Purchase},
    stock::Stock,
};
use contract::{Event, Money, OrderId, ProductId, StockChanged};
use std::collections::{BTreeSet, HashSet};
use time::OffsetDateTime;

/// What stands in the books now, and what was changed since they were opened.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) now: OffsetDateTime,
    pub(super) books: Snapshot,
    pub(super) written: Decisions,
    placed: Vec<OrderId>,
    moved: BTreeSet<OrderId>,
    stock: BTreeSet<ProductId>,
}

impl Ledger {
    pub(super) fn open(now: OffsetDateTime, books: Snapshot) -> Self {
        let (written, placed) = (Decisions::default(), Vec::new());
        Self {
            now,
            books,
            written,
            placed,
            moved: BTreeSet::new(),
            stock: BTreeSet::new(),
        }
    }

    pub(super) fn close(mut self, verdicts: Vec<Verdict>) -> Decisions {
        self.write_stock();
        let ended: HashSet<(OrderId, i16)> = self
            .written
            .resolutions
            .iter()
            .map(|(order, hold)| (*order, hold.attempt))
            .collect();
        for made in &mut self.written.holds {
            made.open = !ended.contains(&(made.order_id, made.hold.attempt));
        }
        let orders = &mut self.books.orders;
        self.written.placed = self
            .placed
            .iter()
            .filter_map(|order| orders.remove(order))
            .collect();
        self.written.moved = self
            .moved
            .iter()
            .filter_map(|order| orders.remove(order))
            .collect();
        Decisions {
            verdicts,
            ..self.written
        }
    }

    pub(super) fn order(&self, id: OrderId) -> Option<&Order> {
        self.books.orders.get(&id)
    }

    pub(super) fn product(&self, id: &ProductId) -> Option<&Product> {
        self.books.products.get(id)
    }

    /// Enters a new order.
    pub(super) fn enter(&mut self, order: Order) -> Verdict {
        self.placed.push(order.id);
        self.put(order)
    }

    /// Enters a change of an order.
    pub(super) fn put(&mut self, order: Order) -> Verdict {
        let (id, state) = (order.id, order.state.word());
        if !self.placed.contains(&id) {
            self.moved.insert(id);
        }
        self.books.orders.insert(id, order);
        self.tell(id);
        Verdict::Changed(state)
    }

    /// Says how the order stands: news, or once more for whoever asked again.
    pub(super) fn tell(&mut self, id: OrderId) {
        if let Some(order) = self.books.orders.get(&id) {
            self.written.events.push(Event::OrderChanged(order.told()));
        }
    }

    /// Ends the order's hold, if it has one.
    pub(super) fn end_hold(&mut self, id: OrderId, ending: Ending) -> Verdict {
        let ended = self
            .order(id)
            .cloned()
            .and_then(|order| order.end_hold(ending, self.now));
        let Some((order, resolved)) = ended else {
            return Verdict::Unchanged;
        };
        self.return_units(&order, ending);
        self.written.resolutions.push((id, resolved));
        self.put(order)
    }

    /// Enters a hold that was made.
    pub(super) fn enter_hold(&mut self, order_id: OrderId, hold: Hold) {
        self.written.holds.push(NewHold {
            order_id,
            hold,
            open: true,
        });
    }

    /// Takes the units of a purchase out of what is available: all of them, or none and `false`.
    pub(super) fn take_units(&mut self, purchase: &Purchase) -> bool {
        let before: Vec<_> = purchase
            .lines
            .iter()
            .map(|line| self.stock_of(&line.product_id))
            .collect();
        for line in &purchase.lines {
            let held = self
                .stock_of(&line.product_id)
                .and_then(|stock| stock.hold(line.quantity));
            let Some(held) = held else {
                self.undo(purchase, before);
                return false;
            };
            self.set_stock(&line.product_id, held);
        }
        self.stock
            .extend(purchase.lines.iter().map(|line| line.product_id.clone()));
        true
    }

    /// Enters money that is owed back; a payment of nothing needs no refund.
    pub(super) fn owe(&mut self, order_id: OrderId, payment_reference: &str, amount: Money) {
        if amount.minor > 0 {
            let (payment_reference, due_at) = (payment_reference.to_owned(), self.now);
            self.written.refunds.push(Refund {
                payment_reference,
                order_id,
                amount,
                due_at,
            });
        }
    }

    fn return_units(&mut self, order: &Order, ending: Ending) {
        for line in order.purchase().into_iter().flat_map(|purchase| &purchase.lines) {
            let Some(stock) = self.stock_of(&line.product_id) else {
                continue;
            };
            let after = if ending.sells() {
                stock.sell(line.quantity)
            } else {
                stock.release(line.quantity)
            };
            self.set_stock(&line.product_id, after);
            self.stock.insert(line.product_id.clone());
        }
    }

    fn undo(&mut self, purchase: &Purchase, before: Vec<Option<Stock>>) {
        // Backwards, so that of two lines of one product the first one's state is the last to be restored.
        for (line, stock) in purchase.lines.iter().zip(before).rev() {
            if let Some(stock) = stock {
                self.set_stock(&line.product_id, stock);
            }
        }
    }

    fn stock_of(&self, product: &ProductId) -> Option<Stock> {
        self.product(product).map(|product| product.stock)
    }

    fn set_stock(&mut self, product: &ProductId, stock: Stock) {
        if let Some(product) = self.books.products.get_mut(product) {
            product.stock = stock;
        }
    }

    fn write_stock(&mut self) {
        for id in std::mem::take(&mut self.stock) {
            let Some(stock) = self.stock_of(&id).map(Stock::next_version) else {
                continue;
            };
            self.written.events.push(Event::StockChanged(told(&id, stock)));
            self.written.stock.push((id, stock));
        }
    }
}

fn told(product_id: &ProductId, stock: Stock) -> StockChanged {
    let Stock {
        on_hand,
        held,
        sold,
        version,
    } = stock;
    StockChanged {
        product_id: product_id.clone(),
        on_hand,
        held,
        sold,
        version,
    }
}
