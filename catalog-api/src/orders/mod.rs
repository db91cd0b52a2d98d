//! What a shopper can do with orders: place, look, wait, pay, cancel; and what the payment provider tells of them.
//!
//! Nothing here writes to the database. A request becomes a command in RabbitMQ, the order worker decides it, and
//! the decision is heard as an event and read from the database.

mod announcements;
mod counter;
mod intake;
mod key_table;
mod mails;
mod undecided;
mod waiting;

pub use announcements::{Announcements, Listener};
pub use counter::{CancelError, Counter, FindError, PayError, ReturnError, SettleError};
pub use intake::{Intake, PlaceError, PlaceRequest, PriceChange};
pub use key_table::KeyTable;
pub use mails::OrderMails;
pub use undecided::{Undecided, make_up_for_lost_events};
pub use waiting::Waiting;

use contract::{Command, Envelope, ProductId};

/// A command on its way, with a name of its own.
fn envelope(routed_by: ProductId, command: Command) -> Envelope {
    let message_id = uuid::Builder::from_random_bytes(clock::random_bytes()).into_uuid();
    Envelope {
        message_id,
        routed_by,
        command,
    }
}
