//! What this edge hears of the shop behind it: what the shop says of itself, and how its answers come.

mod origin;
mod pull;

pub use origin::{Asked, NotSeen, OriginSeen, OriginWatch};
pub use pull::{Heard, OrdersReport, PullError, Puller, ShopReport};
