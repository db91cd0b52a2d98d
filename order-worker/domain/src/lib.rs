//! Orders, holds and stock as values, and [`batch::decide`]: what a batch of commands does to them.
//!
//! Nothing here reads a clock, draws a random number or talks to anything. The shell loads a
//! [`batch::Snapshot`], asks, and writes the [`batch::Decisions`] down in the same transaction.
//!
//! What always holds, whatever the commands: `held + sold <= on hand`; the open holds of a product add up to
//! what is held and the posted ones to what is sold; a hold is resolved once; a command that comes again
//! changes nothing.

pub mod batch;
pub mod hold;
pub mod limits;
pub mod order;
pub mod sale;
pub mod stock;
