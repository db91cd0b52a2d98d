//! The naive ledger: what each order should be, one command after the other. It keeps no sums: whatever is asked, it
//! adds up what there is.

use contract::{Command, OrderId, OrderState, PlaceOrder, ProductId, SettlePayment, Settlement, ShopperId};
use std::collections::{BTreeMap, BTreeSet};
use time::{Duration, OffsetDateTime, Time};

const LONGER: Duration = Duration::minutes(10);

/// A product: units, price, how long it is held, and how many one customer may have.
#[derive(Debug, Clone)]
pub(crate) struct Sold {
    pub(crate) units: i64,
    pub(crate) price: i64,
    pub(crate) held: Duration,
    pub(crate) limit: Option<i64>,
}

#[derive(Debug)]
struct Known {
    shopper: ShopperId,
    lines: Vec<(ProductId, i64)>,
    state: OrderState,
    /// When time alone changes it.
    due: Option<OffsetDateTime>,
    longer: bool,
}

#[derive(Debug)]
struct Owed {
    order: OrderId,
    payment: String,
    minor: i64,
    made: bool,
}

/// The ledger.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) products: BTreeMap<ProductId, Sold>,
    orders: BTreeMap<OrderId, Known>,
    reports: BTreeSet<String>,
    payments: BTreeSet<(OrderId, String)>,
    captured: BTreeMap<(OrderId, String), i64>,
    owed: BTreeMap<String, Owed>,
}

impl Ledger {
    pub(crate) fn state(&self, order: OrderId) -> Option<OrderState> {
        self.orders.get(&order).map(|known| known.state)
    }

    pub(crate) fn count(&self) -> usize {
        self.orders.len()
    }

    /// Units held and sold.
    pub(crate) fn units(&self, product: &ProductId) -> (i64, i64) {
        let sum = |is: fn(OrderState) -> bool| {
            let orders = self.orders.values().filter(|known| is(known.state));
            units(orders, product)
        };
        (sum(|state| state == OrderState::Held), sum(is_sold))
    }

    /// Of all that was captured, what is not owed back.
    pub(crate) fn kept(&self) -> i64 {
        self.captured.values().sum::<i64>() - self.owed.values().map(|owed| owed.minor).sum::<i64>()
    }

    /// What is owed back of a payment, or was.
    pub(crate) fn owed_of(&self, order: OrderId, payment: &str) -> i64 {
        let owed = self
            .owed
            .values()
            .filter(|owed| owed.order == order && owed.payment == payment);
        owed.map(|owed| owed.minor).sum()
    }

    pub(crate) fn decide(&mut self, command: &Command, now: OffsetDateTime) {
        match command {
            Command::PlaceOrder(place) => self.place(place, now),
            Command::CancelOrder(cancel) => {
                if self
                    .orders
                    .get(&cancel.order_id)
                    .is_some_and(|known| known.shopper == cancel.shopper)
                {
                    self.cancel(cancel.order_id);
                }
            }
            Command::StartPayment(start) => self.start(start.order_id, &start.payment_reference),
            Command::SettlePayment(settle) => self.settle(settle, now),
            Command::RequestReturn(request) => {
                if let Some(known) = self.orders.get_mut(&request.order_id)
                    && known.shopper == request.shopper
                    && known.state == OrderState::Delivered
                    && known.due.is_some_and(|due| now < due)
                {
                    known.goes(OrderState::ReturnRequested, Some(tomorrow(now)));
                }
            }
            Command::RefundOrder(refund) => {
                let (order, name) = (refund.order_id, format!("by-hand-{}", refund.refund_id));
                let sold = self.state(order).is_some_and(is_sold);
                let kept = self.kept_of(order);
                if let Some((payment, kept)) = kept.first().filter(|_| sold && !self.owed.contains_key(&name))
                    && (1..=*kept).contains(&refund.amount.minor)
                {
                    self.owe(name, order, payment.clone(), refund.amount.minor);
                }
            }
        }
    }

