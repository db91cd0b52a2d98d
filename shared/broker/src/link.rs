//! One connection to RabbitMQ that is made when it is needed and made again when it is lost.

use crate::{BrokerError, Topology};
use lapin::{Channel, Connection, ConnectionProperties, ConnectionStatus, uri::AMQPUri};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Mutex, time::timeout};

/// How long a connection, with everything declared, may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one of several nodes may take to take a connection before the next one is asked.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// Nodes of one cluster.
const NODES_MAX: usize = 16;
/// A connection that was silent for twice this long is lost.
const HEARTBEAT_SECONDS: u16 = 10;

/// Where RabbitMQ is, and what our names in it are. Cheap to clone; does nothing by itself.
#[derive(Clone)]
pub struct Broker {
    nodes: Vec<AMQPUri>,
    /// The node that took the last connection is the first to be asked for the next one.
    last: Arc<AtomicUsize>,
    topology: Topology,
    name: String,
}

impl Broker {
    /// RabbitMQ at `urls`: one address, or those of a cluster's nodes with commas between them, which are tried in turn.
    /// `name` is how the operator sees the connections, e.g. `order-worker`.
    pub fn new(urls: &str, topology: Topology, name: &str) -> Result<Self, BrokerError> {
        topology.check()?;
        let nodes: Vec<AMQPUri> = urls.split(',').map(node).collect::<Result<_, _>>()?;
        if nodes.len() > NODES_MAX {
            return Err(BrokerError::TooManyNodes { max: NODES_MAX });
        }
        Ok(Self {
            nodes,
            last: Arc::default(),
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

    /// A connection to the node that took the last one, or to the next one that does.
    async fn connect(&self) -> Result<Connection, BrokerError> {
        let mut failed = BrokerError::TimedOut {
            operation: "connect to RabbitMQ",
        };
        let first = self.last.load(Relaxed);
        for turn in 0..self.nodes.len() {
            let number = first.wrapping_add(turn) % self.nodes.len();
            match self.connect_to(&self.nodes[number]).await {
                Ok(connection) => {
                    self.last.store(number, Relaxed);
                    return Ok(connection);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn connect_to(&self, node: &AMQPUri) -> Result<Connection, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connecting = Connection::connect_uri(node.clone(), properties);
        // Only when there is another one to ask: a single one has as long as everything together.
        let patience = if self.nodes.len() > 1 {
            NODE_TIMEOUT
        } else {
            CONNECT_TIMEOUT
        };
        match timeout(patience, connecting).await {
            Ok(connected) => connected.map_err(BrokerError::failed("connect to RabbitMQ")),
            Err(_) => Err(BrokerError::TimedOut {
                operation: "connect to RabbitMQ",
            }),
        }
    }
}

fn node(url: &str) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = url.trim().parse().map_err(BrokerError::Address)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(uri)
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
        Ok(self.channel_and_status().await?.0)
    }

    /// The same, and how its connection is.
    pub(crate) async fn channel_and_status(&self) -> Result<(Channel, ConnectionStatus), BrokerError> {
        let mut connection = self.connection.lock().await;
        let opened = timeout(CONNECT_TIMEOUT, self.open(&mut connection)).await;
        let opened = opened.unwrap_or(Err(BrokerError::TimedOut {
            operation: "open a channel",
        }));
        if matches!(opened, Err(BrokerError::TimedOut { .. })) {
            // It is there and does not answer: the next attempt begins with a connection of its own, to the next node.
            // After any other failure what others have on this connection may be well, and stays.
            *connection = None;
            self.broker.last.fetch_add(1, Relaxed);
        }
        opened
    }

    async fn open(
        &self,
        connection: &mut Option<Connection>,
    ) -> Result<(Channel, ConnectionStatus), BrokerError> {
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
        let status = alive.status().clone();
        *connection = Some(alive);
        self.topology()
            .declare(&channel)
            .await
            .map_err(BrokerError::failed("declare the topology"))?;
        Ok((channel, status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn broker(urls: &str) -> Result<Broker, BrokerError> {
        Broker::new(urls, Topology::new(""), "test")
    }

    #[test]
    fn every_address_must_be_one() {
        assert_eq!(broker("amqp://a/v, amqp://b:1/v").unwrap().nodes.len(), 2);
        for wrong in ["", "amqp://a/v,", "http://a", "amqp://a,nonsense"] {
            assert!(matches!(broker(wrong), Err(BrokerError::Address(_))), "{wrong}");
        }
        let many = vec!["amqp://a"; NODES_MAX + 1].join(",");
        assert!(matches!(broker(&many), Err(BrokerError::TooManyNodes { .. })));
    }

    #[tokio::test]
    async fn a_node_that_is_gone_or_silent_is_passed_over() {
        let servers = testbed::Servers::from_env();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = silent.local_addr().unwrap();
        let gone = testbed::free_address();
        let broker = broker(&format!("amqp://{gone}/v,amqp://{silent}/v,{}", servers.amqp_url)).unwrap();
        let connected = broker.connect().await.unwrap();
        assert!(connected.status().connected());
        assert_eq!(
            broker.last.load(Relaxed),
            2,
            "the next one begins with the node that answers"
        );
    }
}
