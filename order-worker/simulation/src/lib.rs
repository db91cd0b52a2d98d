//! The order pipeline in virtual time.
//!
//! Shoppers, the broker's queues, workers, the payment provider and the database are values; what happens to them is a
//! [`Happening`], drawn from a generator that is made of a seed, so that every run can be run again. What decides is
//! `order-domain` as it stands. Between any two steps of anybody there may be a crash; messages and reports come twice,
//! late, in another sequence, or never. Beside it stands a naive `ledger` that keeps lists and adds them up, and
//! objects when a promise is broken.
//!
//! No I/O and no time of day: the program `simulate-orders` has those.

mod audit;
mod books;
mod happening;
mod ledger;
mod provider;
mod queue;
mod rows;
mod world;

pub use happening::{Crash, Happening};
pub use world::{Report, Violation, World};

/// What is said when a promise is broken.
type Verdict<T = ()> = Result<T, String>;

/// Objects, unless it is so.
fn promise(is_so: bool, what: impl FnOnce() -> String) -> Verdict {
    if is_so { Ok(()) } else { Err(what()) }
}
