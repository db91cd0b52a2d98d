//! How the parts are put together.

use crate::{
    Settings,
    api::{Shop, Sources, StockListeners, metrics_router, router},
    carts::forget_old_carts,
    catalog::{Catalog, Nudge, keep_fresh},
    draws::{Draws, Entrance, NoticeBoard, keep_posted, run_draws, take_entries},
    members::{Members, Passwords, Revoked, Sealer, Tokens},
    orders::{
        Announcements, Counter, Intake, KeyTable, OrderMails, Undecided, Waiting, make_up_for_lost_events,
    },
    server,
    settings::MemberSettings,
    store::{DrawStore, OrderReader, order_reader, read_orders},
};
use anyhow::Context;
use broker::{Broker, EventSubscription, News, Publisher, Topology};
use clock::SystemClock;
use contract::Event;
use mail::{Mailer, Outbox};
use passes::RemoteKeys;
use payments::HttpProvider;
use process::Shutdown;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use std::sync::{Arc, atomic::AtomicBool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Connections to PostgreSQL: the readers of orders and products, members, mails, and readiness.
const POOL_SIZE: u32 = 10;
/// Connections for draws: their steps, the groups that enter, what is shown, and how members stand.
const DRAWS_POOL_SIZE: u32 = 6;

/// The ways to the database, the broker and the worker, and what is known of them.
struct Parts {
    pool: PgPool,
    reader: OrderReader,
    publisher: Publisher,
    heard: Heard,
    draws: Draws,
    revoked: Arc<Revoked>,
}

/// Where events go.
#[derive(Clone, Default)]
struct Heard {
    catalog: Arc<Catalog>,
    nudge: Arc<Nudge>,
    announcements: Announcements,
    undecided: Undecided,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When it cannot start, or a part of it ended by itself.
pub async fn serve(settings: Settings, shutdown: Shutdown) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("listen on {}", settings.listen))?;
    let parts = start(&settings, &shutdown)?;
    let (listen, metrics_listen) = (settings.listen, settings.metrics_listen);
    let metrics = process::install_metrics()?;
    let sources = Sources {
        catalog: Arc::clone(&parts.heard.catalog),
        undecided: parts.heard.undecided.clone(),
        pool: parts.pool.clone(),
    };
    let shop = shop(settings, parts, shutdown.token())?;
    shutdown.spawn("sweep", Arc::clone(&shop.members).sweep(shutdown.token()));
    info!(address = %listen, "the shop listens");
    if let Some(address) = metrics_listen {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("listen on {address}"))?;
        shutdown.spawn(
            "metrics",
            server::serve(listener, metrics_router(metrics, sources), shutdown.token()),
        );
    }
    shutdown.spawn(
        "http",
        server::serve(listener, router(Arc::new(shop)), shutdown.token()),
    );
    shutdown.wait().await
}

/// Starts what runs beside the requests.
fn start(settings: &Settings, shutdown: &Shutdown) -> anyhow::Result<Parts> {
    let pool = database::pool(settings.database_url.expose_secret(), POOL_SIZE)?;
    let topology = Topology::new(&settings.broker_prefix);
    let broker = Broker::new(settings.amqp_url.expose_secret(), topology, "catalog-api")?;
    let (reader, questions) = order_reader();
    let (heard, revoked) = (Heard::default(), Arc::<Revoked>::default());

    // Not one of the tasks that stop first: requests that are being finished still look orders up.
    tokio::spawn(read_orders(pool.clone(), questions));
    let Heard { catalog, nudge, .. } = heard.clone();
    shutdown.spawn(
        "catalog",
        keep_fresh(
            catalog,
            nudge,
            pool.clone(),
            Arc::new(SystemClock),
            shutdown.token(),
        ),
    );
    shutdown.spawn("old carts", forget_old_carts(pool.clone(), shutdown.token()));
    shutdown.spawn(
        "lost events",
        make_up_for_lost_events(heard.undecided.clone(), pool.clone(), shutdown.token()),
    );
    shutdown.spawn(
        "events",
        hear(EventSubscription::new(&broker), heard.clone(), shutdown.token()),
    );
    shutdown.spawn(
        "ended sign-ins",
        Arc::clone(&revoked).follow(pool.clone(), shutdown.token()),
    );
    let members = &settings.members;
    let mailer = Mailer::new(pool.clone(), Arc::clone(&members.personal), &members.mail)?;
    shutdown.spawn("mails", mailer.run(shutdown.token()));
    let order_mails = OrderMails {
        pool: pool.clone(),
        outbox: Outbox::new(Arc::clone(&members.personal)),
        public_url: settings.public_url.clone(),
    };
    shutdown.spawn("order mails", order_mails.run(shutdown.token()));
    Ok(Parts {
        pool,
        reader,
        publisher: Publisher::start(&broker),
        heard,
        revoked,
        draws: start_draws(settings, shutdown)?,
    })
}

