//! A shop of the test's own: fresh database, own names in RabbitMQ, an edge that signs passes, a sandbox provider,
//! and the real programs.

#![allow(dead_code, reason = "each test program uses its part of this")]

use axum::{Json, Router, routing::get};
use contract::{
    MEMBER_AUDIENCE, MEMBER_ISSUER, MemberClaims, MemberId, PASS_AUDIENCE, PASS_ISSUER, PassClaims, Role,
};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use mailbox::Mails;
use passes::{AccessKeys, PassKey, PassKeys};
use payments::webhooks::WebhookSecret;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use sandbox_payments::{App, Settings, Trouble};
use sealing::{BlindIndex, KeyRing, Place, parse_ring};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, process::Output, time::Duration};
use testbed::{
    BrokerNamespace, Database, MEMBER_SETTINGS, Process, ProcessBuilder, Wire, eventually_some, free_address,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Generous: other work may keep the machine busy.
pub const SOON: Duration = Duration::from_secs(20);
/// What the edge and the shop both know.
pub const EDGE_SECRET: &str = "known to the edge and the shop";
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const CARD_PAID: &str = "4242 4242 4242 4242";
const NEVER: u64 = u64::MAX / 1_000_000;

/// What stands around the shop's own process.
pub struct Surroundings {
    pub database: Database,
    pub broker: BrokerNamespace,
    /// The wire between catalog-api and RabbitMQ.
    pub amqp: Wire,
    pub provider: SocketAddr,
    pub api: SocketAddr,
    /// Where the first instance tells its metrics.
    pub metrics: SocketAddr,
    /// What the shop has written.
    pub mails: Mails,
    smtp: SocketAddr,
    keys: PassKeys,
    jwks: SocketAddr,
}

/// The shop. The order of the fields is the order of their end: programs before what they use.
pub struct TestShop {
    pub process: Process,
    pub worker: Option<Process>,
    pub around: Surroundings,
    pub http: reqwest::Client,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

// === impl TestShop ===

impl TestShop {
    /// A shop whose orders are never decided.
    pub async fn without_worker() -> Self {
        Self::among(Surroundings::new(Trouble::default()).await).await
    }

    /// A shop with a worker, and with a provider with which things go wrong.
    pub async fn with_trouble(trouble: Trouble) -> Self {
        let mut shop = Self::among(Surroundings::new(trouble).await).await;
        shop.worker = Some(shop.around.start_worker().await);
        shop
    }

    async fn among(around: Surroundings) -> Self {
        let process = around.start_api(around.api).await;
        process::install_tls();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self {
            around,
            process,
            worker: None,
            http: client.unwrap(),
        }
    }

    /// A shop with a worker.
    pub async fn open() -> Self {
        Self::with_trouble(Trouble::default()).await
    }

    /// Kills the shop's process without a chance to say goodbye, and starts it again.
    pub async fn restart(&mut self) {
        self.process.kill_9();
        self.process = self.around.start_api(self.around.api).await;
    }

    /// The same with another setting.
    pub async fn restart_with(&mut self, name: &str, value: &str) {
        self.process.kill_9();
        let program = self.around.api(self.around.api).env(name, value);
        self.process = program.start().await;
    }

    /// The same while the database is away: it lives, and is not ready.
    pub async fn restart_without_database(&mut self) {
        self.process.kill_9();
        let nowhere = format!("postgres://nobody@{}/none", free_address());
        let program = self.around.api(self.around.api).env("DATABASE_URL", nowhere);
        self.process = program.ready_at(self.around.api, "/livez").start().await;
    }

    /// Runs a command of the program to its end.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        self.command_with(arguments, "MAIL_FROM", setting("MAIL_FROM"))
            .await
    }

    /// The same with another setting.
    pub async fn command_with(&self, arguments: &[&str], name: &str, value: &str) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_catalog-api"));
        command
            .args(arguments)
            .envs(MEMBER_SETTINGS)
            .env("DATABASE_URL", self.around.database.url())
            .env(name, value);
        tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap()
    }

    /// Puts a product up for sale and waits until the shop knows it.
    pub async fn sells(&self, product: &str, stock: i64) {
        let seed = std::process::Command::new(env!("CARGO_BIN_EXE_catalog-api"))
            .env("DATABASE_URL", self.around.database.url())
            .args([
                "seed-demo",
                "--product",
                product,
                "--stock",
                &stock.to_string(),
                "--price",
                "5000",
            ])
            .output();
        let seed = seed.unwrap();
        assert!(seed.status.success(), "{}", String::from_utf8_lossy(&seed.stderr));
        let known = async || (self.available(product).await == Some(stock)).then_some(());
        eventually_some(SOON, "the product is known", known).await;
    }

    /// What the shop shows as left.
    pub async fn available(&self, product: &str) -> Option<i64> {
        let answer = self.get(&format!("/products/{product}")).await;
        answer.json()["stock"]["available"].as_i64()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.around.api))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// A request of somebody who was let in.
    pub fn by(&self, shopper: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .header("Waiting-Room-Pass", self.around.pass(shopper))
    }

    /// A well-formed order request.
    pub fn order(&self, shopper: &str, key: &str, product: &str, quantity: u32) -> RequestBuilder {
        let request = self.by(shopper, Method::POST, "/orders");
        request
            .header("Idempotency-Key", format!("\"{key}\""))
            .json(&lines(product, quantity))
    }

    /// Orders one unit and waits for the decision.
    pub async fn buy(&self, shopper: &str, key: &str, product: &str) -> Answer {
        send(self.order(shopper, key, product, 1).header("Prefer", "wait=20")).await
    }

    pub async fn order_of(&self, shopper: &str, order_id: &str) -> Answer {
        send(self.by(shopper, Method::GET, &format!("/orders/{order_id}"))).await
    }

    /// Asks where to pay for the order.
    pub async fn pay(&self, shopper: &str, order_id: &str) -> Answer {
        send(self.by(shopper, Method::POST, &format!("/orders/{order_id}/pay"))).await
    }

    /// Pays with this card where that answer says; answers how the provider sees the payment.
    pub async fn confirm(&self, pay: &Answer, card: &str) -> Value {
        let card = json!({ "card_number": card });
        let confirm = format!("{}/confirm", payment_of(pay));
        let confirmed = send(self.http.post(confirm).json(&card)).await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        confirmed.json()
    }

    /// How the provider sees the payment that this answer is about.
    pub async fn payment(&self, pay: &Answer) -> Value {
        send(self.http.get(payment_of(pay))).await.json()
    }

    /// Waits until the shopper's order is in `state`.
    pub async fn order_becomes(&self, shopper: &str, order_id: &str, state: &str) -> Value {
        eventually_some(SOON, &format!("the order is {state}"), async || {
            let order = self.order_of(shopper, order_id).await;
            (order.status == 200 && order.json()["state"] == state).then(|| order.json())
        })
        .await
    }

    /// How many rows a query counts.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(&self.around.database.pool().await)
            .await
            .unwrap()
    }
}

