//! The worker on real RabbitMQ and PostgreSQL, each test with a database and queues of its own: what it decides,
//! and what it loses or doubles (nothing) when processes are killed and wires are cut.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod addresses;
mod after_sale;
mod crashes;
mod dead_letters;
mod flow;
mod last_word;
mod limits;
mod payments;
mod provider;
mod races;
mod reconciling;
mod saga;
mod shop;
mod webhooks;
mod wires;
