//! Publishing with confirms, many messages in flight at once.

use crate::{
    Broker, BrokerError, PublishError, Topology,
    backoff::Backoff,
    confirms::{InFlight, settle},
    error::Chain,
    gathering::{Gathering, Outcome, Sending},
    link::Link,
    pack::{self, EventMessage},
    topology::TO_QUEUE,
};
use contract::Envelope;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use lapin::{
    BasicProperties, Channel, ConnectionStatus,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, oneshot, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};
use uuid::Uuid;

/// Messages in flight at once. More than a few hundred lengthens every confirm and hardly raises the throughput.
const IN_FLIGHT: usize = 512;
/// How long a message waits for a connection before it is refused.
const CONNECTION_WAIT: Duration = Duration::from_secs(1);
/// How long a message may take from here to its confirm.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// In a storm, messages of commands are sent so often, to all queues in the same moment: they are larger for it, and what
/// the worker takes into one transaction is, too. After a lull a command waits for nothing.
const BEAT: Duration = Duration::from_millis(10);
/// How often we look whether the channel still lives; a failing publish makes us look at once.
const LOOK: Duration = Duration::from_millis(200);

/// A channel that refuses messages is replaced, but not sooner than this after it was opened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

const _: () = assert!(CONNECTION_WAIT.as_millis() < CONFIRM_TIMEOUT.as_millis());

/// AMQP's delivery modes: transient messages need not reach the disk.
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

/// Publishes commands and events over one connection of its own, which it makes again whenever it is lost.
///
/// Cheap to clone; the connection closes with the last clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    topology: Topology,
    open: watch::Receiver<Option<Open>>,
    /// Something failed: whoever keeps the channel open looks at it now.
    broken: Arc<Notify>,
    /// RabbitMQ has refused a message since the channel was opened.
    refused: Arc<AtomicBool>,
    in_flight: Arc<Semaphore>,
    gathering: Gathering,
    /// When the beats begin.
    started: Instant,
    connecting: AbortHandle,
}

/// A channel in confirm mode, and where its unsettled messages go.
#[derive(Debug, Clone)]
struct Open {
    channel: Channel,
    connection: ConnectionStatus,
    sent: UnboundedSender<InFlight>,
}

/// What is published, and how.
struct Message<'a> {
    exchange: String,
    routing_key: &'a str,
    id: Uuid,
    body: &'a [u8],
    headers: FieldTable,
    delivery_mode: u8,
    mandatory: bool,
}

