//! What a drill of the orders takes place on.

use super::program::Program;
use crate::{
    cli::OrderersPlan,
    crowd,
    edge::{Edge, EdgePlan},
    report::say,
    scratch::Scratch,
    shop::{READY_PATH, Wiring},
};
use anyhow::Context;
use broker::{Broker, Topology};
use sqlx::PgPool;
use std::{net::SocketAddr, sync::Arc};
use testbed::{PostgresServer, Process, RabbitServers, free_address};

/// What is sold, and how many units there are: two products that are sought after, and two of which there is enough.
pub const PRODUCTS: [(&str, i64); 4] = [
    ("drill-scarce-1", 60),
    ("drill-scarce-2", 300),
    ("drill-plenty-1", 1_000_000),
    ("drill-plenty-2", 1_000_000),
];
/// What a unit costs. The last two digits make the provider take a payment when no card says otherwise.
const PRICE_MINOR: i64 = 12_900;
/// Short, so that very many holds expire while a drill lasts.
const HOLD_SECONDS: i32 = 3;
/// How late the provider says what it says late.
const LATE_MS: u32 = 1_500;
/// Connections that let the shoppers in.
const CLAIMING: u32 = 8;
/// Longer than a drill lasts.
const ROOM: &str = "session = { length_seconds = 7200, hard_cap_seconds = 7200, sliding = false }\n";

/// Everything that runs.
pub struct Stage {
    // Dropped in this order: programs before the servers that they use.
    /// What shoppers talk to.
    pub catalog: Program,
    /// What decides.
    pub worker: Program,
    /// Where the shop listens.
    pub shop: SocketAddr,
    /// Where the payment provider listens. Nothing befalls it: it is the other side's word on the money.
    pub provider: SocketAddr,
    _payments: Process,
    edge: Arc<Edge>,
    /// Where the books are.
    pub postgres: PostgresServer,
    /// Where orders wait.
    pub rabbit: RabbitServers,
    _scratch: Scratch,
}

impl Stage {
    /// Starts everything on these servers.
    pub async fn set(
        plan: &OrderersPlan,
        postgres: PostgresServer,
        rabbit: RabbitServers,
    ) -> anyhow::Result<Self> {
        say("starting the shop ...");
        let scratch = Scratch::new("order-drill")?;
        let (shop, provider, worker) = (free_address(), free_address(), free_address());
        let edge_plan = EdgePlan {
            store: None,
            users_per_minute: 1_000_000,
            max_active: 1_000_000,
            origin: shop,
            health_path: READY_PATH,
            room: ROOM,
        };
        let edge = Arc::new(Edge::start(&scratch, &edge_plan).await?);
        let wiring = Wiring::new(&postgres.url(), &rabbit.url(), "");
        let payments = wiring.payments(provider, shop);
        let payments = payments
            .env("SANDBOX_PAYMENTS_SLOW_MS", LATE_MS)
            .env("SANDBOX_PAYMENTS_LOST_PERCENT", plan.lost_reports_percent)
            .env("SANDBOX_PAYMENTS_DOUBLED_PERCENT", 10)
            .env("SANDBOX_PAYMENTS_LATE_PERCENT", 10);
        let payments = payments.try_start().await?;
        let decide = wiring.clone();
        let worker = Program::start(move || decide.worker(worker, provider)).await?;
        // The worker has made the tables.
        seed(&postgres.pool())
            .await
            .context("put the products on the shelves")?;
        let public = edge.public;
        let catalog = Program::start(move || wiring.catalog(shop, public, provider)).await?;
        Ok(Self {
            catalog,
            worker,
            shop,
            provider,
            _payments: payments,
            edge,
            postgres,
            rabbit,
            _scratch: scratch,
        })
    }

    /// Passes for so many shoppers.
    pub async fn passes(&self, shoppers: u32) -> anyhow::Result<Vec<String>> {
        let crowd = crowd::join(&self.edge, shoppers, CLAIMING).await?;
        crowd::admit(&self.edge, crowd.places, CLAIMING).await
    }

    /// RabbitMQ, as the programs see it.
    pub fn broker(&self) -> anyhow::Result<Broker> {
        Ok(Broker::new(&self.rabbit.url(), Topology::new(""), "drill")?)
    }
}

async fn seed(pool: &PgPool) -> anyhow::Result<()> {
    for (product, units) in PRODUCTS {
        sqlx::query(
            "INSERT INTO products (id, name, price_minor, currency, hold_seconds) VALUES ($1, $1, $2, 'EUR', $3)",
        )
        .bind(product)
        .bind(PRICE_MINOR)
        .bind(HOLD_SECONDS)
        .execute(pool)
        .await?;
        sqlx::query("INSERT INTO stock (product_id, on_hand) VALUES ($1, $2)")
            .bind(product)
            .bind(units)
            .execute(pool)
            .await?;
    }
    pool.close().await;
    Ok(())
}
