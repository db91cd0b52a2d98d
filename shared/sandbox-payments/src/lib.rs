//! A payment provider to play with. No money moves.
//!
//! It opens payments, shows a checkout page that lists the test cards, and reports what became of a payment by
//! signed webhooks. Everything is in memory and bounded: a restart forgets all payments, and when there are too
//! many the oldest are forgotten.

mod api;
mod app;
mod ledger;
mod outcome;
mod page;
mod settings;
mod trouble;
mod webhooks;

pub use app::{App, router};
pub use settings::Settings;
pub use trouble::Trouble;
