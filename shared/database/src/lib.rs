//! PostgreSQL as the services use it: a pool that needs no server at the start, the schema, and named
//! transactions that are run again when that can help.

mod failure;
mod pool;
mod transaction;

pub use failure::{Failure, Retry, failure_of};
pub use pool::{DatabaseError, answers, migrate, pool};
pub use transaction::transaction;
