//! Puts the parts together and runs them.

use crate::{
    edge::{self, Origins, SharedDrain},
    gate::{CurrentGate, Gate},
    live::{Beginning, Live},
    operator::{Operator, router},
    rooms::Ground,
    settings::Settings,
    store::{LineStore, LiveStore, MemoryStore, RedisStore},
};
use anyhow::Context;
use clock::{Clock, SystemClock};
use process::Shutdown;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, runtime::Runtime};
use tracing::info;

/// How long the edge before may take to let go of the operators' address.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(60);
/// How long the lines may take to be known before this edge takes over.
const READY_WITHIN: Duration = Duration::from_secs(10);
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Runs the edge until it is asked to stop.
///
/// # Errors
/// When something that it needs cannot be had: a listener, a valid address, a runtime.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let metrics = process::install_metrics()?;
    // Pingora makes runtimes of its own for the requests; this one is for everything beside them.
    let runtime = Runtime::new().context("start a runtime")?;
    let shutdown = Shutdown::new(settings.config.grace);
    let (drain, succession) = (SharedDrain::default(), settings.succession);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (lines, store) = stores(settings.redis, &clock)?;
    let config = settings.config.clone();
    let origins = Origins::start(&config.origins, &*clock, shutdown.token());
    let origins = Arc::new(runtime.block_on(origins));
    let cache = Arc::new(edge::Cache::new(&config.cache, Arc::clone(&clock)));
    let secrets = settings.keys.draws.clone();
    let pages = Arc::new(settings.pages);
    let gate = Gate::new(settings.keys, Arc::clone(&pages), Arc::clone(&clock))?;
    let live = runtime.block_on(Live::begin(Beginning {
        gate: gate.showing_origins(settings.origin_secret.as_ref())?,
        origins: Arc::clone(&origins),
        cache: Arc::clone(&cache),
        config: settings.config,
        document: settings.document,
        pages,
        ground: Ground::new(secrets, lines, clock, shutdown.clone()),
        store: Arc::clone(&store),
        shutdown: shutdown.clone(),
    }))?;
    {
        let _entered = runtime.enter();
        let following = Arc::clone(&live).follow(shutdown.token());
        shutdown.spawn("follow the config", following);
    }
    let gate = Arc::clone(&live.gate);
    if settings.admin_tokens.is_empty() {
        info!("no WAITING_ROOM_ADMIN_TOKEN: the operator API stays shut");
    } else {
        let operator = Operator {
            live,
            store,
            origins: Arc::clone(&origins),
            cache: Arc::clone(&cache),
            tokens: settings.admin_tokens,
            metrics,
            drain: Arc::clone(&drain),
        };
        let patience = if succession.take_over {
            HANDED_OVER_WITHIN
        } else {
            Duration::ZERO
        };
        serve_operator(&runtime, operator, settings.admin_listen, &shutdown, patience)?;
    }
    if succession.take_over {
        runtime.block_on(until_ready(&gate));
    }
    info!(listen = %config.listen, rooms = gate.load().rooms.iter().count(), "open for shoppers");
    let parts = edge::Parts {
        gate,
        origins,
        cache,
        drain,
    };
    edge::serve(&config, parts, &succession)?;
    // What is still to be written is written.
    runtime.block_on(shutdown.finish());
    Ok(())
}

/// Where the lines are, and what operators change.
type Stores = (Arc<dyn LineStore>, Arc<dyn LiveStore>);

fn stores(redis: Option<(SecretString, String)>, clock: &Arc<dyn Clock>) -> anyhow::Result<Stores> {
    let Some((url, namespace)) = redis else {
        info!("no WAITING_ROOM_REDIS_URL: the line is kept in memory, for this edge alone");
        let incarnation = u64::from_be_bytes(clock::random_bytes());
        let store = Arc::new(MemoryStore::new(Arc::clone(clock), incarnation));
        return Ok((Arc::clone(&store) as _, store));
    };
    let store = RedisStore::new(url.expose_secret(), &namespace).context("WAITING_ROOM_REDIS_URL")?;
    let store = Arc::new(store);
    Ok((Arc::clone(&store) as _, store))
}

/// Waits until every line is known, so that nobody is turned away in the first moment; not for ever, since the edge
/// before may know no more.
async fn until_ready(gate: &CurrentGate) {
    let known = async {
        while gate.load().rooms.iter().any(|room| room.view().is_none()) {
            tokio::time::sleep(LOOKED_EVERY).await;
        }
    };
    if tokio::time::timeout(READY_WITHIN, known).await.is_err() {
        tracing::warn!("some lines are not known yet; taking over all the same");
    }
}

/// Serves operators; at once, or, when another edge still has the address, within `patience`.
fn serve_operator(
    runtime: &Runtime,
    operator: Operator,
    listen: SocketAddr,
    shutdown: &Shutdown,
    patience: Duration,
) -> anyhow::Result<()> {
    let first = match runtime.block_on(TcpListener::bind(listen)) {
        Err(_) if !patience.is_zero() => None,
        bound => Some(bound.with_context(|| format!("listen on {listen}"))?),
    };
    let token = shutdown.token();
    let handed_over = operator.drain.handed_over();
    let serving = async move {
        let listener = match first {
            Some(listener) => listener,
            None => bind_within(listen, patience).await?,
        };
        info!(%listen, "open for operators");
        let over = async move {
            tokio::select! {
                () = token.cancelled_owned() => {}
                () = handed_over.cancelled_owned() => {}
            }
        };
        axum::serve(listener, router(operator))
            .with_graceful_shutdown(over)
            .await
            .context("serve operators")
    };
    let _entered = runtime.enter();
    let (token, task) = (shutdown.token(), serving);
    shutdown.spawn("serve operators", async move {
        task.await?;
        // Whoever has handed over goes on until its requests are done.
        token.cancelled().await;
        Ok(())
    });
    Ok(())
}

async fn bind_within(listen: SocketAddr, patience: Duration) -> anyhow::Result<TcpListener> {
    let bound = tokio::time::timeout(patience, async {
        loop {
            if let Ok(listener) = TcpListener::bind(listen).await {
                return listener;
            }
            tokio::time::sleep(LOOKED_EVERY).await;
        }
    });
    bound
        .await
        .with_context(|| format!("listen on {listen}, which another edge does not let go of"))
}