    pub(crate) fn expire(&mut self, now: OffsetDateTime) {
        for known in self.orders.values_mut() {
            if known.state == OrderState::Held && known.due.is_some_and(|due| due <= now) {
                known.goes(OrderState::Expired, None);
            }
        }
    }

    pub(crate) fn step(&mut self, now: OffsetDateTime) {
        let due = |known: &Known| is_sold(known.state) && known.due.is_some_and(|due| due <= now);
        let orders = self.orders.iter().filter(|(_, known)| due(known));
        let orders: Vec<OrderId> = orders.map(|(id, _)| *id).collect();
        for id in orders {
            if self.state(id) == Some(OrderState::ReturnRequested) {
                self.take_back(id, "returned");
                continue;
            }
            let Some(known) = self.orders.get_mut(&id) else {
                continue;
            };
            match known.state {
                OrderState::Paid => known.goes(OrderState::Shipped, Some(tomorrow(now))),
                OrderState::Shipped => known.goes(OrderState::Delivered, Some(tomorrow(now))),
                _ => known.goes(OrderState::Confirmed, None),
            }
        }
    }

    pub(crate) fn refund_made(&mut self, name: &str) {
        let Some(owed) = self.owed.get_mut(name) else {
            return;
        };
        owed.made = true;
        let order = owed.order;
        if self.owed.values().all(|owed| owed.order != order || owed.made)
            && let Some(known) = self.orders.get_mut(&order)
            && known.state == OrderState::RefundDue
        {
            known.goes(OrderState::Refunded, None);
        }
    }

    fn place(&mut self, place: &PlaceOrder, now: OffsetDateTime) {
        if self.orders.contains_key(&place.order_id) {
            return;
        }
        let lines: Vec<(ProductId, i64)> = place
            .lines
            .iter()
            .map(|line| (line.product_id.clone(), i64::from(line.quantity)))
            .collect();
        let fits = self.fits(&place.shopper, &lines);
        let held = lines
            .iter()
            .filter_map(|(product, _)| Some(self.products.get(product)?.held));
        let due = held.min().map(|held| now + held).filter(|_| fits);
        let known = Known {
            shopper: place.shopper.clone(),
            lines,
            state: if fits {
                OrderState::Held
            } else {
                OrderState::Refused
            },
            due,
            longer: false,
        };
        self.orders.insert(place.order_id, known);
    }

    /// Whether all of it is there, and the customer may have it.
    fn fits(&self, shopper: &ShopperId, lines: &[(ProductId, i64)]) -> bool {
        lines.iter().all(|(id, _)| {
            let Some(product) = self.products.get(id) else {
                return false;
            };
            let wanted: i64 = lines
                .iter()
                .filter(|(of, _)| of == id)
                .map(|(_, units)| units)
                .sum();
            let (held, sold) = self.units(id);
            let theirs = self.orders.values().filter(|known| {
                known.shopper == *shopper && (known.state == OrderState::Held || is_sold(known.state))
            });
            let has = units(theirs, id);
            held + sold + wanted <= product.units && product.limit.is_none_or(|limit| has + wanted <= limit)
        })
    }

    fn cancel(&mut self, order: OrderId) {
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        match known.state {
            OrderState::Held
            | OrderState::Expired
            | OrderState::PaymentFailed
            | OrderState::PaymentAbandoned => known.goes(OrderState::Cancelled, None),
            OrderState::Paid => self.take_back(order, "cancelled"),
            _ => {}
        }
    }

    fn start(&mut self, order: OrderId, payment: &str) {
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        if self.payments.insert((order, payment.to_owned()))
            && known.state == OrderState::Held
            && !known.longer
        {
            known.longer = true;
            known.due = known.due.map(|due| due + LONGER);
        }
    }

