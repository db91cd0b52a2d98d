//! Puts the parts together and runs them.

use crate::{
    edge,
    gate::Gate,
    operator::{Operator, router},
    rooms::Rooms,
    settings::Settings,
    store::{LineStore, MemoryStore, RedisStore},
};
use anyhow::Context;
use clock::{Clock, SystemClock};
use process::Shutdown;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, runtime::Runtime};
use tracing::info;
use waiting_room_domain::PollPacing;

/// Runs the edge until it is asked to stop.
///
/// # Errors
/// When something that it needs cannot be had: a listener, a valid address, a runtime.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let metrics = process::install_metrics()?;
    // Pingora makes runtimes of its own for the requests; this one is for everything beside them.
    let runtime = Runtime::new().context("start a runtime")?;
    let shutdown = Shutdown::new(settings.config.grace);
    let config = settings.config;

    let gate = {
        let _entered = runtime.enter();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = store(settings.redis, &clock)?;
        let pacing = PollPacing {
            budget_per_second: config.poll_budget_per_second,
        };
        let secrets = settings.keys.draws.clone();
        let rooms = Rooms::start(config.rooms.clone(), pacing, secrets, &store, &clock, &shutdown)?;
        let gate = Gate::new(rooms, settings.keys, settings.pages, config.secure_cookies, clock)?;
        for identity in gate.identities() {
            let following = Arc::clone(identity).follow_keys(shutdown.token());
            shutdown.spawn("follow the keys of an issuer", following);
        }
        Arc::new(gate)
    };
    if let Some(token) = settings.admin_token {
        let operator = Operator {
            gate: Arc::clone(&gate),
            token,
            metrics,
        };
        runtime.block_on(serve_operator(operator, settings.admin_listen, &shutdown))?;
    } else {
        info!("no WAITING_ROOM_ADMIN_TOKEN: the operator API stays shut");
    }
    info!(listen = %config.listen, rooms = config.rooms.len(), "open for shoppers");
    edge::serve(&config, gate)?;
    shutdown.token().cancel();
    Ok(())
}

fn store(
    redis: Option<(SecretString, String)>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn LineStore>> {
    let Some((url, namespace)) = redis else {
        info!("no WAITING_ROOM_REDIS_URL: the line is kept in memory, for this edge alone");
        let incarnation = u64::from_be_bytes(clock::random_bytes());
        return Ok(Arc::new(MemoryStore::new(Arc::clone(clock), incarnation)));
    };
    let store = RedisStore::new(url.expose_secret(), &namespace).context("WAITING_ROOM_REDIS_URL")?;
    Ok(Arc::new(store))
}

async fn serve_operator(operator: Operator, listen: SocketAddr, shutdown: &Shutdown) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen}"))?;
    info!(%listen, "open for operators");
    let token = shutdown.token();
    shutdown.spawn("serve operators", async move {
        let server = axum::serve(listener, router(operator));
        server
            .with_graceful_shutdown(token.cancelled_owned())
            .await
            .context("serve operators")
    });
    Ok(())
}
