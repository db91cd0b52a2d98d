//! What this edge hears of the shop behind it: what the shop says of itself, and how its answers come.

mod ear;
mod origin;
mod pull;
mod steer;

pub use ear::{Ear, listen};
pub use origin::{Asked, NotSeen, OriginSeen, OriginWatch};
pub use pull::{Heard, OrdersReport, PullError, Puller, ShopReport};
pub use steer::{Steered, Steerer, Told};