impl Publisher {
    /// Starts to connect, in the background.
    pub fn start(broker: &Broker) -> Self {
        let (opened, open) = watch::channel(None);
        let broken = Arc::new(Notify::new());
        let refused = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            link: broker.link(),
            opened,
            broken: Arc::clone(&broken),
            refused: Arc::clone(&refused),
        };
        let connecting = tokio::spawn(keeper.keep_open()).abort_handle();
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
        let topology = broker.topology().clone();
        Self {
            inner: Arc::new(Inner {
                topology,
                open,
                broken,
                refused,
                in_flight,
                gathering: Gathering::default(),
                started: Instant::now(),
                connecting,
            }),
        }
    }

    /// Whether messages can be sent now, for readiness.
    pub fn is_connected(&self) -> bool {
        is_alive(&self.inner.open.borrow())
    }

    /// Publishes a command. `Ok` means that it is on disk in its queue; after an error, publishing the same
    /// command again is safe.
    pub async fn publish(&self, envelope: &Envelope) -> Result<(), PublishError> {
        let queue = self.inner.topology.order_queue(&envelope.routed_by);
        let (outcome, sending) = self.inner.gathering.add(&queue, serde_json::to_vec(envelope)?);
        if let Some(sending) = sending {
            // On its own: others wait for it, too, who must not lose by it when this caller goes away.
            tokio::spawn(self.clone().send_gathered(sending));
        }
        // What becomes of the message is counted once, where it is sent.
        let outcome = timeout(CONFIRM_TIMEOUT, confirmed(outcome)).await;
        outcome.unwrap_or(Err(PublishError::TimedOut))
    }

    /// Sends what gathers for a queue, one message after the other, until there is nothing more.
    async fn send_gathered(self, mut sending: Sending) {
        while let Some(commands) = sending.next() {
            let lines: Vec<&[u8]> = commands.iter().map(|command| command.line.as_slice()).collect();
            let message = Message {
                exchange: TO_QUEUE.to_owned(),
                routing_key: sending.queue(),
                id: Uuid::from_bytes(clock::random_bytes()),
                body: &pack::message(&lines),
                headers: FieldTable::default(),
                delivery_mode: PERSISTENT,
                mandatory: true,
            };
            let outcome = self.send_and_wait(message).await;
            commands
                .into_iter()
                .for_each(|command| command.tell(outcome.clone()));
            sleep_until(self.inner.next_beat()).await;
        }
    }

    /// Publishes events: sent one message after the other, confirmed together. `Ok` means that every subscription that
    /// was there has them; after an error, some may have been heard.
    pub async fn publish_events(&self, messages: &[EventMessage]) -> Result<(), PublishError> {
        let publish = async {
            let mut sent = Vec::new();
            for message in messages {
                sent.push(self.send(self.event(message)).await?);
            }
            for confirm in sent {
                confirmed(confirm).await?;
            }
            Ok(())
        };
        self.in_time(publish).await
    }

    /// Publishes bytes that may be no command at all: a dead letter on its way out or back.
    pub(crate) async fn publish_bytes(
        &self,
        exchange: String,
        routing_key: &str,
        body: &[u8],
        headers: FieldTable,
    ) -> Result<(), PublishError> {
        self.send_and_wait(Message {
            exchange,
            routing_key,
            id: Uuid::from_bytes(clock::random_bytes()),
            body,
            headers,
            delivery_mode: PERSISTENT,
            mandatory: true,
        })
        .await
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.inner.topology
    }

    fn event<'a>(&self, events: &'a EventMessage) -> Message<'a> {
        Message {
            exchange: self.inner.topology.events_exchange(),
            routing_key: &events.routing_key,
            id: Uuid::nil(),
            body: events.lines.as_bytes(),
            headers: FieldTable::default(),
            delivery_mode: TRANSIENT,
            // An event that nobody waits for is no mistake.
            mandatory: false,
        }
    }

    async fn send_and_wait(&self, message: Message<'_>) -> Result<(), PublishError> {
        self.in_time(async { confirmed(self.send(message).await?).await })
            .await
    }

    async fn in_time(
        &self,
        publish: impl Future<Output = Result<(), PublishError>>,
    ) -> Result<(), PublishError> {
        let outcome = timeout(CONFIRM_TIMEOUT, publish)
            .await
            .unwrap_or(Err(PublishError::TimedOut));
        if matches!(outcome, Err(PublishError::Refused)) {
            self.inner.refused.store(true, Relaxed);
        }
        if outcome.is_err() {
            metrics::counter!("broker_publish_failures_total").increment(1);
            self.inner.broken.notify_one();
        }
        outcome
    }

    /// Hands a message over to be sent; what comes of it is told later.
    async fn send(&self, message: Message<'_>) -> Result<Outcome, PublishError> {
        // Before there is a place for it: those in flight keep theirs until RabbitMQ takes messages again.
        if self.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let permit = Arc::clone(&self.inner.in_flight).acquire_owned().await;
        let permit = permit.map_err(|_| PublishError::NotConnected)?;
        let open = self.open().await?;
        let id = message.id;
        let confirm = hand_over(&open.channel, message).await.map_err(interrupted)?;
        let (tell, told) = oneshot::channel();
        let in_flight = InFlight {
            id,
            confirm,
            tell,
            permit,
        };
        open.sent
            .unbounded_send(in_flight)
            .map_err(|_| PublishError::Interrupted(None))?;
        Ok(told)
    }

    fn is_blocked(&self) -> bool {
        let open = self.inner.open.borrow();
        open.as_ref().is_some_and(|open| open.connection.blocked())
    }

    async fn open(&self) -> Result<Open, PublishError> {
        let mut open = self.inner.open.clone();
        let found = timeout(CONNECTION_WAIT, open.wait_for(is_alive)).await;
        let found = found.ok().and_then(Result::ok).and_then(|open| open.clone());
        found.ok_or(PublishError::NotConnected)
    }
}