// === impl Surroundings ===

impl Surroundings {
    async fn new(trouble: Trouble) -> Self {
        let database = Database::fresh().await;
        let broker = BrokerNamespace::fresh();
        let topology = broker::Topology::new(broker.prefix());
        broker.own_queues(topology.queues());
        broker.own_exchanges(topology.exchanges());
        let (amqp, _) = Wire::to_url(broker.url());
        let keys = PassKeys::new(vec![PassKey::derive("1", b"the edge's master key").unwrap()]).unwrap();
        let jwks = publish(&keys).await;
        let api = free_address();
        let provider = sandbox(api, trouble).await;
        let mails = Mails::default();
        Self {
            database,
            broker,
            amqp,
            provider,
            api,
            metrics: free_address(),
            smtp: receive(mails.clone()).await,
            mails,
            keys,
            jwks,
        }
    }

    /// Starts catalog-api at `listen`; another instance of the same shop when that is another address.
    pub async fn start_api(&self, listen: SocketAddr) -> Process {
        self.api(listen).start().await
    }

    fn api(&self, listen: SocketAddr) -> ProcessBuilder {
        let mut program = Process::program("catalog-api", Path::new(env!("CARGO_BIN_EXE_catalog-api")));
        if listen == self.api {
            program = program.env("CATALOG_API_METRICS_LISTEN", self.metrics);
        }
        program
            .envs(MEMBER_SETTINGS)
            .env("WAITING_ROOM_ORIGIN_SECRET", EDGE_SECRET)
            .env("SMTP_URL", format!("smtp://{}", self.smtp))
            .env("DRAW_KEYS", "1 gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=")
            .env("CATALOG_API_LISTEN", listen)
            .env("DATABASE_URL", self.database.url())
            .env("AMQP_URL", self.amqp.url(self.broker.url()))
            .env("BROKER_PREFIX", self.broker.prefix())
            .env(
                "CATALOG_API_JWKS_URL",
                format!("http://{}/.well-known/jwks.json", self.jwks),
            )
            .env("CATALOG_API_PAYMENTS_URL", format!("http://{}", self.provider))
            .env("CATALOG_API_PUBLIC_URL", "http://shop.example")
            .env("PAYMENTS_WEBHOOK_SECRET", SECRET)
            .env("LOG_FORMAT", "text")
            .ready_at(listen, "/readyz")
    }

    pub async fn start_worker(&self) -> Process {
        let listen = free_address();
        Process::workspace("order-worker")
            .env("ORDER_WORKER_LISTEN", listen)
            .env("DATABASE_URL", self.database.url())
            .env("AMQP_URL", self.broker.url())
            .env("BROKER_PREFIX", self.broker.prefix())
            .env("ORDER_WORKER_PAYMENTS_URL", format!("http://{}", self.provider))
            .env("LOG_FORMAT", "text")
            .ready_at(listen, "/readyz")
            .start()
            .await
    }

