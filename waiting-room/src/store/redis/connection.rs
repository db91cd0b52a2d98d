//! One connection to Redis, be it a server, a master with its sentinels, or a cluster.
//!
//! A connection that fails is given up as a whole and another one is made from the beginning: a server that fell
//! silent may be one that was replaced meanwhile, and must not be asked again before it is known who the master is.

use super::{
    address::{Address, AddressError, SentinelAddress},
    sentinels::{self, Place},
};
use arc_swap::ArcSwap;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ServerError, ServerErrorKind, aio::MultiplexedConnection, cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

/// A shopper who waits longer than this for a number is told to try again.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(50);
/// How often sentinels are asked whether the master is still the one. All edges must know of another within the time
/// that a line stands still on it ([`super::RECOVERY`]).
const ASK_SENTINELS_EVERY: Duration = Duration::from_millis(400);
/// How often a cluster may send a command on: to the server where its keys are now, or once more after a pause.
const CLUSTER_RETRIES: u32 = 4;
/// The longest such pause, in milliseconds.
const CLUSTER_PAUSE_MS: u64 = 100;

/// Redis, connected when first asked and again whenever the connection is lost.
#[derive(Clone)]
pub(super) struct Connection(Arc<Inner>);

struct Inner {
    servers: Servers,
    current: ArcSwap<Attempt>,
    /// Held while a cluster's next connection is made beside the present one, or sentinels are asked.
    renewing: Arc<Mutex<()>>,
}

/// Where to connect to.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Servers {
    One(Client),
    Sentinels(Arc<SentinelAddress>),
    Cluster(ClusterClient),
}

/// Connecting, once, for everybody who waits for it.
type Attempt = Shared<BoxFuture<'static, RedisResult<Live>>>;

#[derive(Clone)]
enum Live {
    Server(MultiplexedConnection),
    Master(MultiplexedConnection, Arc<Watch>),
    Cluster(ClusterConnection),
}

/// Which server the sentinels named, and when.
struct Watch {
    place: Place,
    asked_at: std::sync::Mutex<Instant>,
}

impl Connection {
    /// To the servers at `address`; nothing is connected yet.
    ///
    /// # Errors
    /// When `address` is none.
    pub(super) fn to(address: &str) -> Result<Self, AddressError> {
        let servers = Servers::at(Address::read(address)?).map_err(AddressError::Unreadable)?;
        Ok(Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(servers.attempt(Duration::ZERO)),
            servers,
            renewing: Arc::default(),
        })))
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// When no answer came, or Redis refused. What was asked may have happened.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        self.ask(Question::One(command)).await
    }

    /// Asks several things at once; in a cluster all are asked of the server that holds the first key among them.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub(super) async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        self.ask(Question::Several(pipeline)).await
    }

    /// Asks whoever is connected; once more if that is a master no longer, which then has done nothing.
    async fn ask<T: FromRedisValue>(&self, question: Question<'_>) -> RedisResult<T> {
        match self.ask_once(question).await {
            Err(error) if is_replaced(&error) => self.ask_once(question).await,
            answered => answered,
        }
    }

    async fn ask_once<T: FromRedisValue>(&self, question: Question<'_>) -> RedisResult<T> {
        let attempt = self.0.current.load_full();
        let live = match Attempt::clone(&attempt).await {
            Ok(live) => live,
            Err(error) => {
                self.0.replace(&attempt, PAUSE);
                return Err(error);
            }
        };
        if let Live::Master(_, watch) = &live
            && watch.is_due()
        {
            self.0.ask_sentinels(Arc::clone(&attempt), Arc::clone(watch));
        }
        let answer = live.clone().answer(question).await;
        if let Err(error) = &answer
            && is_lost(error)
        {
            warn!(error = error.to_string(), "the connection to Redis is given up");
            match live {
                Live::Server(_) | Live::Master(..) => self.0.replace(&attempt, Duration::ZERO),
                Live::Cluster(_) => self.0.renew(attempt),
            }
        }
        answer
    }
}

