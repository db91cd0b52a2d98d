//! The shop under load: real processes behind the edge, with a database and a broker prefix of their own.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use broker::Topology;
use sqlx::PgPool;
use std::{iter, net::SocketAddr};
use testbed::{BrokerNamespace, Database, MEMBER_SETTINGS, Process, ProcessBuilder, free_address};

/// The product of every measurement.
pub const PRODUCT: &str = "demo-sneaker";
/// What the secrets of its draws come from.
pub const DRAW_KEY: [u8; 32] = [42; 32];
/// What the shop believes an edge by.
pub const ORIGIN_SECRET: &str = "known to the edge and the shop";
/// Where the shop takes the provider's reports.
const WEBHOOK_PATH: &str = "/webhooks/payments";
/// Where each process says that it can work.
pub const READY_PATH: &str = "/readyz";

/// A running shop.
pub struct Shop {
    // Dropped in this order: processes first, then what they use.
    catalog: Process,
    worker: Process,
    _payments: Process,
    database: Database,
    _broker: BrokerNamespace,
}

/// What the processes have in common.
#[derive(Debug, Clone)]
pub struct Wiring {
    database_url: String,
    amqp_url: String,
    prefix: String,
    secret: String,
}

impl Shop {
    /// Starts a shop at `address` with `stock` units of one product, behind the edge that listens at `edge`.
    pub async fn start(address: SocketAddr, edge: SocketAddr, stock: u32) -> anyhow::Result<Self> {
        Self::start_telling(address, edge, stock, free_address()).await
    }

    /// The same; at `signals` it says how it is.
    pub async fn start_telling(
        address: SocketAddr,
        edge: SocketAddr,
        stock: u32,
        signals: SocketAddr,
    ) -> anyhow::Result<Self> {
        let database = Database::try_fresh().await?;
        seed(&database, stock)
            .await
            .context("put the product on the shelf")?;
        let broker = BrokerNamespace::try_fresh()?;
        let prefix = format!("{}.", broker.prefix());
        let topology = Topology::new(&prefix);
        broker.own_queues(topology.queues());
        broker.own_exchanges(topology.exchanges());

        let wiring = Wiring::new(database.url(), broker.url(), &prefix);
        let (worker, payments) = (free_address(), free_address());
        let catalog = wiring.catalog(address, edge, payments);
        let payments_process = wiring.payments(payments, address).try_start().await?;
        let worker = wiring.worker(worker, payments).try_start().await?;
        let catalog = catalog
            .env("CATALOG_API_METRICS_LISTEN", signals)
            .try_start()
            .await?;
        Ok(Self {
            catalog,
            worker,
            _payments: payments_process,
            database,
            _broker: broker,
        })
    }

    /// Puts more products on the shelf, so that there are `count`, and tells the names of all; for those after the
    /// first the shop may need a moment to hear of them.
    pub async fn products(&self, count: u32, stock: u32) -> anyhow::Result<Vec<String>> {
        let more = (2..=count).map(|number| format!("{PRODUCT}-{number}"));
        let all: Vec<String> = iter::once(PRODUCT.to_owned()).chain(more).collect();
        let pool = self.database.try_pool().await?;
        for product in &all[1..] {
            put_on_shelf(&pool, product, stock).await?;
        }
        pool.close().await;
        Ok(all)
    }

    /// The process that decides orders.
    pub fn worker(&self) -> &Process {
        &self.worker
    }

    /// The process that shoppers reach.
    pub fn catalog(&self) -> &Process {
        &self.catalog
    }

    /// Its database, to be looked at from outside.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl Wiring {
    /// Of a shop on this database, with names in this RabbitMQ that begin with `prefix`.
    pub fn new(database_url: &str, amqp_url: &str, prefix: &str) -> Self {
        Self {
            database_url: database_url.to_owned(),
            amqp_url: amqp_url.to_owned(),
            prefix: prefix.to_owned(),
            secret: format!("whsec_{}", STANDARD.encode(clock::random_bytes::<32>())),
        }
    }

    /// The payment provider of the shop at `shop`.
    pub fn payments(&self, listen: SocketAddr, shop: SocketAddr) -> ProcessBuilder {
        quiet(Process::workspace("sandbox-payments"))
            .env("SANDBOX_PAYMENTS_LISTEN", listen)
            .env(
                "SANDBOX_PAYMENTS_WEBHOOK_URL",
                format!("http://{shop}{WEBHOOK_PATH}"),
            )
            .env("PAYMENTS_WEBHOOK_SECRET", &self.secret)
            .ready_at(listen, READY_PATH)
    }

    /// The worker, with its provider.
    pub fn worker(&self, listen: SocketAddr, payments: SocketAddr) -> ProcessBuilder {
        self.on_stores(quiet(Process::workspace("order-worker")))
            .env("ORDER_WORKER_LISTEN", listen)
            .env("ORDER_WORKER_PAYMENTS_URL", format!("http://{payments}"))
            .ready_at(listen, READY_PATH)
    }

    /// The shop itself, behind an edge, with its provider.
    pub fn catalog(&self, listen: SocketAddr, edge: SocketAddr, payments: SocketAddr) -> ProcessBuilder {
        self.on_stores(quiet(Process::workspace("catalog-api")))
            .envs(MEMBER_SETTINGS)
            .env("WAITING_ROOM_ORIGIN_SECRET", ORIGIN_SECRET)
            .env("CATALOG_API_LISTEN", listen)
            .env(
                "CATALOG_API_JWKS_URL",
                format!("http://{edge}/.well-known/jwks.json"),
            )
            .env("CATALOG_API_PUBLIC_URL", format!("http://{edge}"))
            .env("CATALOG_API_PAYMENTS_URL", format!("http://{payments}"))
            .env("DRAW_KEYS", format!("1 {}", STANDARD.encode(DRAW_KEY)))
            .env("PAYMENTS_WEBHOOK_SECRET", &self.secret)
            .ready_at(listen, READY_PATH)
    }

    fn on_stores(&self, builder: ProcessBuilder) -> ProcessBuilder {
        builder
            .env("DATABASE_URL", &self.database_url)
            .env("AMQP_URL", &self.amqp_url)
            .env("BROKER_PREFIX", &self.prefix)
    }
}

/// Under load, a line of log for every request would be a load of its own.
fn quiet(builder: ProcessBuilder) -> ProcessBuilder {
    builder.env("RUST_LOG", "warn")
}

async fn seed(database: &Database, stock: u32) -> anyhow::Result<()> {
    let pool = database.try_pool().await?;
    put_on_shelf(&pool, PRODUCT, stock).await?;
    pool.close().await;
    Ok(())
}

async fn put_on_shelf(pool: &PgPool, product: &str, stock: u32) -> anyhow::Result<()> {
    sqlx::query(
        "WITH product AS (
             INSERT INTO products (id, name, price_minor, currency)
             VALUES ($1, 'Demo sneaker', 12900, 'EUR')
             RETURNING id
         )
         INSERT INTO stock (product_id, on_hand) SELECT id, $2 FROM product",
    )
    .bind(product)
    .bind(i64::from(stock))
    .execute(pool)
    .await
    .with_context(|| format!("put {product} on the shelf"))?;
    Ok(())
}
