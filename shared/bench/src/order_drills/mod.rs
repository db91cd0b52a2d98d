//! Drills of the orders: programs and servers are killed while people order, pay and cancel, and everybody who was told
//! that an order is taken finds it decided, once, with every unit and all money where they belong.
//!
//! Servers are the drill's own: a PostgreSQL and a RabbitMQ in a temporary folder. Shoppers come to the shop as the edge
//! would bring them, with passes of a real edge, and send a request again, with the same key, until it is answered.

mod audit;
mod disk;
mod kills;
mod ledger;
mod nodes;
mod program;
mod shopper;
mod shoppers;
mod stage;
mod verdict;

pub use disk::{measure as disk_full, own_mounts};
pub use kills::measure as kills;
pub use nodes::measure as broker_nodes;

use crate::cli::OrderersPlan;

/// The number that everything random in a drill follows from.
fn seed_of(plan: &OrderersPlan) -> u64 {
    plan.seed
        .unwrap_or_else(|| u64::from(u32::from_be_bytes(clock::random_bytes())))
}
