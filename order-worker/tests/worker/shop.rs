//! A shop for one test: a database, queues, products, and short ways to order.

use broker::{Broker, EventSubscription, News, Publisher, Topology};
use contract::{
    CancelOrder, Command, Currency, Envelope, Event, Money, OrderId, PlaceOrder, ProductId, RefundOrder,
    RequestReturn, RequestedLine, SettlePayment, Settlement, ShopperId, StartPayment,
};
use futures::{StreamExt, stream};
use order_domain::terms::Terms;
use order_worker::store::Store;
use sqlx::{PgPool, query, query_as, query_scalar};
use std::{collections::HashMap, net::SocketAddr, time::Duration};
use testbed::{BrokerNamespace, Database, Process, ProcessBuilder, eventually, free_address};
use uuid::Uuid;

/// Long enough for a machine that compiles beside the tests.
pub const SOON: Duration = Duration::from_secs(60);
pub const PRICE: i64 = 100;
pub const WEBHOOK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub struct Shop {
    pub database: Database,
    pub pool: PgPool,
    pub namespace: BrokerNamespace,
    pub topology: Topology,
    pub publisher: Publisher,
}

impl Shop {
    /// Products `p0`, `p1`, … with so many units each.
    pub async fn open(units: &[i64]) -> Self {
        let (database, namespace) = (Database::fresh().await, BrokerNamespace::fresh());
        let pool = database.pool().await;
        let topology = Topology::new(&format!("{}.", namespace.prefix()));
        namespace.own_queues(topology.queues());
        namespace.own_exchanges(topology.exchanges());
        let publisher = Publisher::start(&Broker::new(namespace.url(), topology.clone(), "test").unwrap());
        for (number, on_hand) in units.iter().enumerate() {
            query("INSERT INTO products (id, name, price_minor, currency) VALUES ($1, $1, $2, 'EUR')")
                .bind(format!("p{number}"))
                .bind(PRICE)
                .execute(&pool)
                .await
                .unwrap();
            query("INSERT INTO stock (product_id, on_hand) VALUES ($1, $2)")
                .bind(format!("p{number}"))
                .bind(on_hand)
                .execute(&pool)
                .await
                .unwrap();
        }
        Self {
            database,
            pool,
            namespace,
            topology,
            publisher,
        }
    }

    pub fn store(&self) -> Store {
        Store::new(self.pool.clone(), Terms::default())
    }

    pub fn broker(&self) -> Broker {
        Broker::new(self.namespace.url(), self.topology.clone(), "test").unwrap()
    }

    /// The real program, ready.
    pub async fn worker(&self) -> Process {
        let (worker, listen) = self.worker_at(self.namespace.url(), self.database.url());
        worker.ready_at(listen, "/readyz").start().await
    }

    /// The real program, with these ways to the servers.
    pub fn worker_at(&self, amqp_url: &str, database_url: &str) -> (ProcessBuilder, SocketAddr) {
        let listen = free_address();
        let worker = Process::workspace("order-worker")
            .env("AMQP_URL", amqp_url)
            .env("DATABASE_URL", database_url)
            .env("BROKER_PREFIX", format!("{}.", self.namespace.prefix()))
            .env("ORDER_WORKER_LISTEN", listen)
            .env("LOG_FORMAT", "text");
        (worker, listen)
    }