/// Starts what draws need, on connections of their own: a rush into a draw keeps no order waiting.
fn start_draws(settings: &Settings, shutdown: &Shutdown) -> anyhow::Result<Draws> {
    let pool = database::pool(settings.database_url.expose_secret(), DRAWS_POOL_SIZE)?;
    let mails = Outbox::new(Arc::clone(&settings.members.personal));
    let store = DrawStore::new(pool, mails, &settings.public_url);
    let board = Arc::new(NoticeBoard::default());
    let (entrance, wishes) = Entrance::open();
    let secrets = settings.draw_keys.clone();
    // Not one of the tasks that stop first: requests that are being finished still enter.
    tokio::spawn(take_entries(store.clone(), wishes));
    shutdown.spawn(
        "draws shown",
        keep_posted(Arc::clone(&board), store.clone(), shutdown.token()),
    );
    let drawing = run_draws(
        store.clone(),
        Arc::clone(&board),
        secrets.clone(),
        shutdown.token(),
    );
    shutdown.spawn("draws", drawing);
    Ok(Draws {
        board,
        entrance,
        store,
        secrets,
    })
}

/// What the handlers work with.
fn shop(settings: Settings, parts: Parts, stop: CancellationToken) -> anyhow::Result<Shop> {
    let Parts {
        pool,
        reader,
        publisher,
        heard,
        draws,
        revoked,
    } = parts;
    let Heard {
        catalog,
        nudge,
        announcements,
        undecided,
    } = heard;
    let keys = KeyTable::default();
    let waiting = Waiting::new(announcements, reader.clone());
    let members = members(&settings, &pool, revoked)?;
    let intake = Intake {
        catalog: Arc::clone(&catalog),
        draws: draws.clone(),
        addresses: members.order_addresses(),
        keys: keys.clone(),
        reader: reader.clone(),
        publisher: publisher.clone(),
        waiting: waiting.clone(),
        undecided,
    };
    process::install_tls();
    let provider = Arc::new(HttpProvider::at(&settings.payments_url)?);
    let jwks = reqwest::Client::builder()
        .build()
        .context("make an HTTP client")?;
    let public_url = settings.public_url;
    Ok(Shop {
        draws,
        stock_listeners: StockListeners::new(stop),
        catalog,
        nudge,
        intake,
        counter: Counter {
            keys,
            reader,
            publisher: publisher.clone(),
            waiting,
            provider,
            public_url,
            clock: Arc::new(SystemClock),
        },
        members,
        edge_secret: settings.members.edge_secret,
        passes: RemoteKeys::at(settings.jwks_url.clone(), jwks.clone()),
        webhook_secret: settings.webhook_secret,
        clock: Arc::new(SystemClock),
        pool,
        publisher,
        keys_seen: AtomicBool::new(false),
        jwks,
        jwks_url: settings.jwks_url,
    })
}

/// What is done about members.
fn members(settings: &Settings, pool: &PgPool, revoked: Arc<Revoked>) -> anyhow::Result<Arc<Members>> {
    let MemberSettings {
        personal,
        index,
        tokens,
        ..
    } = settings.members.clone();
    Ok(Arc::new(Members {
        pool: pool.clone(),
        outbox: Outbox::new(Arc::clone(&personal)),
        sealer: Sealer {
            keys: personal,
            index,
        },
        passwords: Passwords::new()?,
        tokens: Tokens::new(tokens, revoked),
        clock: Arc::new(SystemClock),
        public_url: settings.public_url.clone(),
    }))
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
                Event::OrderChanged(changed) => {
                    heard.undecided.decided(changed.order.order_id);
                    heard.announcements.announce(&changed.order);
                }
            },
            News::Interrupted => {}
        }
    }
}
