//! What a batch of commands does, decided one after the other.

mod decisions;
mod ledger;
mod payment;
mod place;
mod rights;
mod snapshot;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod testing;

pub use decisions::{Decisions, GiveUp, NewHold, Refund, Verdict};
pub use snapshot::{Product, Snapshot};

use crate::order::{Ending, State};
use contract::{CancelOrder, Command, OrderId};
use ledger::Ledger;
use time::OffsetDateTime;

/// Decides each command in its turn, as of `now`.
///
/// The snapshot holds whatever there is of the products, orders and reports that the commands name, and of the
/// products in those orders; what it lacks does not exist.
pub fn decide(now: OffsetDateTime, snapshot: Snapshot, commands: &[Command]) -> Decisions {
    let mut ledger = Ledger::open(now, snapshot);
    let verdicts = commands.iter().map(|command| ledger.decide(command)).collect();
    ledger.close(verdicts)
}

/// Expires every hold of the snapshot whose time is over.
pub fn expire(now: OffsetDateTime, snapshot: Snapshot) -> Decisions {
    let is_due = |state: &State| matches!(state, State::Held(_, hold) if hold.is_due(now));
    let due = snapshot.orders.values().filter(|order| is_due(&order.state));
    let mut due: Vec<OrderId> = due.map(|order| order.id).collect();
    due.sort_unstable();
    let mut ledger = Ledger::open(now, snapshot);
    let verdicts = due
        .iter()
        .map(|order| ledger.end_hold(*order, Ending::Expired))
        .collect();
    ledger.close(verdicts)
}

impl Ledger {
    fn decide(&mut self, command: &Command) -> Verdict {
        match command {
            Command::PlaceOrder(place) => self.place(place),
            Command::CancelOrder(cancel) => self.cancel(cancel),
            Command::SettlePayment(settle) => self.settle(settle),
        }
    }

    fn cancel(&mut self, cancel: &CancelOrder) -> Verdict {
        match self.order(cancel.order_id) {
            None => Verdict::GivenUp(GiveUp::UnknownOrder),
            Some(order) if order.shopper != cancel.shopper => Verdict::Unchanged,
            Some(_) => self.end_hold(cancel.order_id, Ending::Cancelled),
        }
    }
}
