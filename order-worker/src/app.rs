//! How the parts of the worker are put together.

use crate::{
    intake::{Intake, Queues},
    listener::{self, Health},
    reconcilers::{self, AskProvider, Audit, ExpireHolds, SendWebhooks, SettleRefunds, TakeSteps},
    relay::Relay,
    settings::Settings,
    store::Store,
};
use anyhow::Context;
use broker::{Broker, Publisher, Topology};
use clock::SystemClock;
use metrics_exporter_prometheus::PrometheusHandle;
use payments::{HttpProvider, webhooks::WebhookMaster};
use process::Shutdown;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::sleep};
use tracing::{info, warn};

/// Connections: one for each queue, one each for the relay, the reconcilers and readiness, and some room.
const CONNECTIONS: u32 = 12;
/// How long tasks may take to stop: longer than the intake gives its last batch.
const GRACE: Duration = Duration::from_secs(10);
/// The pause after the schema could not be brought up to date.
const MIGRATION_PAUSE: Duration = Duration::from_secs(1);

/// The key from which the secrets of webhook endpoints are derived.
pub const WEBHOOK_KEY: &str = "ORDER_WORKER_WEBHOOK_KEY";
/// What is said when it is not there.
pub const WEBHOOK_KEY_EXAMPLE: &str =
    "must be set (or …_FILE to a file with it) to whsec_ and 24 to 64 bytes in base64";

/// That key, if there is one.
pub fn webhook_master() -> anyhow::Result<Option<WebhookMaster>> {
    let text = process::read_secret(WEBHOOK_KEY)?;
    let master = text.map(|text| WebhookMaster::parse(text.expose_secret()));
    master
        .transpose()
        .with_context(|| format!("{WEBHOOK_KEY} {WEBHOOK_KEY_EXAMPLE}"))
}

/// The books, as the settings have them.
pub fn store(settings: &Settings) -> anyhow::Result<Store> {
    let pool = database::pool(&settings.run.database_url, 1).context("DATABASE_URL")?;
    Ok(Store::new(pool, settings.run.terms()))
}

/// RabbitMQ, as the settings have it.
pub fn broker(settings: &Settings) -> anyhow::Result<Broker> {
    let topology = Topology::new(&settings.broker.broker_prefix);
    Ok(Broker::new(&settings.broker.amqp_url, topology, "order-worker")?)
}

/// Runs the worker until it is told to stop. Neither RabbitMQ nor PostgreSQL need be there at the start.
pub async fn run(settings: Settings, metrics: PrometheusHandle) -> anyhow::Result<()> {
    let pool = database::pool(&settings.run.database_url, CONNECTIONS).context("DATABASE_URL")?;
    let broker = broker(&settings)?;
    let publisher = Publisher::start(&broker);
    let shutdown = Shutdown::new(GRACE);

    let health = Health {
        pool: pool.clone(),
        publisher: publisher.clone(),
        metrics,
    };
    shutdown.spawn(
        "listener",
        listener::serve(settings.run.listen, health, shutdown.token()),
    );
    info!(listen = %settings.run.listen, "order-worker starts");

    if shutdown
        .token()
        .run_until_cancelled(migrate(&pool))
        .await
        .is_some()
    {
        start(&settings, &shutdown, &broker, publisher, pool)?;
    }
    shutdown.wait().await
}

/// Tries until the database is there and its schema is ours.
async fn migrate(pool: &PgPool) {
    while let Err(error) = database::migrate(pool).await {
        warn!(
            error = format!("{:#}", anyhow::Error::from(error)),
            "cannot migrate the database; trying again"
        );
        sleep(MIGRATION_PAUSE).await;
    }
}

fn start(
    settings: &Settings,
    shutdown: &Shutdown,
    broker: &Broker,
    publisher: Publisher,
    pool: PgPool,
) -> anyhow::Result<()> {
    let (store, relay) = (
        Store::new(pool.clone(), settings.run.terms()),
        Arc::new(Notify::new()),
    );
    let limits = settings.run.batch();
    let intake = Intake {
        store: store.clone(),
        publisher: publisher.clone(),
        relay: Arc::clone(&relay),
        clock: Arc::new(SystemClock),
        limits,
    };
    let queues = broker.consume(broker.topology().order_queues(), limits.prefetch());
    shutdown.spawn("intake", intake.run(Queues::new(queues), shutdown.token()));
    let outbox = Relay {
        pool,
        publisher,
        woken: Arc::clone(&relay),
    };
    shutdown.spawn("relay", outbox.run(shutdown.token()));
    start_reconcilers(settings, shutdown, &store, &relay)
}

fn start_reconcilers(
    settings: &Settings,
    shutdown: &Shutdown,
    store: &Store,
    relay: &Arc<Notify>,
) -> anyhow::Result<()> {
    let holds = ExpireHolds {
        store: store.clone(),
        relay: Arc::clone(relay),
    };
    shutdown.spawn("expire holds", reconcilers::run(holds, shutdown.token()));
    let steps = TakeSteps {
        store: store.clone(),
        relay: Arc::clone(relay),
    };
    shutdown.spawn("take steps", reconcilers::run(steps, shutdown.token()));
    match webhook_master()? {
        Some(master) => {
            let webhooks = SendWebhooks::new(store.clone(), master, Arc::new(SystemClock));
            let webhooks = webhooks.context("make the client that sends webhooks")?;
            shutdown.spawn("send webhooks", reconcilers::run(webhooks, shutdown.token()));
        }
        None => info!("{WEBHOOK_KEY} is not set: nobody is told by webhooks"),
    }
    let audit = Audit { store: store.clone() };
    shutdown.spawn("audit stock", reconcilers::run(audit, shutdown.token()));
    let Some(url) = &settings.run.payments_url else {
        warn!(
            "ORDER_WORKER_PAYMENTS_URL is not set: refunds stay due, and nobody asks about silent payments"
        );
        return Ok(());
    };
    let provider = Arc::new(HttpProvider::at(url).context("make the client of the payment provider")?);
    let questions = AskProvider {
        store: store.clone(),
        provider: Arc::<HttpProvider>::clone(&provider),
        relay: Arc::clone(relay),
    };
    shutdown.spawn("ask provider", reconcilers::run(questions, shutdown.token()));
    let refunds = SettleRefunds {
        store: store.clone(),
        provider,
        relay: Arc::clone(relay),
    };
    shutdown.spawn("settle refunds", reconcilers::run(refunds, shutdown.token()));
    Ok(())
}
