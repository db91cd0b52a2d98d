//! A drop on the real line, in virtual time.
//!
//! Shoppers, edges and the store are values; what happens to them is a [`Happening`], drawn from a generator that is
//! made of a seed, so that every run can be run again. The line is `waiting-room-domain` as it stands: the store keeps
//! its `LineState`, the edges call its `decide`, shoppers ask when its `PollPacing` tells them to. Beside it stands a
//! naive `model` that keeps lists of who has which place, and objects when a promise is broken.
//!
//! No I/O and no time of day: the program `simulate` has those.

mod crowd;
mod edge;
mod faults;
mod figures;
mod happening;
mod ledger;
mod model;
mod scenario;
mod shuffle;
mod store;
mod visits;
mod wheel;
mod world;

pub use figures::Report;
pub use happening::Happening;
pub use model::Violation;
pub use scenario::{Behaviour, Scenario};
pub use shuffle::early_arrival_z;
pub use world::World;
