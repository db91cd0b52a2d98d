//! The rules of the response cache: what may be kept, for how long, and what makes two requests the same.
//!
//! RFC 9111 for a cache that is shared, and the windows of RFC 5861.

mod directives;
mod freshness;
mod target;

pub use directives::Directives;
pub use freshness::{CacheTimes, Lifetime, NotKept, Said};
pub use target::{QueryRule, keyed_target};
