//! The shop behind the gate: products with live stock, the intake of orders, payment, order status.
//!
//! Reads of products never leave memory. An order is accepted when RabbitMQ has confirmed its command; the order
//! worker, the only writer of stock, decides it, and the decision comes back as an event. The database is the truth
//! for everything; whatever stands in memory is a cache in front of it.

mod api;
mod app;
mod carts;
mod catalog;
mod draws;
mod members;
mod orders;
pub mod seed;
mod server;
pub mod settings;
mod store;
mod web;

pub use app::serve;
pub use members::{
    reseal::{Resealing, reseal},
    roles::{Promotion, promote},
};
pub use settings::Settings;