#[derive(Clone, Copy)]
enum Question<'a> {
    One(&'a Cmd),
    Several(&'a Pipeline),
}

impl Live {
    async fn answer<T: FromRedisValue>(self, question: Question<'_>) -> RedisResult<T> {
        match (self, question) {
            (Self::Server(mut server) | Self::Master(mut server, _), Question::One(command)) => {
                command.query_async(&mut server).await
            }
            (Self::Server(mut server) | Self::Master(mut server, _), Question::Several(pipeline)) => {
                pipeline.query_async(&mut server).await
            }
            (Self::Cluster(mut cluster), Question::One(command)) => command.query_async(&mut cluster).await,
            (Self::Cluster(mut cluster), Question::Several(pipeline)) => {
                pipeline.query_async(&mut cluster).await
            }
        }
    }
}

impl Inner {
    /// Whoever asks next connects anew, unless another has seen to that.
    fn replace(&self, failed: &Arc<Attempt>, pause: Duration) {
        let next = Arc::new(self.servers.attempt(pause));
        self.current.compare_and_swap(failed, next);
    }

    /// Makes another connection beside the failed one. A cluster of which one server is gone works for the lines of
    /// the others, which do not wait meanwhile.
    fn renew(self: &Arc<Self>, failed: Arc<Attempt>) {
        let Ok(alone) = Arc::clone(&self.renewing).try_lock_owned() else {
            return;
        };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let next = inner.servers.attempt(PAUSE);
            if next.clone().await.is_ok() {
                inner.current.compare_and_swap(&failed, Arc::new(next));
            }
            drop(alone);
        });
    }
}

impl Inner {
    /// Leaves a master that the sentinels have replaced, though it still answers: it may be cut off from them.
    fn ask_sentinels(self: &Arc<Self>, attempt: Arc<Attempt>, watch: Arc<Watch>) {
        let (Servers::Sentinels(address), Ok(alone)) =
            (&self.servers, Arc::clone(&self.renewing).try_lock_owned())
        else {
            return;
        };
        let (inner, address) = (Arc::clone(self), Arc::clone(address));
        tokio::spawn(async move {
            if let Ok(place) = sentinels::master(&address).await
                && place != watch.place
            {
                warn!("the sentinels name another master");
                inner.replace(&attempt, Duration::ZERO);
            }
            drop(alone);
        });
    }
}

impl Watch {
    /// Whether it is time to ask the sentinels again; if so, the next time is counted from now.
    fn is_due(&self) -> bool {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked_at.elapsed() >= ASK_SENTINELS_EVERY;
        if is_due {
            *asked_at = Instant::now();
        }
        is_due
    }
}

impl Servers {
    fn at(address: Address) -> RedisResult<Self> {
        Ok(match address {
            Address::Server(server) => Self::One(Client::open(server)?),
            Address::Sentinels(sentinels) => Self::Sentinels(Arc::new(sentinels)),
            Address::Cluster(servers) => Self::Cluster(
                ClusterClient::builder(servers)
                    .connection_timeout(ANSWER_WITHIN)
                    .response_timeout(ANSWER_WITHIN)
                    .retries(CLUSTER_RETRIES)
                    .min_retry_wait(CLUSTER_PAUSE_MS / 2)
                    .max_retry_wait(CLUSTER_PAUSE_MS)
                    .build()?,
            ),
        })
    }

    /// Connecting after `pause`, once somebody waits for it.
    fn attempt(&self, pause: Duration) -> Attempt {
        let servers = self.clone();
        let connect = async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            servers.connect().await
        };
        connect.boxed().shared()
    }

    async fn connect(&self) -> RedisResult<Live> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let live = match self {
            Self::One(client) => {
                let connected = client.get_multiplexed_async_connection_with_config(&config).await;
                Live::Server(connected?)
            }
            Self::Sentinels(address) => {
                let place = sentinels::master(address).await?;
                let connected = sentinels::connect(address, place.clone(), &config).await?;
                let asked_at = std::sync::Mutex::new(Instant::now());
                Live::Master(connected, Arc::new(Watch { place, asked_at }))
            }
            Self::Cluster(client) => Live::Cluster(client.get_async_connection().await?),
        };
        info!("connected to Redis");
        Ok(live)
    }
}

/// The server was a master and is one no longer: it has not done what it was asked.
fn is_replaced(error: &RedisError) -> bool {
    let answers = error.clone().into_server_errors();
    let refused = |answers: &[(usize, ServerError)]| {
        let kinds = answers.iter().map(|(_, answer)| answer.kind());
        kinds
            .into_iter()
            .any(|kind| kind == Some(ServerErrorKind::ReadOnly))
    };
    answers.is_some_and(|answers| refused(&answers))
}

/// The connection cannot be trusted to lead to the right server any more.
fn is_lost(error: &RedisError) -> bool {
    is_replaced(error)
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || [ServerErrorKind::MasterDown, ServerErrorKind::ClusterDown]
            .map(ErrorKind::Server)
            .contains(&error.kind())
}
