//! Names of their own in RabbitMQ for each test.

use crate::{Servers, block_on_elsewhere, name};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use std::sync::Mutex;

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
    queues: Mutex<Vec<String>>,
    exchanges: Mutex<Vec<String>>,
}

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
        Ok(Self {
            url,
            prefix: broker_prefix(),
            queues: Mutex::default(),
            exchanges: Mutex::default(),
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

    /// Entrusts queues to be deleted, before or after they are declared.
    pub fn own_queues(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        self.queues
            .lock()
            .unwrap()
            .extend(names.into_iter().map(Into::into));
    }

    /// Entrusts exchanges to be deleted, before or after they are declared.
    pub fn own_exchanges(&self, names: impl IntoIterator<Item = impl Into<String>>) {
        self.exchanges
            .lock()
            .unwrap()
            .extend(names.into_iter().map(Into::into));
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

    async fn delete(&self) -> lapin::Result<()> {
        let (queues, exchanges) = (
            self.queues.lock().unwrap().clone(),
            self.exchanges.lock().unwrap().clone(),
        );
        if queues.is_empty() && exchanges.is_empty() {
            return Ok(());
        }
        let connection = connect(&self.url).await?;
        let channel = connection.create_channel().await?;
        for queue in queues {
            delete_queue(&channel, &queue).await?;
        }
        for exchange in exchanges {
            // Deleting what is not there is not an error in RabbitMQ.
            channel
                .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
                .await?;
        }
        connection.close(200, "done".into()).await
    }
}

impl Drop for BrokerNamespace {
    fn drop(&mut self) {
        // Quietly: a panic here would hide the one that failed the test.
        let _ = block_on_elsewhere(self.delete());
    }
}

async fn connect(url: &str) -> lapin::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await
}

async fn delete_queue(channel: &Channel, queue: &str) -> lapin::Result<()> {
    channel
        .queue_delete(queue.into(), QueueDeleteOptions::default())
        .await
        .map(drop)
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
