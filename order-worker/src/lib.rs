//! The order worker: takes commands from RabbitMQ strictly in sequence, decides them in batches, writes them to
//! PostgreSQL, and tells what was committed.
//!
//! What it promises: every command that a queue confirmed is decided once, whatever is killed or cut at whatever
//! moment. A command is acknowledged only after the transaction with its decision was committed, or after it was
//! confirmed among the dead letters; one that comes again is recognised by its order id (or report id) and
//! changes nothing. Events leave through an outbox that was written in the same transaction.

pub mod app;
pub mod dead;
pub mod intake;
pub mod listener;
pub mod reconcilers;
pub mod relay;
pub mod settings;
pub mod store;
pub mod webhooks;