    /// Runs a command of the program to its end; answers what it said.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let program = Process::workspace("order-worker")
            .args(arguments)
            .env("AMQP_URL", self.namespace.url())
            .env("DATABASE_URL", self.database.url())
            .env("BROKER_PREFIX", format!("{}.", self.namespace.prefix()))
            .env("ORDER_WORKER_WEBHOOK_KEY", WEBHOOK_KEY);
        let mut process = program.start().await;
        eventually(SOON, "the program ends", async || !process.is_running()).await;
        process.output()
    }

    /// A subscription that is established.
    pub async fn listen(&self) -> EventSubscription {
        let mut events = EventSubscription::new(&self.broker());
        assert_eq!(events.next().await, News::Subscribed);
        events
    }

    /// Publishes these orders of one `p0` each, many at once; answers which were confirmed.
    pub async fn place(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
        place_through(&self.publisher, numbers).await
    }

    pub async fn send(&self, command: Command) {
        self.publisher
            .publish(&envelope(command))
            .await
            .expect("publish a command");
    }

    /// Orders by state.
    pub async fn states(&self) -> HashMap<String, i64> {
        let rows: Vec<(String, i64)> = query_as("SELECT state, count(*) FROM orders GROUP BY state")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    pub async fn state(&self, number: u32) -> Option<String> {
        let state = query_scalar("SELECT state FROM orders WHERE id = $1").bind(order_id(number).as_uuid());
        state.fetch_optional(&self.pool).await.unwrap()
    }

    pub async fn decided(&self) -> i64 {
        query_scalar("SELECT count(*) FROM orders")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// On hand, held and sold of `p0`.
    pub async fn units(&self) -> (i64, i64, i64) {
        let row = query_as("SELECT on_hand, held, sold FROM stock WHERE product_id = 'p0'");
        row.fetch_one(&self.pool).await.unwrap()
    }

    pub async fn until_decided(&self, orders: usize) {
        let all = i64::try_from(orders).unwrap();
        eventually(SOON, "every order is decided", async || {
            self.decided().await >= all
        })
        .await;
    }

    pub async fn until_state(&self, number: u32, state: &str) {
        eventually(SOON, state, async || {
            self.state(number).await.as_deref() == Some(state)
        })
        .await;
    }

    pub async fn until_told(&self) {
        let outbox = || query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&self.pool);
        eventually(SOON, "the outbox is empty", async || outbox().await.unwrap() == 0).await;
    }

    async fn undecided(&self, orders: &[u32]) -> Vec<Uuid> {
        let orders: Vec<Uuid> = orders.iter().map(|number| order_id(*number).as_uuid()).collect();
        let undecided = "SELECT id FROM unnest($1::uuid[]) AS id EXCEPT SELECT id FROM orders";
        query_scalar(undecided)
            .bind(orders)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Every confirmed order has its one decision, every unit is accounted for, and everything was told.
    pub async fn check(&self, confirmed: &[u32], held: i64) {
        // Not by their number: an order whose confirm was lost may be decided as well.
        eventually(SOON, "every confirmed order is decided", async || {
            self.undecided(confirmed).await.is_empty()
        })
        .await;
        assert_eq!(self.states().await.get("held").copied().unwrap_or(0), held);
        assert_eq!(self.units().await.1, held);
        assert_eq!(self.store().mismatches().await.unwrap(), []);
        self.until_told().await;
    }
}

pub async fn place_through(publisher: &Publisher, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let publish = async |number| {
        let confirmed = publisher
            .publish(&envelope(place(number, &[("p0", 1)])))
            .await
            .is_ok();
        confirmed.then_some(number)
    };
    stream::iter(numbers)
        .map(publish)
        .buffer_unordered(100)
        .filter_map(async |number| number)
        .collect()
        .await
}

/// The next event of an order, as its number is.
pub async fn next_order_event(events: &mut EventSubscription) -> contract::OrderView {
    let next = async {
        loop {
            if let News::Event(event) = events.next().await
                && let Event::OrderChanged(changed) = *event
            {
                return changed.order;
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("an event")
}

pub fn order_id(number: u32) -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(number.into()))
}

pub fn eur(minor: i64) -> Money {
    Money::new(minor, "EUR".parse::<Currency>().unwrap())
}

pub fn envelope(command: Command) -> Envelope {
    let product = match &command {
        Command::PlaceOrder(place) => place.lines.first().map(|line| line.product_id.clone()),
        _ => None,
    };
    let routed_by: ProductId = product.unwrap_or_else(|| "p0".parse().unwrap());
    Envelope {
        message_id: Uuid::from_bytes(clock::random_bytes()),
        routed_by,
        command,
    }
}

pub fn place(number: u32, lines: &[(&str, u32)]) -> Command {
    let line = |(product, quantity): &(&str, u32)| RequestedLine {
        product_id: product.parse().unwrap(),
        quantity: *quantity,
        seen_price: None,
    };
    Command::PlaceOrder(PlaceOrder {
        order_id: order_id(number),
        shopper: shopper(number),
        fingerprint: "f".repeat(64),
        lines: lines.iter().map(line).collect(),
        accepted_at_unix_ms: clock::Clock::unix_ms(&clock::SystemClock),
        address: None,
    })
}

pub fn cancel(number: u32) -> Command {
    Command::CancelOrder(CancelOrder {
        order_id: order_id(number),
        shopper: shopper(number),
    })
}

pub fn captured(number: u32, event: &str, amount: i64) -> Command {
    Command::SettlePayment(SettlePayment {
        order_id: order_id(number),
        event_id: event.to_owned(),
        payment_reference: format!("payment-of-{event}"),
        settlement: Settlement::Captured { amount: eur(amount) },
    })
}

pub fn started(number: u32, payment: &str) -> Command {
    Command::StartPayment(StartPayment {
        order_id: order_id(number),
        payment_reference: payment.to_owned(),
    })
}

pub fn send_back(number: u32) -> Command {
    Command::RequestReturn(RequestReturn {
        order_id: order_id(number),
        shopper: shopper(number),
    })
}

pub fn refund(number: u32, refund: u128, amount: i64) -> Command {
    Command::RefundOrder(RefundOrder {
        order_id: order_id(number),
        refund_id: Uuid::from_u128(refund),
        amount: eur(amount),
    })
}

/// The same order, of another shopper.
pub fn by(shopper_number: u32, command: Command) -> Command {
    match command {
        Command::PlaceOrder(place) => Command::PlaceOrder(PlaceOrder {
            shopper: shopper(shopper_number),
            ..place
        }),
        other => other,
    }
}

pub fn shopper(number: u32) -> ShopperId {
    ShopperId::of_session(&number.to_string())
}
