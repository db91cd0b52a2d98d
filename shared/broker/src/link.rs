//! One connection to RabbitMQ that is made when it is needed and made again when it is lost.

use crate::{BrokerError, Topology};
use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// How long a connection, with everything declared, may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was silent for twice this long is lost.
const HEARTBEAT_SECONDS: u16 = 10;

/// Where RabbitMQ is, and what our names in it are. Cheap to clone; does nothing by itself.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    topology: Topology,
    name: String,
}

impl Broker {
    /// RabbitMQ at `url`; `name` is how the operator sees the connections, e.g. `order-worker`.
    pub fn new(url: &str, topology: Topology, name: &str) -> Result<Self, BrokerError> {
        topology.check()?;
        let mut uri: AMQPUri = url.parse().map_err(BrokerError::Address)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Ok(Self {
            uri,
            topology,
            name: name.to_owned(),
        })
    }

    /// The names in use.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(crate) fn link(&self) -> Link {
        Link {
            broker: self.clone(),
            connection: Arc::default(),
        }
    }

    async fn connect(&self) -> Result<Connection, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        Connection::connect_uri(self.uri.clone(), properties)
            .await
            .map_err(BrokerError::failed("connect to RabbitMQ"))
    }
}

/// Without the address: it contains the password.
impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("topology", &self.topology)
            .finish_non_exhaustive()
    }
}

/// A connection, shared by those who hold clones of this.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    broker: Broker,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Link {
    pub(crate) fn topology(&self) -> &Topology {
        &self.broker.topology
    }

    /// A new channel, on a new connection if the last one is gone, with everything declared.
    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut connection = self.connection.lock().await;
        let opened = timeout(CONNECT_TIMEOUT, self.open(&mut connection)).await;
        let opened = opened.unwrap_or(Err(BrokerError::TimedOut {
            operation: "open a channel",
        }));
        if matches!(opened, Err(BrokerError::TimedOut { .. })) {
            // It is there and does not answer: the next attempt begins with a connection of its own.
            *connection = None;
        }
        opened
    }

    async fn open(&self, connection: &mut Option<Connection>) -> Result<Channel, BrokerError> {
        let alive = connection
            .take()
            .filter(|connection| connection.status().connected());
        let alive = match alive {
            Some(alive) => alive,
            None => self.broker.connect().await?,
        };
        let channel = alive
            .create_channel()
            .await
            .map_err(BrokerError::failed("open a channel"))?;
        *connection = Some(alive);
        self.topology()
            .declare(&channel)
            .await
            .map_err(BrokerError::failed("declare the topology"))?;
        Ok(channel)
    }
}
