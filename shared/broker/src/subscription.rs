//! Hearing every event, and hearing of it when that was not so.

use crate::{
    Broker, BrokerError,
    backoff::Backoff,
    error::Chain,
    link::Link,
    pack,
    topology::{bind, table, text},
};
use contract::Event;
use futures::StreamExt;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use std::collections::VecDeque;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

/// Messages of events that may wait for a slow reader in RabbitMQ; beyond it the oldest are dropped.
const QUEUE_LENGTH: i32 = 100_000;
/// Messages that may be on the way to the reader, and after how many of them it acknowledges.
const PREFETCH: u16 = 1024;
const ACKNOWLEDGE_AFTER: u16 = 256;

const _: () = assert!(
    ACKNOWLEDGE_AFTER < PREFETCH,
    "the deliveries never wait for an acknowledgement"
);

/// What a reader of events is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// From here on every event is heard. What happened before was not: read the database *now*.
    Subscribed,
    /// Something was committed.
    Event(Box<Event>),
    /// The subscription is broken; what is known grows old until the next [`News::Subscribed`].
    Interrupted,
}

/// Every event, from the moment of subscribing on. Comes back by itself.
///
/// The queue is the subscription's own, bounded, and goes away with the connection. A reader that falls behind by
/// more than the bound misses the oldest events without being told, so it also polls the database now and then.
#[derive(Debug)]
pub struct EventSubscription {
    link: Link,
    subscribed: Option<Subscribed>,
    backoff: Backoff,
    not_before: Instant,
}

#[derive(Debug)]
struct Subscribed {
    messages: lapin::Consumer,
    unacknowledged: u16,
    /// Of the message that was read last, what was not told yet.
    untold: VecDeque<Event>,
}

impl EventSubscription {
    /// Nothing happens before the first [`Self::next`].
    pub fn new(broker: &Broker) -> Self {
        Self {
            link: broker.link(),
            subscribed: None,
            backoff: Backoff::new(),
            not_before: Instant::now(),
        }
    }

    /// The next news, however long it takes. Nothing is lost when the caller stops waiting for it.
    pub async fn next(&mut self) -> News {
        loop {
            let Some(subscribed) = &mut self.subscribed else {
                if self.subscribe().await {
                    return News::Subscribed;
                }
                continue;
            };
            if let Some(event) = subscribed.untold.pop_front() {
                return News::Event(Box::new(event));
            }
            match subscribed.messages.next().await {
                Some(Ok(message)) => {
                    subscribed.read(message).await;
                    continue;
                }
                Some(Err(error)) => warn!(error = %Chain(&error), "the subscription to events broke"),
                None => warn!("the subscription to events ended"),
            }
            self.subscribed = None;
            return News::Interrupted;
        }
    }

    async fn subscribe(&mut self) -> bool {
        sleep_until(self.not_before).await;
        match subscribe(&self.link).await {
            Ok(subscribed) => {
                info!("subscribed to events");
                self.backoff.succeeded();
                self.subscribed = Some(subscribed);
                true
            }
            Err(error) => {
                let pause = self.backoff.failed();
                self.not_before = Instant::now() + pause;
                warn!(error = %Chain(&error), ?pause, "cannot subscribe to events; trying again");
                false
            }
        }
    }
}

impl Subscribed {
    /// The events in the message; one of a later version of the services, which we cannot read, is passed over.
    async fn read(&mut self, message: Delivery) {
        let readable = pack::lines(&message.data).filter_map(|line| {
            serde_json::from_slice(line)
                .inspect_err(|error| debug!(%error, "passing over an event that cannot be read"))
                .ok()
        });
        self.untold.extend(readable);
        self.unacknowledged += 1;
        if self.unacknowledged >= ACKNOWLEDGE_AFTER {
            self.unacknowledged = 0;
            // If it fails the connection is gone, which the next read will tell.
            let _ = message.acker.ack(BasicAckOptions { multiple: true }).await;
        }
    }
}

async fn subscribe(link: &Link) -> Result<Subscribed, BrokerError> {
    let channel = link.channel().await?;
    let messages = listen(&channel, &link.topology().events_exchange()).await;
    let messages = messages.map_err(BrokerError::failed("subscribe to events"))?;
    Ok(Subscribed {
        messages,
        unacknowledged: 0,
        untold: VecDeque::new(),
    })
}

async fn listen(channel: &Channel, exchange: &str) -> lapin::Result<lapin::Consumer> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let own = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..Default::default()
    };
    let bounded = table([
        ("x-max-length", QUEUE_LENGTH.into()),
        ("x-overflow", text("drop-head")),
    ]);
    let queue = channel.queue_declare("".into(), own, bounded).await?;
    bind(channel, queue.name().as_str(), exchange, "#").await?;
    let options = BasicConsumeOptions {
        exclusive: true,
        ..Default::default()
    };
    channel
        .basic_consume(queue.name().clone(), "".into(), options, FieldTable::default())
        .await
}
