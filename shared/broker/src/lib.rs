//! RabbitMQ as the services use it.
//!
//! What is promised:
//!
//! * A command whose [`Publisher::publish`] said `Ok` is on disk in a queue. When it said anything else nobody
//!   knows, and publishing the same command again is safe, because the worker decides each order once.
//! * A [`Consumer`] sees every message of its queue at least once, in order, and sees again what it had not
//!   acknowledged when its connection broke.
//! * An [`EventSubscription`] says when it may have missed something, so that its reader looks at the database.
//! * Publishers and consumers come back by themselves, and need no server at the start.
//!
//! Reconnection is ours, not lapin's: what has to happen after it (declare, subscribe, tell the reader) differs
//! between publisher, consumer and subscription, and reads straight down here.

mod backoff;
mod confirms;
mod consumer;
mod dead_letters;
mod error;
mod gathering;
mod label;
mod link;
mod pack;
mod publisher;
mod subscription;
mod topology;

pub use consumer::{Consumer, Delivered, Delivery};
pub use dead_letters::{Chosen, DeadLetter, DeadLetters, LOOKED_THROUGH};
pub use error::{BrokerError, PublishError};
pub use link::Broker;
pub use pack::EventMessage;
pub use publisher::Publisher;
pub use subscription::{EventSubscription, News};
pub use topology::Topology;