impl Inner {
    fn next_beat(&self) -> Instant {
        let (beat, past) = (BEAT.as_nanos(), self.started.elapsed().as_nanos());
        let left = beat - past % beat;
        Instant::now() + Duration::from_nanos(u64::try_from(left).unwrap_or_default())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.connecting.abort();
    }
}

async fn confirmed(outcome: Outcome) -> Result<(), PublishError> {
    outcome.await.unwrap_or(Err(PublishError::Interrupted(None)))
}

fn is_alive(open: &Option<Open>) -> bool {
    open.as_ref()
        .is_some_and(|open| open.channel.status().connected())
}

fn interrupted(error: lapin::Error) -> PublishError {
    PublishError::Interrupted(Some(error))
}

fn hand_over<'a>(
    channel: &'a Channel,
    message: Message<'a>,
) -> impl Future<Output = lapin::Result<lapin::PublisherConfirm>> + 'a {
    let properties = BasicProperties::default()
        .with_delivery_mode(message.delivery_mode)
        .with_content_type("application/x-ndjson".into())
        .with_message_id(message.id.to_string().into())
        .with_headers(message.headers);
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        immediate: false,
    };
    let key = message.routing_key.into();
    channel.basic_publish(message.exchange.into(), key, options, message.body, properties)
}

/// Who sees to it that there is a channel.
struct Keeper {
    link: Link,
    opened: watch::Sender<Option<Open>>,
    broken: Arc<Notify>,
    refused: Arc<AtomicBool>,
}

/// Why a channel is replaced.
enum Ended {
    Dead,
    Refuses,
}

impl Keeper {
    /// Opens a channel whenever there is none that lives, until the publisher is dropped.
    async fn keep_open(self) {
        let mut backoff = Backoff::new();
        loop {
            match open(&self.link).await {
                Ok(open) => {
                    info!("connected to RabbitMQ for publishing");
                    backoff.succeeded();
                    self.refused.store(false, Relaxed);
                    self.opened.send_replace(Some(open.clone()));
                    match self.ended(&open.channel).await {
                        Ended::Dead => {
                            self.opened.send_replace(None);
                            warn!("lost the connection to RabbitMQ for publishing");
                        }
                        Ended::Refuses => {
                            warn!("RabbitMQ refuses messages; trying on another channel");
                            tokio::spawn(finish(open));
                        }
                    }
                }
                Err(error) => {
                    let pause = backoff.failed();
                    warn!(error = %Chain(&error), ?pause, "cannot connect to RabbitMQ for publishing; trying again");
                    sleep(pause).await;
                }
            }
        }
    }

    /// Waits until the channel is dead, or refuses messages. A channel that was opened while a node of the cluster died
    /// may take that node for the leader of a queue as long as it lives, and refuse everything for that queue; where
    /// the queue is full, another channel costs nothing.
    async fn ended(&self, channel: &Channel) -> Ended {
        let opened_at = Instant::now();
        while channel.status().connected() {
            if self.refused.load(Relaxed) && opened_at.elapsed() >= REOPEN_AFTER {
                return Ended::Refuses;
            }
            // Either is only a reason to look.
            let _ = timeout(LOOK, self.broken.notified()).await;
        }
        Ended::Dead
    }
}

/// Keeps a channel that was replaced until what is in flight on it is settled.
async fn finish(open: Open) {
    sleep(CONFIRM_TIMEOUT).await;
    drop(open);
}

async fn open(link: &Link) -> Result<Open, BrokerError> {
    let (channel, connection) = link.channel_and_status().await?;
    let confirm = channel.confirm_select(ConfirmSelectOptions::default()).await;
    confirm.map_err(BrokerError::failed("ask for publisher confirms"))?;
    let (sent, to_settle) = unbounded();
    tokio::spawn(settle(to_settle, IN_FLIGHT));
    Ok(Open {
        channel,
        connection,
        sent,
    })
}
