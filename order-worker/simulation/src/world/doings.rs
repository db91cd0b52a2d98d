//! What shoppers, operators and the payment provider do.

use super::{QUEUES, World, krw, product_id, shopper};
use crate::{Crash, ledger::is_sold, provider::Stands};
use contract::{
    CancelOrder, Command, OrderId, OrderState, PlaceOrder, RefundOrder, RequestReturn, RequestedLine,
    StartPayment,
};
use order_domain::order::Order;
use rand::RngExt;
use uuid::Uuid;

impl World {
    pub(super) fn place(&mut self) {
        let number = self.placed.len() as u128;
        let lines = self.rng.random_range(1..3);
        // One product more than there are: now and then somebody asks for what is not sold.
        let products = u8::try_from(self.books.products.len()).unwrap_or(u8::MAX);
        let unknown = self.chance(3);
        let lines = (0..lines).map(|_| RequestedLine {
            product_id: product_id(if unknown {
                products
            } else {
                self.rng.random_range(0..products)
            }),
            quantity: self.rng.random_range(1..4),
            seen_price: None,
        });
        let place = PlaceOrder {
            lines: lines.collect(),
            order_id: OrderId::from_uuid(Uuid::from_u128(number)),
            shopper: shopper(self.rng.random_range(0..self.people)),
            fingerprint: String::new(),
            accepted_at_unix_ms: 0,
            address: None,
        };
        self.publish(place.order_id, Command::PlaceOrder(place.clone()), Some(&place));
        self.placed.push(place);
    }

    /// Onto the queue of the order's first product; a confirm that is lost makes it two.
    fn publish(&mut self, order: OrderId, command: Command, placed: Option<&PlaceOrder>) {
        let place = placed.or_else(|| self.placed.iter().find(|place| place.order_id == order));
        let first = place.and_then(|place| place.lines.iter().map(|line| &line.product_id).min());
        let queue = first.map_or(0, |product| {
            product.as_str().len() + usize::from(product.as_str().ends_with('1'))
        });
        let copies = if self.chance(10) { 2 } else { 1 };
        for _ in 0..copies {
            self.queues[queue % QUEUES].publish(command.clone());
        }
    }

    pub(super) fn publish_again(&mut self) {
        let queue = self.rng.random_range(0..QUEUES);
        let length = self.queues[queue].length();
        if let Some(index) = self.any(length)
            && let Some(command) = self.queues[queue].any(index).cloned()
        {
            self.queues[queue].publish(command);
        } else if let Some(index) = self.any(self.placed.len()) {
            let place = self.placed[index].clone();
            self.publish(place.order_id, Command::PlaceOrder(place.clone()), Some(&place));
        }
    }

    /// An order that a shopper would do something with, as the shop shows it.
    fn any_order(&mut self, wanted: impl Fn(&Order) -> bool) -> Option<Order> {
        let fitting: Vec<&Order> = self.books.orders.values().filter(|order| wanted(order)).collect();
        let length = fitting.len();
        let fitting: Vec<Order> = fitting.into_iter().cloned().collect();
        self.any(length).map(|index| fitting[index].clone())
    }

    pub(super) fn pay(&mut self, crash: Crash) {
        let is_held = |order: &Order| order.state.word() == OrderState::Held;
        let Some(order) = self.any_order(is_held) else {
            return;
        };
        let Some(total) = order.purchase().map(|purchase| purchase.total) else {
            return;
        };
        if self.died(crash == Crash::Before) {
            return;
        }
        let reference = self.provider.checkout(order.id, total);
        if self.died(crash == Crash::After) {
            return;
        }
        let start = StartPayment {
            order_id: order.id,
            payment_reference: reference.clone(),
        };
        self.publish(order.id, Command::StartPayment(start), None);
        if let Some(paid) = self.provider.payments.get_mut(&reference) {
            paid.shown = true;
        }
    }

