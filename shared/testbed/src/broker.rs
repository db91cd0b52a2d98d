//! Names of their own in RabbitMQ for each test.

use crate::{
    Servers, block_on_elsewhere,
    ledger::{self, Ledger},
    name,
};
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use std::sync::{Mutex, Once};

/// A prefix for exchanges and queues that nothing else uses. Whoever declares durable ones under it deletes them:
/// [`BrokerNamespace`] does.
pub fn broker_prefix() -> String {
    name::fresh()
}

/// A prefix in RabbitMQ; the queues and exchanges entrusted to it are deleted with it.
///
/// They are durable and outlive a test otherwise, and a quorum queue costs memory and files.
#[derive(Debug)]
pub struct BrokerNamespace {
    url: String,
    prefix: String,
    owned: Mutex<Vec<String>>,
    ledger: Ledger,
}

/// How a line of the ledger begins; a name follows.
const QUEUE: &str = "queue ";
const EXCHANGE: &str = "exchange ";

impl BrokerNamespace {
    /// Finds RabbitMQ and chooses a prefix.
    ///
    /// # Panics
    /// When nothing says where RabbitMQ is.
    pub fn fresh() -> Self {
        Self::try_fresh().expect("choose a prefix for this test")
    }

    /// The same, for programs that clean up before they fail.
    pub fn try_fresh() -> anyhow::Result<Self> {
        let url = Servers::find()?.amqp_url;
        sweep_once(&url);
        let prefix = broker_prefix();
        let ledger = Ledger::of(&prefix);
        Ok(Self {
            url,
            prefix,
            owned: Mutex::default(),
            ledger,
        })
    }

    /// The address of RabbitMQ.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How every name of the test begins.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Entrusts queues to be deleted. Before they are declared is best: a test that is killed cannot say it any more.
    ///
    /// # Panics
    /// When it cannot be written down.
    pub fn own_queues(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        self.own(QUEUE, names);
    }

    /// Entrusts exchanges to be deleted.
    ///
    /// # Panics
    /// When it cannot be written down.
    pub fn own_exchanges(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        self.own(EXCHANGE, names);
    }

    /// A connection of the test's own, e.g. to look into a queue.
    ///
    /// # Panics
    /// When RabbitMQ does not answer.
    pub async fn connect(&self) -> Connection {
        connect(&self.url)
            .await
            .expect("connect to RabbitMQ (is it running? `make up`)")
    }

    fn own(&self, kind: &str, names: impl IntoIterator<Item = impl Into<String>>) {
        let mut owned = self.owned.lock().expect("another thread of this test panicked");
        owned.extend(names.into_iter().map(|name| format!("{kind}{}", name.into())));
        self.ledger
            .write(&owned)
            .expect("write down what has to be deleted");
    }
}

impl Drop for BrokerNamespace {
    fn drop(&mut self) {
        // Quietly: a panic here would hide the one that failed the test.
        if let Ok(owned) = self.owned.get_mut() {
            let _ = block_on_elsewhere(delete(&self.url, owned));
        }
    }
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

/// Deletes what these lines of a ledger name. What is not there is as good as deleted, for RabbitMQ too.
async fn delete(url: &str, lines: &[String]) -> lapin::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let connection = connect(url).await?;
    let channel = connection.create_channel().await?;
    for line in lines {
        if let Some(queue) = line.strip_prefix(QUEUE) {
            channel
                .queue_delete(queue.into(), QueueDeleteOptions::default())
                .await?;
        } else if let Some(exchange) = line.strip_prefix(EXCHANGE) {
            channel
                .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
                .await?;
        }
    }
    connection.close(200, "done".into()).await
}

/// Deletes what killed tests left behind. RabbitMQ cannot be asked what there is, hence the ledgers.
fn sweep_once(url: &str) {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        for (ledger, lines) in ledger::abandoned() {
            if block_on_elsewhere(delete(url, &lines)).is_err() {
                // Another time, perhaps.
                std::mem::forget(ledger);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::{options::QueueDeclareOptions, types::FieldTable};

    #[tokio::test]
    async fn entrusted_queues_are_gone_afterwards() {
        let broker = BrokerNamespace::fresh();
        let queue = format!("{}.orders", broker.prefix());
        let connection = broker.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let durable = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .queue_declare(queue.as_str().into(), durable, FieldTable::default())
            .await
            .unwrap();
        broker.own_queues([queue.clone(), format!("{}.never-declared", broker.prefix())]);
        drop(broker);
        let look = QueueDeclareOptions {
            passive: true,
            ..durable
        };
        let found = channel
            .queue_declare(queue.as_str().into(), look, FieldTable::default())
            .await;
        assert!(found.is_err(), "the queue is still there");
    }
}
