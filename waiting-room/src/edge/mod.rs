//! The edge: Pingora around the gate.

mod alarm;
mod body;
mod cache;
mod connections;
mod direct;
mod drain;
mod failing;
mod forwarding;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use direct::fuzzing as direct_fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http2;
mod kept;
mod origins;
mod plain_head;
mod proxy;
mod refusal;
mod serve;
mod sold_out;
mod takeover;
mod tls;
mod to_origin;
mod to_tls;
mod told;
mod visitor;

pub use cache::Cache;
pub use drain::{Drain, SharedDrain};
pub use origins::{BreakerReport, OriginReport, Origins, ServerReport, ServerState};
pub use serve::{Parts, Succession, serve};