    pub(super) fn confirm(&mut self) {
        let open = self
            .provider
            .payments
            .iter()
            .filter(|(_, paid)| paid.shown && paid.stands == Stands::Open);
        let open: Vec<String> = open.map(|(name, _)| name.clone()).collect();
        let Some(index) = self.any(open.len()) else { return };
        let name = &open[index];
        let Some(asked) = self.provider.payments.get(name).map(|paid| paid.amount) else {
            return;
        };
        let (stands, amount) = match self.rng.random_range(0..20) {
            0..13 => (Stands::Captured, asked),
            13 => (Stands::Captured, krw(asked.minor + 1)),
            14..17 => (Stands::Failed, asked),
            _ => (Stands::Abandoned, asked),
        };
        // The webhook never comes, comes once, or comes again and again.
        let copies = match self.rng.random_range(0..10) {
            0..2 => 0,
            2..8 => 1,
            _ => 3,
        };
        self.report.reports_lost += u32::from(copies == 0);
        self.provider.end(name, stands, amount, copies);
    }

    pub(super) fn rogue_payment(&mut self) {
        let Some(order) = self.any_order(|order| order.purchase().is_some()) else {
            return;
        };
        let Some(total) = order.purchase().map(|purchase| purchase.total) else {
            return;
        };
        let reference = self.provider.open(order.id, total);
        self.provider.end(&reference, Stands::Captured, total, 1);
    }

    /// The shop takes a report of an order that it knows; else the provider sends it again.
    pub(super) fn report_arrives(&mut self) {
        let Some(index) = self.any(self.provider.reports.len()) else {
            return;
        };
        let (report, copies) = self.provider.reports[index].clone();
        if copies <= 1 {
            self.provider.reports.swap_remove(index);
        } else {
            self.provider.reports[index].1 -= 1;
        }
        if copies > 0 {
            self.publish(report.order_id, Command::SettlePayment(report), None);
        }
    }

    pub(super) fn cancel(&mut self) {
        let Some(index) = self.any(self.placed.len()) else {
            return;
        };
        let place = self.placed[index].clone();
        let state = self
            .books
            .orders
            .get(&place.order_id)
            .map(|order| order.state.word());
        let may = matches!(state, None | Some(OrderState::Held | OrderState::Paid));
        if may {
            let somebody_else = self.chance(10);
            let cancel = CancelOrder {
                order_id: place.order_id,
                shopper: if somebody_else {
                    shopper(200)
                } else {
                    place.shopper
                },
            };
            self.publish(cancel.order_id, Command::CancelOrder(cancel), None);
        }
    }

    pub(super) fn send_back(&mut self) {
        let is_there = |order: &Order| order.state.word() == OrderState::Delivered;
        if let Some(order) = self.any_order(is_there) {
            let request = RequestReturn {
                order_id: order.id,
                shopper: order.shopper,
            };
            self.publish(order.id, Command::RequestReturn(request), None);
        }
    }

    pub(super) fn refund_by_hand(&mut self) {
        let Some(order) = self.any_order(|order| is_sold(order.state.word())) else {
            return;
        };
        let Some(total) = order.purchase().map(|purchase| purchase.total.minor) else {
            return;
        };
        let refund = RefundOrder {
            order_id: order.id,
            refund_id: Uuid::from_u128(self.rng.random_range(0..1_000_000)),
            // Sometimes more than there is.
            amount: krw(self.rng.random_range(1..=total + total / 4)),
        };
        self.publish(order.id, Command::RefundOrder(refund), None);
    }

    pub(super) fn replay(&mut self) {
        let Some(index) = self.any(self.dead.len()) else {
            return;
        };
        let command = self.dead.swap_remove(index);
        self.publish(command.order_id(), command, None);
    }

    pub(super) fn change_limit(&mut self) {
        let products = u8::try_from(self.books.products.len()).unwrap_or(1);
        let id = product_id(self.rng.random_range(0..products));
        let limit: Option<u32> = self.chance(50).then(|| self.rng.random_range(1..4));
        self.books.change_limit(&id, limit);
        if let Some(sold) = self.ledger.products.get_mut(&id) {
            sold.limit = limit.map(i64::from);
        }
        for who in self.shoppers() {
            let has = self.books.units_of(&id, &who);
            self.had.insert((id.clone(), who), has);
        }
    }
}
