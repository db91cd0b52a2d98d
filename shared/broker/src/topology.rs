//! Every exchange and queue, in one place.

use crate::BrokerError;
use contract::ProductId;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString},
};
use sha2::{Digest, Sha256};

/// Into how many queues orders are dealt by product. All the commands of one product stand in one queue, and each
/// queue has one active consumer: that is what makes a product's orders one sequence.
const SHARDS: u16 = 4;
/// The exchange that every RabbitMQ has: the routing key is the name of the queue.
pub(crate) const TO_QUEUE: &str = "";
/// How often a command is given to a worker again (after a crash, mostly) before it is set aside as a dead letter.
const DELIVERY_LIMIT: i32 = 20;
/// When a queue holds this many messages further ones are refused, and the shopper is asked to try again: better
/// than a broker that runs out of memory with the orders it has confirmed.
const QUEUE_LENGTH: i32 = 250_000;
/// Room for names after the prefix: AMQP names have at most 255 bytes.
const PREFIX_MAX: usize = 200;

const _: () = assert!(SHARDS >= 1 && DELIVERY_LIMIT >= 2 && QUEUE_LENGTH >= 1_000);

/// The names of the exchanges and queues, and how they are declared.
///
/// All names begin with a prefix, so that the shop, tests and drills can live side by side in one RabbitMQ.
/// The settings of a queue that exists cannot be changed: another setting needs another prefix, or the queue
/// emptied and deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    /// The topology whose names begin with `prefix` (empty for the shop itself).
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The queues of commands, one a shard.
    pub fn order_queues(&self) -> impl Iterator<Item = String> + use<> {
        let prefix = self.prefix.clone();
        (0..SHARDS).map(move |shard| format!("{prefix}orders.{shard}"))
    }

    /// The one of them in which the commands of this product stand.
    pub fn order_queue(&self, product: &ProductId) -> String {
        format!("{}orders.{}", self.prefix, shard(product.as_str()))
    }

    /// Where commands go that could not be acted on.
    pub fn dead_exchange(&self) -> String {
        format!("{}orders.dead", self.prefix)
    }

    /// Where they wait for somebody to look at them; named as its exchange.
    pub fn dead_queue(&self) -> String {
        self.dead_exchange()
    }

    /// Where events are published; the routing key is [`contract::Event::routing_key`].
    pub fn events_exchange(&self) -> String {
        format!("{}events", self.prefix)
    }

    /// Every durable queue, e.g. to delete them after a test.
    pub fn queues(&self) -> Vec<String> {
        self.order_queues().chain([self.dead_queue()]).collect()
    }

    /// Every exchange, e.g. to delete them after a test.
    pub fn exchanges(&self) -> Vec<String> {
        vec![self.dead_exchange(), self.events_exchange()]
    }

    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        if self.prefix.len() > PREFIX_MAX {
            return Err(BrokerError::PrefixTooLong { max: PREFIX_MAX });
        }
        Ok(())
    }

    /// Declares what is missing. Declaring what is there already changes nothing.
    pub(crate) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        self.declare_dead_letters(channel).await?;
        self.declare_orders(channel).await?;
        declare_exchange(channel, &self.events_exchange(), ExchangeKind::Topic).await
    }

    async fn declare_dead_letters(&self, channel: &Channel) -> lapin::Result<()> {
        declare_exchange(channel, &self.dead_exchange(), ExchangeKind::Fanout).await?;
        // Without a delivery limit: looking at dead letters must not make them disappear.
        declare_queue(
            channel,
            &self.dead_queue(),
            table([("x-queue-type", text("quorum"))]),
        )
        .await?;
        bind(channel, &self.dead_queue(), &self.dead_exchange(), "").await
    }

    async fn declare_orders(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in self.order_queues() {
            declare_queue(channel, &queue, self.order_queue_settings()).await?;
        }
        Ok(())
    }

    fn order_queue_settings(&self) -> FieldTable {
        table([
            ("x-queue-type", text("quorum")),
            ("x-single-active-consumer", true.into()),
            ("x-delivery-limit", DELIVERY_LIMIT.into()),
            // A dead letter leaves its queue only when the queue of dead letters has confirmed it; RabbitMQ offers
            // that together with refusing what is too much, and not with dropping it.
            ("x-dead-letter-exchange", text(&self.dead_exchange())),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", QUEUE_LENGTH.into()),
        ])
    }
}

/// By SHA-256, of which everybody has the same idea for ever: who publishes about a product, in whatever process and
/// release, means the same queue.
fn shard(product: &str) -> u16 {
    let hash = Sha256::digest(product);
    u16::from_be_bytes([hash[0], hash[1]]) % SHARDS
}

pub(crate) fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

pub(crate) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            FieldTable::default(),
        )
        .await
}

async fn declare_exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .exchange_declare(name.into(), kind, durable, FieldTable::default())
        .await
}

async fn declare_queue(channel: &Channel, name: &str, settings: FieldTable) -> lapin::Result<()> {
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), settings)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_begins_with_the_prefix() {
        let topology = Topology::new("drill.");
        assert_eq!(topology.order_queues().last().as_deref(), Some("drill.orders.3"));
        let names = topology.queues().into_iter().chain(topology.exchanges());
        assert!(names.into_iter().all(|name| name.starts_with("drill.")));
        assert!(Topology::new(&"x".repeat(201)).check().is_err());
    }

    /// Another answer would put what is said of a product into two queues while two releases run.
    #[test]
    fn a_product_stays_in_its_queue() {
        let topology = Topology::new("");
        for (product, queue) in [
            ("demo-sneaker", "orders.1"),
            ("demo-poster", "orders.3"),
            ("p", "orders.1"),
            ("0", "orders.0"),
        ] {
            assert_eq!(
                topology.order_queue(&product.parse().unwrap()),
                queue,
                "{product}"
            );
        }
        let mut dealt = [0; SHARDS as usize];
        (0..1_000).for_each(|number| dealt[usize::from(shard(&format!("product-{number}")))] += 1);
        assert!(dealt.iter().all(|count| (200..300).contains(count)), "{dealt:?}");
    }
}
