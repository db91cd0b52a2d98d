//! Members in PostgreSQL.

mod revocations;

pub use revocations::{Heard, is_forgotten, revocations_since};
