//! The books while a batch is decided.

use super::{Decisions, NewHold, Product, Snapshot, Verdict};
use crate::{
    hold::Hold,
    order::{Ending, Order, Purchase},
    stock::Stock,
    terms::Terms,
};
use contract::{Event, OrderId, ProductId, ShopperId, StockChanged};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use time::OffsetDateTime;

/// What stands in the books now, and what was changed since they were opened.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) now: OffsetDateTime,
    pub(super) terms: Terms,
    pub(super) books: Snapshot,
    pub(super) written: Decisions,
    pub(super) payments: BTreeSet<(OrderId, String)>,
    /// What customers had before, where that changed.
    pub(super) customers: BTreeMap<(ProductId, ShopperId), i64>,
    placed: Vec<OrderId>,
    moved: BTreeSet<OrderId>,
    stock: BTreeSet<ProductId>,
}

impl Ledger {
    pub(super) fn open(now: OffsetDateTime, terms: &Terms, books: Snapshot) -> Self {
        Self {
            now,
            terms: terms.clone(),
            books,
            written: Decisions::default(),
            payments: BTreeSet::new(),
            customers: BTreeMap::new(),
            placed: Vec::new(),
            moved: BTreeSet::new(),
            stock: BTreeSet::new(),
        }
    }

    pub(super) fn close(mut self, verdicts: Vec<Verdict>) -> Decisions {
        self.write_stock();
        self.write_money();
        self.write_customers();
        self.write_holds();
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
            .and_then(|order| order.end_hold(ending, &self.terms, self.now));
        let Some((order, resolved)) = ended else {
            return Verdict::Unchanged;
        };
        self.release_units(&order, ending);
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

    /// Makes a hold longer, whether it was made in this batch or earlier.
    pub(super) fn extend_hold(&mut self, order_id: OrderId, hold: Hold) {
        let same = |made: &&mut NewHold| made.order_id == order_id && made.hold.attempt == hold.attempt;
        match self.written.holds.iter_mut().find(same) {
            Some(made) => made.hold = hold,
            None => self.written.extensions.push((order_id, hold)),
        }
    }

    /// Takes the units of a purchase out of what is available: all of them, or none and `false`.
    pub(super) fn take_units(&mut self, shopper: &ShopperId, purchase: &Purchase) -> bool {
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
        self.count_for(shopper, purchase, 1);
        true
    }

    /// Puts the units of a sale back on the shelf.
    pub(super) fn restock(&mut self, order: &Order) {
        self.move_units(order, Stock::restock);
        self.uncount(order);
    }

    fn release_units(&mut self, order: &Order, ending: Ending) {
        match ending {
            Ending::Paid => self.move_units(order, Stock::sell),
            Ending::Closed(..) => {
                self.move_units(order, Stock::release);
                self.uncount(order);
            }
        }
    }

    fn move_units(&mut self, order: &Order, how: impl Fn(Stock, u32) -> Stock) {
        for line in order.purchase().into_iter().flat_map(|purchase| &purchase.lines) {
            if let Some(stock) = self.stock_of(&line.product_id) {
                self.set_stock(&line.product_id, how(stock, line.quantity));
                self.stock.insert(line.product_id.clone());
            }
        }
    }

    fn uncount(&mut self, order: &Order) {
        if let Some(purchase) = order.purchase() {
            self.count_for(&order.shopper, purchase, -1);
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

    /// Which of the new holds are still open.
    fn write_holds(&mut self) {
        let ended: HashSet<(OrderId, i16)> = self
            .written
            .resolutions
            .iter()
            .map(|(order, hold)| (*order, hold.attempt))
            .collect();
        for made in &mut self.written.holds {
            made.open = !ended.contains(&(made.order_id, made.hold.attempt));
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
