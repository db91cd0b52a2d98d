//! The draw that anyone can check.
//!
//! Whoever is early enough has a number, and the draw gives every number a rank. Four pieces make that checkable: the
//! [`shuffle`] is a function of its seed alone; the [`seed`] comes from a secret that was committed to beforehand, from
//! everybody's joins, and from a public beacon; the [`log`] is a chain of hashes, so that nothing in it can be changed
//! unseen; a [`receipt`] proves that a ticket is in it. No I/O: the log is text, whoever holds it can check it.

pub mod audit;
pub mod beacon;
pub mod hex;
pub mod log;
pub mod merkle;
pub mod receipt;
pub mod seed;
pub mod shuffle;

mod chain;
mod text;

pub use audit::{Audit, Code, Draw, Position, Problem};
pub use beacon::{BeaconError, Network};
pub use chain::{Chain, Head};
pub use log::{Actor, Beacon, Entry, LineError, Range, Revealed, Text};
pub use merkle::{Leaf, Root, Tree};
pub use receipt::{Receipt, ReceiptError};
pub use seed::{Commitment, Secret, commitment};
pub use shuffle::{Permutation, Seed};
