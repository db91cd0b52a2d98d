//! What can go wrong between us and RabbitMQ.

use std::{error::Error, fmt, sync::Arc};

/// Why something other than publishing failed.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address is not one.
    #[error("read the address of RabbitMQ (amqp://user:password@host:port/vhost): {0}")]
    Address(String),
    /// A cluster of more nodes than anybody has.
    #[error("more than {max} addresses of RabbitMQ")]
    TooManyNodes {
        /// The most allowed.
        max: usize,
    },
    /// The prefix of the names is too long for them.
    #[error("the prefix of the names in RabbitMQ is longer than {max} bytes")]
    PrefixTooLong {
        /// The longest allowed.
        max: usize,
    },
    /// It did not answer in time.
    #[error("RabbitMQ did not answer in time: {operation}")]
    TimedOut {
        /// What we asked for.
        operation: &'static str,
    },
    /// It refused, or the connection broke.
    #[error("{operation}")]
    Failed {
        /// What we asked for.
        operation: &'static str,
        /// What it said.
        source: lapin::Error,
    },
    /// A message could not be published.
    #[error("publish")]
    Publish(#[from] PublishError),
}

impl BrokerError {
    pub(crate) fn failed(operation: &'static str) -> impl FnOnce(lapin::Error) -> Self {
        move |source| Self::Failed { operation, source }
    }
}

/// Why a message is not known to be in a queue. After each of these, publishing it again is safe and may help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// There is no connection now; the message was not sent.
    #[error("there is no connection to RabbitMQ")]
    NotConnected,
    /// RabbitMQ is short of memory or disk and takes no messages; the message was not sent.
    #[error("RabbitMQ takes no messages now: it is short of memory or disk")]
    Blocked,
    /// No queue takes messages for this routing key.
    #[error("no queue takes this message")]
    Unroutable,
    /// RabbitMQ refused it: the queue is full, or could not write it.
    #[error("RabbitMQ refused the message (its queue is full or cannot write)")]
    Refused,
    /// No confirm came in time; the message may be in the queue or not.
    #[error("RabbitMQ did not confirm the message in time")]
    TimedOut,
    /// The connection broke; the message may be in the queue or not.
    #[error("the connection to RabbitMQ broke before the message was confirmed")]
    Interrupted(#[source] Option<lapin::Error>),
    /// The message could not be written as JSON.
    #[error("encode the message")]
    Encode(#[source] Arc<serde_json::Error>),
}

impl From<serde_json::Error> for PublishError {
    fn from(error: serde_json::Error) -> Self {
        Self::Encode(Arc::new(error))
    }
}

/// An error with its causes on one line, for the log.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
