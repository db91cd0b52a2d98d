//! The edge: Pingora around the gate.

mod front;
mod origins;
mod poll_head;
mod proxy;
mod serve;

pub use serve::serve;
