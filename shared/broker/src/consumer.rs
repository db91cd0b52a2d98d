//! Consuming a queue for ever.

use crate::{Broker, BrokerError, backoff::Backoff, error::Chain, label::Label, link::Link, pack};
use contract::{Envelope, ProductId};
use futures::StreamExt;
use lapin::{
    message::Delivery as Message,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

/// Reads one queue, in order, and comes back by itself when the connection is lost.
///
/// What was delivered and not acknowledged is delivered again after that, to whichever consumer is then the
/// active one: every message comes at least once.
#[derive(Debug)]
pub struct Consumer {
    link: Link,
    queue: String,
    prefetch: u16,
    /// Subscribing is nothing to stop half way: RabbitMQ would give messages to a consumer that nobody reads.
    subscribing: Option<JoinHandle<Result<lapin::Consumer, BrokerError>>>,
    subscribed: Option<lapin::Consumer>,
    backoff: Backoff,
    not_before: Instant,
}

/// A message that was delivered and is not acknowledged yet: one command or several, in their sequence.
#[derive(Debug)]
pub struct Delivery(Message);

/// One command of a delivery, or what stands in its place.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// The key it was published with: its queue.
    pub routing_key: &'a str,
    /// As it came.
    pub bytes: &'a [u8],
}

impl Delivered<'_> {
    /// The command.
    pub fn envelope(&self) -> Result<Envelope, serde_json::Error> {
        serde_json::from_slice(self.bytes)
    }

    /// The product that it is about, if that much can be read of it.
    pub fn product(&self) -> Option<ProductId> {
        Some(Label::read(self.bytes)?.routed_by)
    }
}

impl Delivery {
    /// What is in it: at least one.
    pub fn commands(&self) -> impl Iterator<Item = Delivered<'_>> {
        let routing_key = self.0.routing_key.as_str();
        pack::lines(&self.0.data).map(move |bytes| Delivered { routing_key, bytes })
    }

    /// Acknowledges this message and every earlier one of the same consumer.
    ///
    /// When it fails the connection is gone, and all of them will be delivered again.
    pub async fn acknowledge_through(&self) {
        if let Err(error) = self.0.acker.ack(BasicAckOptions { multiple: true }).await {
            debug!(error = %Chain(&error), "messages could not be acknowledged and will come again");
        }
    }
}

impl Broker {
    /// Consumers of these queues over one connection; each has at most `prefetch` messages unacknowledged.
    pub fn consume(&self, queues: impl IntoIterator<Item = String>, prefetch: u16) -> Vec<Consumer> {
        let link = self.link();
        queues
            .into_iter()
            .map(|queue| Consumer::new(link.clone(), queue, prefetch))
            .collect()
    }
}

impl Consumer {
    fn new(link: Link, queue: String, prefetch: u16) -> Self {
        let (subscribed, backoff, not_before) = (None, Backoff::new(), Instant::now());
        Self {
            link,
            queue,
            prefetch,
            subscribing: None,
            subscribed,
            backoff,
            not_before,
        }
    }

    /// The next message, however long it takes. Nothing is lost when the caller stops waiting for it.
    pub async fn next(&mut self) -> Delivery {
        loop {
            self.subscribe().await;
            let Some(messages) = &mut self.subscribed else {
                continue;
            };
            match messages.next().await {
                Some(Ok(message)) => return Delivery(message),
                Some(Err(error)) => warn!(queue = self.queue, error = %Chain(&error), "subscription broke"),
                None => warn!(queue = self.queue, "subscription ended"),
            }
            self.subscribed = None;
        }
    }

    /// Subscribes, unless it is subscribed; waits and tries again until that succeeds.
    async fn subscribe(&mut self) {
        while self.subscribed.is_none() {
            sleep_until(self.not_before).await;
            let subscribing = self.subscribing.get_or_insert_with(|| {
                let (link, queue, prefetch) = (self.link.clone(), self.queue.clone(), self.prefetch);
                tokio::spawn(async move { subscribe(&link, &queue, prefetch).await })
            });
            let outcome = subscribing.await.unwrap_or(Err(BrokerError::TimedOut {
                operation: "subscribe to the queue",
            }));
            self.subscribing = None;
            match outcome {
                Ok(messages) => {
                    info!(queue = self.queue, "subscribed");
                    self.backoff.succeeded();
                    self.subscribed = Some(messages);
                }
                Err(error) => {
                    let pause = self.backoff.failed();
                    self.not_before = Instant::now() + pause;
                    warn!(queue = self.queue, error = %Chain(&error), ?pause, "cannot subscribe; trying again");
                }
            }
        }
    }
}

async fn subscribe(link: &Link, queue: &str, prefetch: u16) -> Result<lapin::Consumer, BrokerError> {
    let channel = link.channel().await?;
    let limited = channel.basic_qos(prefetch, BasicQosOptions::default()).await;
    limited.map_err(BrokerError::failed("limit the unacknowledged messages"))?;
    let options = BasicConsumeOptions::default();
    let messages = channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await;
    messages.map_err(BrokerError::failed("subscribe to the queue"))
}