    /// How many commands nobody has taken yet.
    pub async fn commands_waiting(&self) -> u32 {
        let connection = self.broker.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let look = QueueDeclareOptions {
            passive: true,
            durable: true,
            ..Default::default()
        };
        let mut waiting = 0;
        for queue in broker::Topology::new(self.broker.prefix()).order_queues() {
            let queue = channel
                .queue_declare(queue.into(), look, FieldTable::default())
                .await;
            waiting += queue.unwrap().message_count();
        }
        waiting
    }

    /// A pass whose session is the shopper's name.
    pub fn pass(&self, shopper: &str) -> String {
        self.pass_until(shopper, NEVER)
    }

    pub fn pass_until(&self, shopper: &str, exp: u64) -> String {
        let claims = PassClaims {
            iss: PASS_ISSUER.to_owned(),
            aud: PASS_AUDIENCE.to_owned(),
            room: "demo".to_owned(),
            epoch: 1,
            sid: shopper.to_owned(),
            sst: 1_790_000_000_000,
            iat: 1_790_000_000,
            exp,
        };
        self.keys.sign(&claims).unwrap()
    }
}

// === members, made past the sign-up ===

/// What a shop under test is told.
fn setting(name: &str) -> &'static str {
    MEMBER_SETTINGS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
}

impl Surroundings {
    /// Somebody with an account and this role, and an access token. The address is `<name>@x.example`; no password opens it.
    pub async fn member(&self, name: &str, role: Role) -> (MemberId, String) {
        let member = MemberId::new(1_790_000_000_000, clock::random_bytes());
        let keys = KeyRing::parse(setting("PERSONAL_DATA_KEYS")).unwrap();
        let index = BlindIndex::parse(setting("BLIND_INDEX_KEY")).unwrap();
        let email = format!("{name}@x.example");
        let sealed = |column, text: &str| {
            let place = Place {
                table: "members",
                row: member.as_uuid(),
                column,
            };
            keys.seal(place, text.as_bytes(), clock::random_bytes())
        };
        sqlx::query(
            "INSERT INTO members (id, role, email, email_index, name, password)
             VALUES ($1, $2, $3, $4, $5, 'none')",
        )
        .bind(member.as_uuid())
        .bind(role.as_str())
        .bind(sealed("email", &email))
        .bind(&index.of("email", email.as_bytes())[..])
        .bind(sealed("name", name))
        .execute(&self.database.pool().await)
        .await
        .unwrap();
        (member, self.token(member, role, NEVER))
    }

    /// An access token as the shop signs them.
    pub fn token(&self, member: MemberId, role: Role, exp: u64) -> String {
        let keys = AccessKeys::derive(&parse_ring(setting("MEMBER_TOKEN_KEYS")).unwrap()).unwrap();
        let claims = MemberClaims {
            iss: MEMBER_ISSUER.to_owned(),
            aud: MEMBER_AUDIENCE.to_owned(),
            sub: member.to_string(),
            sid: Uuid::from_bytes(clock::random_bytes()).to_string(),
            jti: "a test's".to_owned(),
            roles: role.and_lesser().collect(),
            iat: 1_790_000_000,
            exp,
        };
        keys.sign(&claims).unwrap()
    }
}

// === impl Answer ===

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The name of the problem, after checking that it is a problem document.
    pub fn problem(&self) -> String {
        let problem = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(
            problem["title"].is_string() && problem["detail"].is_string(),
            "{self:?}"
        );
        problem["type"]
            .as_str()
            .unwrap()
            .trim_start_matches("urn:problem:")
            .to_owned()
    }

    pub fn order_id(&self) -> String {
        self.json()["order_id"]
            .as_str()
            .unwrap_or_else(|| panic!("no order: {self:?}"))
            .to_owned()
    }
}

/// The provider's address of the payment.
fn payment_of(pay: &Answer) -> String {
    let url = pay.json()["checkout_url"].as_str().map(str::to_owned);
    url.unwrap_or_else(|| panic!("no checkout: {pay:?}"))
        .replace("/checkout/", "/v1/payments/")
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.timeout(Duration::from_secs(60)).send().await.unwrap();
    let (status, headers): (StatusCode, _) = (response.status(), response.headers().clone());
    Answer {
        status: status.as_u16(),
        headers,
        text: response.text().await.unwrap(),
    }
}

pub fn lines(product: &str, quantity: u32) -> Value {
    json!({ "lines": [{ "product_id": product, "quantity": quantity }] })
}

/// A mail server.
async fn receive(mails: Mails) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(mailbox::serve_smtp(listener, mails, CancellationToken::new()));
    address
}

async fn publish(keys: &PassKeys) -> SocketAddr {
    let jwks = Json(serde_json::to_value(keys.jwks()).unwrap());
    serve(Router::new().route("/.well-known/jwks.json", get(move || async { jwks }))).await
}

/// The sandbox provider, telling `api` what became of its payments.
async fn sandbox(api: SocketAddr, trouble: Trouble) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let settings = Settings {
        listen,
        public_url: format!("http://{listen}"),
        webhook_url: format!("http://{api}/webhooks/payments"),
        secret: WebhookSecret::parse(SECRET).unwrap(),
        slow: Duration::from_millis(500),
    };
    let app = sandbox_payments::router(App::with_trouble(settings, trouble).unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    listen
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
