//! The edge: Pingora around the gate.

mod front;
mod origins;
mod plain_head;
mod proxy;
mod serve;
mod visitor;

pub use serve::serve;
