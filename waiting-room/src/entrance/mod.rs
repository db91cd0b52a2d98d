//! Who may get a place at all, before there is a question of whose turn it is.
//!
//! Each file is one such question, and a room asks those that its config names: [`identity`] (whose place is it?), [`proof`]
//! (did you work for it?), [`lanes`] (were you invited?), [`bypass`] (need you stand in line?), [`limits`] (how often?),
//! [`sharing`] (how many are you?).

pub mod bypass;
pub mod form;
mod head;
pub mod identity;
mod keys;
pub mod lanes;
pub mod limits;
pub mod proof;
mod room;
pub mod sharing;

pub use head::{Head, Visitor, client_address, household};
pub use keys::{AccountSecret, EntranceKeys};
pub use room::{Asking, Entrance, Entry, Refusal};
