//! How the parts are put together.

use crate::{
    Settings,
    api::{Shop, router},
    catalog::{Catalog, Nudge, keep_fresh},
    orders::{Announcements, Counter, Intake, KeyTable, Waiting},
    server,
    store::{order_reader, read_orders},
};
use anyhow::Context;
use broker::{Broker, EventSubscription, News, Publisher, Topology};
use clock::SystemClock;
use contract::Event;
use passes::RemoteKeys;
use payments::HttpProvider;
use process::Shutdown;
use secrecy::ExposeSecret;
use std::sync::{Arc, atomic::AtomicBool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Connections to PostgreSQL: the readers of orders and products, and readiness.
const POOL_SIZE: u32 = 4;

/// Serves until the process is told to stop.
///
/// # Errors
/// When it cannot start, or a part of it ended by itself.
pub async fn serve(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("listen on {}", settings.listen))?;
    let stop = shutdown.token();

    let pool = database::pool(settings.database_url.expose_secret(), POOL_SIZE)?;
    let topology = Topology::new(&settings.broker_prefix);
    let broker = Broker::new(settings.amqp_url.expose_secret(), topology, "catalog-api")?;
    let publisher = Publisher::start(&broker);
    let (reader, questions) = order_reader();
    let (catalog, nudge, announcements) = (
        Arc::<Catalog>::default(),
        Arc::<Nudge>::default(),
        Announcements::default(),
    );

    // Not one of the tasks that stop first: requests that are being finished still look orders up.
    tokio::spawn(read_orders(pool.clone(), questions));
    let fresh = keep_fresh(
        Arc::clone(&catalog),
        Arc::clone(&nudge),
        pool.clone(),
        stop.clone(),
    );
    shutdown.spawn("catalog", fresh);
    let heard = Heard {
        catalog: Arc::clone(&catalog),
        nudge: Arc::clone(&nudge),
        announcements: announcements.clone(),
    };
    let subscription = EventSubscription::new(&broker);
    shutdown.spawn("events", hear(subscription, heard, stop.clone()));

    let keys = KeyTable::default();
    let waiting = Waiting::new(announcements, reader.clone());
    let provider = Arc::new(HttpProvider::at(&settings.payments_url)?);
    let intake = Intake {
        catalog: Arc::clone(&catalog),
        keys: keys.clone(),
        reader: reader.clone(),
        publisher: publisher.clone(),
        waiting: waiting.clone(),
    };
    let counter = Counter {
        keys,
        reader,
        publisher: publisher.clone(),
        waiting,
        provider,
        public_url: settings.public_url,
    };
    let jwks = reqwest::Client::builder()
        .build()
        .context("make an HTTP client")?;
    let shop = Shop {
        catalog,
        nudge,
        intake,
        counter,
        passes: RemoteKeys::at(settings.jwks_url.clone(), jwks.clone()),
        webhook_secret: settings.webhook_secret,
        clock: Arc::new(SystemClock),
        pool,
        publisher,
        keys_seen: AtomicBool::new(false),
        jwks,
        jwks_url: settings.jwks_url,
        metrics: process::install_metrics()?,
    };
    info!(address = %settings.listen, "the shop listens");
    shutdown.spawn("http", server::serve(listener, router(Arc::new(shop)), stop));
    shutdown.wait().await
}

/// Where events go.
struct Heard {
    catalog: Arc<Catalog>,
    nudge: Arc<Nudge>,
    announcements: Announcements,
}

/// Passes events on until it is told to stop. What was missed meanwhile is read from the database: the catalog is,
/// at once, and whoever waits for an order looks every second.
async fn hear(mut events: EventSubscription, heard: Heard, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let news = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            news = events.next() => news,
        };
        match news {
            News::Subscribed => heard.nudge.read_everything(),
            News::Event(event) => match *event {
                Event::StockChanged(changed) => heard.catalog.heard(&changed, &heard.nudge),
                Event::OrderChanged(changed) => heard.announcements.announce(&changed.order),
            },
            News::Interrupted => {}
        }
    }
}
