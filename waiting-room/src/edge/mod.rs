//! The edge: Pingora around the gate.

mod origins;
mod proxy;
mod serve;

pub use serve::serve;
