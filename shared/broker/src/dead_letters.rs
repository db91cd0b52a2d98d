//! Commands that could not be acted on: set aside with the reason, looked at, given back.

use crate::{
    Broker, BrokerError, Delivery, PublishError, Publisher,
    link::Link,
    topology::{table, text},
};
use lapin::{
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions},
    types::FieldTable,
};

/// The header that says why a command was set aside.
const REASON: &str = "x-reason";
/// RabbitMQ's own, on what it set aside itself: `delivery_limit` for a command given out too often.
const REASON_BY_RABBITMQ: &str = "x-first-death-reason";
/// Headers are bounded by the frame they travel in; a reason longer than this is cut.
const REASON_MAX: usize = 1_000;

/// A command that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why.
    pub reason: String,
    /// Its product.
    pub routing_key: String,
    /// As it came.
    pub body: Vec<u8>,
}

/// The queue of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    link: Link,
}

impl Publisher {
    /// Sets a delivered command aside. After `Ok` it is on disk among the dead letters, and the delivery may be
    /// acknowledged.
    pub async fn set_aside(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        let reason = &reason[..reason.floor_char_boundary(REASON_MAX)];
        let headers = table([(REASON, text(reason))]);
        self.publish_bytes(
            self.topology().dead_exchange(),
            delivery.routing_key(),
            delivery.body(),
            headers,
        )
        .await
    }
}

impl DeadLetters {
    /// The dead letters of this topology.
    pub fn new(broker: &Broker) -> Self {
        Self { link: broker.link() }
    }

    /// The oldest ones, at most `limit`. They stay where they are.
    pub async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let channel = self.link.channel().await?;
        let mut letters = Vec::new();
        while letters.len() < limit
            && let Some(message) = self.take(&channel).await?
        {
            letters.push(letter(&message));
        }
        // Nothing was acknowledged: they go back with the channel.
        channel
            .close(200, "looked".into())
            .await
            .map_err(BrokerError::failed("close the channel"))?;
        Ok(letters)
    }

    /// Gives the oldest ones, at most `limit`, back to the orders; answers how many. Each leaves this queue only
    /// when the other has confirmed it.
    pub async fn replay(&self, publisher: &Publisher, limit: usize) -> Result<usize, BrokerError> {
        let channel = self.link.channel().await?;
        let mut replayed = 0;
        while replayed < limit
            && let Some(message) = self.take(&channel).await?
        {
            let letter = letter(&message);
            let orders = publisher.topology().orders_exchange();
            publisher
                .publish_bytes(orders, &letter.routing_key, &letter.body, FieldTable::default())
                .await?;
            let done = message.delivery.acker.ack(BasicAckOptions::default()).await;
            done.map_err(BrokerError::failed("acknowledge the dead letter"))?;
            replayed += 1;
        }
        Ok(replayed)
    }

    async fn take(&self, channel: &lapin::Channel) -> Result<Option<BasicGetMessage>, BrokerError> {
        let queue = self.link.topology().dead_queue();
        let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await;
        message.map_err(BrokerError::failed("take a dead letter"))
    }
}

fn letter(message: &BasicGetMessage) -> DeadLetter {
    let delivery = &message.delivery;
    let reason = delivery.properties.headers().as_ref().and_then(reason);
    DeadLetter {
        reason: reason.unwrap_or_else(|| "unknown".to_owned()),
        routing_key: delivery.routing_key.to_string(),
        body: delivery.data.clone(),
    }
}

fn reason(headers: &FieldTable) -> Option<String> {
    let header = |name: &str| {
        headers
            .inner()
            .get(name)?
            .as_long_string()
            .map(ToString::to_string)
    };
    header(REASON).or_else(|| header(REASON_BY_RABBITMQ))
}
