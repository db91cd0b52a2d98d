//! What a batch of commands does, decided one after the other.

mod after_sale;
mod customers;
mod decisions;
mod ledger;
mod money;
mod payment;
mod place;
mod rights;
mod snapshot;

#[cfg(test)]
mod holding;
#[cfg(test)]
mod limiting;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod week;

pub use decisions::{CustomerUnits, Decisions, GiveUp, NewAddress, NewHold, Restock, Verdict};
pub use snapshot::{KnownRefunds, Product, Snapshot};

use crate::{
    order::{Ending, Order, State},
    terms::Terms,
};
use contract::{Command, OrderId};
use ledger::Ledger;
use time::OffsetDateTime;

/// Decides each command in its turn, as of `now`.
///
/// The snapshot holds whatever there is of the products, orders and reports that the commands name, of the products in
/// those orders, of their payments and refunds, and of what their owners have of limited products; what it lacks does
/// not exist.
pub fn decide(now: OffsetDateTime, terms: &Terms, snapshot: Snapshot, commands: &[Command]) -> Decisions {
    let mut ledger = Ledger::open(now, terms, snapshot);
    let verdicts = commands.iter().map(|command| ledger.decide(command)).collect();
    ledger.close(verdicts)
}

/// Expires every hold of the snapshot whose time is over.
pub fn expire(now: OffsetDateTime, terms: &Terms, snapshot: Snapshot) -> Decisions {
    let is_due = |order: &Order| matches!(&order.state, State::Held(_, hold) if hold.is_due(now));
    each(now, terms, snapshot, is_due, |ledger, order| {
        ledger.end_hold(order, Ending::EXPIRED)
    })
}

/// Moves every paid order of the snapshot one step on whose time for it has come: shipped, delivered, confirmed, or its
/// return finished.
pub fn step(now: OffsetDateTime, terms: &Terms, snapshot: Snapshot) -> Decisions {
    each(now, terms, snapshot, |order| order.is_due(now), Ledger::step)
}

/// Does something to each order of the snapshot that is due, in the sequence of their identifiers.
fn each(
    now: OffsetDateTime,
    terms: &Terms,
    snapshot: Snapshot,
    is_due: impl Fn(&Order) -> bool,
    mut act: impl FnMut(&mut Ledger, OrderId) -> Verdict,
) -> Decisions {
    let due = snapshot.orders.values().filter(|order| is_due(order));
    let mut due: Vec<OrderId> = due.map(|order| order.id).collect();
    due.sort_unstable();
    let mut ledger = Ledger::open(now, terms, snapshot);
    let verdicts = due.iter().map(|order| act(&mut ledger, *order)).collect();
    ledger.close(verdicts)
}

impl Ledger {
    fn decide(&mut self, command: &Command) -> Verdict {
        match command {
            Command::PlaceOrder(place) => self.place(place),
            Command::CancelOrder(cancel) => self.cancel(cancel),
            Command::StartPayment(start) => self.start_payment(start),
            Command::SettlePayment(settle) => self.settle(settle),
            Command::RequestReturn(request) => self.request_return(request),
            Command::RefundOrder(refund) => self.refund(refund),
        }
    }
}
