//! Members in PostgreSQL.

mod revocations;

pub use revocations::{is_forgotten, revocations_since};