    fn settle(&mut self, settle: &SettlePayment, now: OffsetDateTime) {
        let payment = (settle.order_id, settle.payment_reference.clone());
        let Some(known) = self.orders.get_mut(&settle.order_id) else {
            return;
        };
        if !self.reports.insert(settle.event_id.clone()) || self.captured.contains_key(&payment) {
            return;
        }
        self.payments.insert(payment.clone());
        let held = known.state == OrderState::Held;
        match &settle.settlement {
            Settlement::Captured { amount } => {
                self.captured.insert(payment, amount.minor);
                self.captured(settle.order_id, &settle.payment_reference, amount.minor, now);
            }
            Settlement::Failed { .. } if held => known.goes(OrderState::PaymentFailed, None),
            Settlement::Abandoned if held => known.goes(OrderState::PaymentAbandoned, None),
            Settlement::Failed { .. } | Settlement::Abandoned => {}
        }
    }

    fn captured(&mut self, order: OrderId, payment: &str, minor: i64, now: OffsetDateTime) {
        let Some(known) = self.orders.get(&order) else {
            return;
        };
        let price = known
            .lines
            .iter()
            .map(|(id, units)| units * self.products.get(id).map_or(0, |sold| sold.price));
        let exact = price.sum::<i64>() == minor;
        let late = matches!(
            known.state,
            OrderState::Expired | OrderState::PaymentFailed | OrderState::PaymentAbandoned
        );
        let buys =
            exact && (known.state == OrderState::Held || late && self.fits(&known.shopper, &known.lines));
        let Some(known) = self.orders.get_mut(&order) else {
            return;
        };
        if buys {
            known.goes(OrderState::Paid, Some(tomorrow(now)));
            return;
        }
        if !is_sold(known.state) && known.state != OrderState::Refused {
            known.goes(OrderState::RefundDue, None);
        }
        self.owe(format!("unbought-{payment}"), order, payment.to_owned(), minor);
    }

    fn take_back(&mut self, order: OrderId, why: &str) {
        for (payment, kept) in self.kept_of(order) {
            self.owe(format!("{why}-{payment}"), order, payment, kept);
        }
        let owed = self.owed.values().any(|owed| owed.order == order && !owed.made);
        if let Some(known) = self.orders.get_mut(&order) {
            let state = if owed {
                OrderState::RefundDue
            } else {
                OrderState::Refunded
            };
            known.goes(state, None);
        }
    }

    /// The order's payments of which something is kept.
    fn kept_of(&self, order: OrderId) -> Vec<(String, i64)> {
        let captured = self.captured.iter().filter(|((of, _), _)| *of == order);
        let kept =
            captured.map(|((_, payment), minor)| (payment.clone(), minor - self.owed_of(order, payment)));
        kept.filter(|(_, minor)| *minor > 0).collect()
    }

    fn owe(&mut self, name: String, order: OrderId, payment: String, minor: i64) {
        let made = false;
        self.owed.insert(
            name,
            Owed {
                order,
                payment,
                minor,
                made,
            },
        );
    }
}

impl Known {
    fn goes(&mut self, state: OrderState, due: Option<OffsetDateTime>) {
        (self.state, self.due) = (state, due);
    }
}

fn units<'a>(orders: impl Iterator<Item = &'a Known>, product: &ProductId) -> i64 {
    let lines = orders
        .flat_map(|known| &known.lines)
        .filter(|(id, _)| id == product);
    lines.map(|(_, units)| units).sum()
}

pub(crate) fn is_sold(state: OrderState) -> bool {
    matches!(
        state,
        OrderState::Paid
            | OrderState::Shipped
            | OrderState::Delivered
            | OrderState::Confirmed
            | OrderState::ReturnRequested
    )
}

/// The next midnight in UTC.
fn tomorrow(now: OffsetDateTime) -> OffsetDateTime {
    now.replace_time(Time::MIDNIGHT) + Duration::DAY
}
