//! Draws: members enter once within a window, everybody who entered gets a rank by lot, and whoever's rank has come
//! holds the right to buy one unit for a time. What is not bought goes to the next rank.
//!
//! The order is the permutation of `fairness`, so a rank is computed and stored for nobody; the public log of a draw
//! is one that its audit reads.

mod book;
mod phase;
mod right;
mod secret;
mod selling;
mod standing;
mod terms;

#[cfg(test)]
mod model;

pub use book::{Book, Group, WITHDRAWN_BEGINS, log_room};
pub use phase::{Due, Phase, Stage, Window};
pub use right::{Claim, NoRight, OrderFate, Right, RightState, Settled};
pub use secret::draw_secret;
pub use selling::Sale;
pub use standing::{Entered, Standing, standing};
pub use terms::{Terms, TermsError};
