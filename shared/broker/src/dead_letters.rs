//! Commands that could not be acted on: set aside with the reason, looked at, given back or dropped.

use crate::{
    Broker, BrokerError, Delivered, PublishError, Publisher,
    label::Label,
    link::Link,
    pack,
    topology::{TO_QUEUE, table, text},
};
use contract::ProductId;
use lapin::{
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions},
    types::FieldTable,
};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

/// The header that says why a command was set aside.
const REASON: &str = "x-reason";
/// RabbitMQ's own, on what it set aside itself: `delivery_limit` for a command given out too often.
const REASON_BY_RABBITMQ: &str = "x-first-death-reason";
/// Headers are bounded by the frame they travel in; a reason longer than this is cut.
const REASON_MAX: usize = 1_000;

/// A command that was set aside; or several that came together, if RabbitMQ itself has set them aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it is called by: the message's own name, or one made of its bytes if it has none that can be read.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Its product, or those of the commands that came together, each once; none if that cannot be read.
    pub products: Vec<ProductId>,
    /// The key it was published with: its queue.
    pub routing_key: String,
    /// As it came.
    pub body: Vec<u8>,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// The oldest, at most so many.
    Oldest(usize),
    /// The one of this name, if it is among the oldest [`LOOKED_THROUGH`].
    Named(String),
}

/// How many dead letters are looked through for one of some name.
pub const LOOKED_THROUGH: usize = 10_000;

/// The queue of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    link: Link,
}

impl Publisher {
    /// Sets a delivered command aside. After `Ok` it is on disk among the dead letters, and the delivery may be
    /// acknowledged as soon as all that came with it is settled.
    pub async fn set_aside(&self, command: Delivered<'_>, reason: &str) -> Result<(), PublishError> {
        let reason = &reason[..reason.floor_char_boundary(REASON_MAX)];
        let headers = table([(REASON, text(reason))]);
        self.publish_bytes(
            self.topology().dead_exchange(),
            command.routing_key,
            command.bytes,
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

    /// Gives the chosen ones back to the orders; answers how many. Each leaves this queue only when the other has
    /// confirmed it. Commands that came together go back one by one: the one that is to blame shall harm no other.
    pub async fn replay(&self, publisher: &Publisher, chosen: &Chosen) -> Result<usize, BrokerError> {
        self.remove(chosen, async |letter| {
            for command in pack::lines(&letter.body) {
                let (queue, nothing) = (self.queue_of(command), FieldTable::default());
                let published = publisher.publish_bytes(TO_QUEUE.to_owned(), &queue, command, nothing);
                published.await?;
            }
            Ok(())
        })
        .await
    }

    /// The queue of its product, whichever it came from; for bytes that name no product, any.
    fn queue_of(&self, command: &[u8]) -> String {
        let topology = self.link.topology();
        Label::read(command).map_or_else(
            || topology.order_queues().next().unwrap_or_default(),
            |label| topology.order_queue(&label.routed_by),
        )
    }

    /// Drops the chosen ones for ever; answers how many.
    pub async fn drop(&self, chosen: &Chosen) -> Result<usize, BrokerError> {
        self.remove(chosen, async |_| Ok(())).await
    }

    /// Removes the chosen ones, each after something was done with it. The others go back with the channel.
    async fn remove(
        &self,
        chosen: &Chosen,
        mut act: impl AsyncFnMut(&DeadLetter) -> Result<(), BrokerError>,
    ) -> Result<usize, BrokerError> {
        let channel = self.link.channel().await?;
        let (mut seen, mut removed) = (0, 0);
        while chosen.goes_on(seen, removed)
            && let Some(message) = self.take(&channel).await?
        {
            let letter = letter(&message);
            seen += 1;
            if chosen.means(&letter) {
                act(&letter).await?;
                let done = message.delivery.acker.ack(BasicAckOptions::default()).await;
                done.map_err(BrokerError::failed("acknowledge the dead letter"))?;
                removed += 1;
            }
        }
        let closed = channel.close(200, "done".into()).await;
        closed.map_err(BrokerError::failed("close the channel"))?;
        Ok(removed)
    }

    async fn take(&self, channel: &lapin::Channel) -> Result<Option<BasicGetMessage>, BrokerError> {
        let queue = self.link.topology().dead_queue();
        let message = channel.basic_get(queue.into(), BasicGetOptions::default()).await;
        message.map_err(BrokerError::failed("take a dead letter"))
    }
}

impl Chosen {
    fn goes_on(&self, seen: usize, removed: usize) -> bool {
        match self {
            Self::Oldest(limit) => removed < *limit,
            Self::Named(_) => removed == 0 && seen < LOOKED_THROUGH,
        }
    }

    fn means(&self, letter: &DeadLetter) -> bool {
        match self {
            Self::Oldest(_) => true,
            Self::Named(name) => letter.name == *name,
        }
    }
}

/// The name of the (first) command, or one that is the same for the same bytes.
fn name_of(body: &[u8]) -> String {
    let first = pack::lines(body).next().unwrap_or_default();
    Label::read(first).map_or_else(
        || {
            let mut hash = DefaultHasher::new();
            body.hash(&mut hash);
            format!("unreadable-{:016x}", hash.finish())
        },
        |label| label.message_id.to_string(),
    )
}

/// The products that commands are about, each once.
fn products_of(body: &[u8]) -> Vec<ProductId> {
    let labels = pack::lines(body).filter_map(Label::read);
    let products: BTreeSet<ProductId> = labels.map(|label| label.routed_by).collect();
    products.into_iter().collect()
}

fn letter(message: &BasicGetMessage) -> DeadLetter {
    let delivery = &message.delivery;
    let reason = delivery.properties.headers().as_ref().and_then(reason);
    DeadLetter {
        name: name_of(&delivery.data),
        reason: reason.unwrap_or_else(|| "unknown".to_owned()),
        products: products_of(&delivery.data),
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
