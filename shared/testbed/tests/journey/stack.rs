//! All programs of the product on free ports, with a copy of the servers of their own, and shoppers.

use mailbox::Mails;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use testbed::{
    BrokerNamespace, Database, MEMBER_SETTINGS, Process, ProcessBuilder, RedisNamespace, eventually,
    eventually_some, free_address,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub const SOON: Duration = Duration::from_secs(20);
pub const PAID: &str = "4242 4242 4242 4242";
pub const DECLINED: &str = "4000 0000 0000 0002";
const TOKEN: &str = "the-operators-token";
const KEYS: &str = "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub struct Stack {
    edge: SocketAddr,
    admin: SocketAddr,
    http: Client,
    // In the order of their end: programs first, then what they use.
    _programs: Vec<Process>,
    database: Database,
    _broker: BrokerNamespace,
    _redis: RedisNamespace,
    config: PathBuf,
    mails: Mails,
}

impl Stack {
    /// The product with `stock` units of one product, behind a room that holds one shopper at a time.
    pub async fn start(stock: u32) -> Self {
        process::install_tls();
        let (database, broker, redis) = (
            Database::fresh().await,
            BrokerNamespace::fresh(),
            RedisNamespace::fresh(),
        );
        let topology = broker::Topology::new(broker.prefix());
        broker.own_queues(topology.queues());
        broker.own_exchanges(topology.exchanges());
        let [edge, admin, shop, worker, payments] = [(); 5].map(|()| free_address());
        let (metrics, mails) = (free_address(), Mails::default());
        let config = config(shop, metrics);
        let wiring = Wiring {
            edge,
            admin,
            shop,
            metrics,
            worker,
            payments,
            database: &database,
            broker: &broker,
            redis: &redis,
            smtp: receive(mails.clone()).await,
        };
        wiring.prepare(stock).await;
        // Each as soon as it can be: the worker and the shop need the others to be ready themselves.
        let programs = vec![
            wiring.edge(&config).start().await,
            wiring.payments().start().await,
            wiring.worker().start().await,
            wiring.shop().start().await,
        ];
        let http = Client::builder().timeout(SOON).build().unwrap();
        Self {
            edge,
            admin,
            http,
            _programs: programs,
            database,
            _broker: broker,
            _redis: redis,
            config,
            mails,
        }
    }

    /// An operator sets new limits.
    pub async fn operate(&self, limits: Value) {
        let address = format!("http://{}/rooms/demo/limits", self.admin);
        let change = self.http.patch(address).bearer_auth(TOKEN).json(&limits);
        assert_eq!(change.send().await.unwrap().status(), 204);
    }

    /// A request past the waiting room.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.edge))
    }

    /// Somebody signs up, through the edge, with the code from the mail. Answers the access token.
    pub async fn signs_up(&self, name: &str) -> String {
        let email = format!("{name}@x.example");
        let body = json!({ "email": email, "password": "correct horse battery", "name": name });
        let begun = async || read(self.request(Method::POST, "/members").json(&body)).await;
        // The edge was there before the shop, and has seen it unwell.
        let (status, begun) = eventually_some(SOON, "a sign-up begins", async || {
            let (status, body) = begun().await;
            (status < 500).then_some((status, body))
        })
        .await;
        assert_eq!(status, 202, "{begun}");
        let code = eventually_some(SOON, "the code comes", async || {
            let mails = self.mails.to(Some(&email));
            mails
                .first()
                .and_then(|mail| Some(mail.subject.rsplit_once(": ")?.1.to_owned()))
        })
        .await;
        let verify = json!({ "sign_up": begun["sign_up"], "code": code });
        let (status, session) = read(self.request(Method::POST, "/members/verify").json(&verify)).await;
        assert_eq!(status, 201, "{session}");
        session["access_token"].as_str().unwrap().to_owned()
    }

    /// Units on hand, held and sold, as the database has them.
    pub async fn stock(&self) -> (i64, i64, i64) {
        let query = sqlx::query_as("SELECT on_hand, held, sold FROM stock WHERE product_id = 'sneaker'");
        query.fetch_one(&self.database.pool().await).await.unwrap()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.config);
    }
}

/// Who listens where, and on which copy of the servers.
struct Wiring<'a> {
    edge: SocketAddr,
    admin: SocketAddr,
    shop: SocketAddr,
    metrics: SocketAddr,
    worker: SocketAddr,
    payments: SocketAddr,
    database: &'a Database,
    broker: &'a BrokerNamespace,
    redis: &'a RedisNamespace,
    smtp: SocketAddr,
}

impl Wiring<'_> {
    async fn prepare(&self, stock: u32) {
        let seed = ["seed-demo", "--product", "sneaker", "--stock", &stock.to_string()];
        for command in [&["migrate"][..], &seed] {
            let command = Process::workspace("catalog-api").args(command);
            let mut done = command.env("DATABASE_URL", self.database.url()).start().await;
            eventually(SOON, "the database is prepared", async || !done.is_running()).await;
        }
    }

    fn edge(&self, config: &Path) -> ProcessBuilder {
        Process::workspace("waiting-room")
            .arg("--config")
            .arg(config)
            .env("WAITING_ROOM_LISTEN", self.edge)
            .env("WAITING_ROOM_ADMIN_LISTEN", self.admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", TOKEN)
            .env("WAITING_ROOM_KEYS", KEYS)
            .env("WAITING_ROOM_REDIS_URL", self.redis.url())
            .env("WAITING_ROOM_NAMESPACE", self.redis.prefix())
            .ready_at(self.edge, "/.well-known/jwks.json")
    }

    fn payments(&self) -> ProcessBuilder {
        Process::workspace("sandbox-payments")
            .env("SANDBOX_PAYMENTS_LISTEN", self.payments)
            .env(
                "SANDBOX_PAYMENTS_WEBHOOK_URL",
                format!("http://{}/webhooks/payments", self.shop),
            )
            .env("PAYMENTS_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .ready_at(self.payments, "/readyz")
    }

    fn worker(&self) -> ProcessBuilder {
        self.on_stores("order-worker")
            .env("ORDER_WORKER_LISTEN", self.worker)
            .env("ORDER_WORKER_PAYMENTS_URL", format!("http://{}", self.payments))
            .ready_at(self.worker, "/readyz")
    }

    fn shop(&self) -> ProcessBuilder {
        self.on_stores("catalog-api")
            .envs(MEMBER_SETTINGS)
            .env("CATALOG_API_LISTEN", self.shop)
            .env("CATALOG_API_METRICS_LISTEN", self.metrics)
            .env("SMTP_URL", format!("smtp://{}", self.smtp))
            .env(
                "CATALOG_API_JWKS_URL",
                format!("http://{}/.well-known/jwks.json", self.edge),
            )
            .env("CATALOG_API_PAYMENTS_URL", format!("http://{}", self.payments))
            .env("CATALOG_API_PUBLIC_URL", format!("http://{}", self.edge))
            .env("PAYMENTS_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .ready_at(self.shop, "/readyz")
    }

    fn on_stores(&self, program: &str) -> ProcessBuilder {
        Process::workspace(program)
            .env("DATABASE_URL", self.database.url())
            .env("AMQP_URL", self.broker.url())
            .env("BROKER_PREFIX", self.broker.prefix())
    }
}

/// A mail server.
async fn receive(mails: Mails) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(mailbox::serve_smtp(listener, mails, CancellationToken::new()));
    address
}

fn config(shop: SocketAddr, metrics: SocketAddr) -> PathBuf {
    let path = std::env::temp_dir().join(format!("journey-{}-{}.toml", std::process::id(), shop.port()));
    let text = format!(
        "[[origin]]\nname = \"shop\"\naddresses = [\"http://{shop}\"]\nhealth_path = \"/livez\"\n\
         [[issuer]]\nname = \"members\"\nissuer = \"catalog-api\"\naudience = \"shop\"\n\
         jwks_url = \"http://{shop}/members/jwks.json\"\nrevocations_url = \"http://{metrics}/revocations\"\n\
         token = \"bearer or member-access\"\nsign_in_url = \"/sign-in\"\n\
         [[access]]\npath = \"/\"\nrequire = \"optional\"\n\
         [[access]]\npath = \"/members/me\"\n\
         [[room]]\nid = \"demo\"\nusers_per_minute = 6000\nmax_active = 1\n\
         signals = {{ urls = [\"http://{metrics}/signals\"] }}\n\
         stock = {{ product = \"sneaker\", orders = \"/orders\" }}\n\
         [[room.bypass]]\nname = \"members\"\npath = \"/members\"\n"
    );
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path
}

/// Somebody with a ticket, and a pass once let in.
pub struct Shopper<'a> {
    stack: &'a Stack,
    ticket: String,
    pass: Option<String>,
}

impl<'a> Shopper<'a> {
    pub async fn joins(stack: &'a Stack) -> Self {
        let mut shopper = Self {
            stack,
            ticket: String::new(),
            pass: None,
        };
        let joined = shopper
            .request(Method::POST, "/.waiting-room/demo/join")
            .send()
            .await
            .unwrap();
        assert_eq!(joined.status(), 201);
        joined.json::<Value>().await.unwrap()["ticket"]
            .as_str()
            .unwrap()
            .clone_into(&mut shopper.ticket);
        shopper
    }

    pub async fn place(&self) -> Value {
        self.get("/.waiting-room/demo/status").await.1
    }

    pub async fn claim(&self) -> Response {
        self.request(Method::POST, "/.waiting-room/demo/claim")
            .send()
            .await
            .unwrap()
    }

    /// Waits for the turn and comes in.
    pub async fn comes_in(mut self) -> Self {
        eventually(SOON, "the turn comes", async || {
            self.place().await["state"] == "called"
        })
        .await;
        let claimed = self.claim().await;
        assert_eq!(claimed.status(), 200);
        let claimed: Value = claimed.json().await.unwrap();
        self.pass = claimed["pass"].as_str().map(str::to_owned);
        self
    }

    pub async fn leaves(&self) {
        assert_eq!(
            self.request(Method::POST, "/.waiting-room/demo/leave")
                .send()
                .await
                .unwrap()
                .status(),
            204
        );
    }

    /// How many units the shop shows as left.
    pub async fn left(&self) -> i64 {
        self.get("/products/sneaker").await.1["stock"]["available"]
            .as_i64()
            .unwrap()
    }

    /// Orders one unit and waits for the decision.
    pub async fn order(&self, key: &str) -> (u16, Value) {
        read(self.order_request(key)).await
    }

    /// The same, as a page does it that sends the key for the first time.
    pub async fn first_order(&self, key: &str) -> (u16, Value) {
        read(self.order_request(key).header("Waiting-Room-First-Try", "?1")).await
    }

    fn order_request(&self, key: &str) -> RequestBuilder {
        let order = json!({ "lines": [{ "product_id": "sneaker", "quantity": 1 }] });
        let request = self.request(Method::POST, "/orders").json(&order);
        request
            .header("Idempotency-Key", format!("\"{key}\""))
            .header("Prefer", "wait=15")
    }

    pub async fn cancels(&self, order: &str) {
        let request = self.request(Method::POST, &format!("/orders/{order}/cancel"));
        let (status, order) = read(request.header("Prefer", "wait=15")).await;
        assert_eq!((status, &order["state"]), (200, &"cancelled".into()), "{order}");
    }

    pub async fn pays(&self, order: &str, card: &str) {
        let (status, checkout) = read(self.request(Method::POST, &format!("/orders/{order}/pay"))).await;
        assert_eq!(status, 200, "{checkout}");
        let page = checkout["checkout_url"].as_str().unwrap();
        let address = page.replace("/checkout/", "/v1/payments/") + "/confirm";
        let confirmed = self
            .stack
            .http
            .post(address)
            .json(&json!({ "card_number": card }))
            .send()
            .await
            .unwrap();
        assert_eq!(confirmed.status(), 200);
    }

    pub async fn order_becomes(&self, order: &str, state: &str) {
        let path = format!("/orders/{order}");
        eventually(SOON, &format!("the order is {state}"), async || {
            self.get(&path).await.1["state"] == state
        })
        .await;
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .stack
            .http
            .request(method, format!("http://{}{path}", self.stack.edge));
        let request = request.header("Waiting-Room-Ticket", &self.ticket);
        self.pass
            .iter()
            .fold(request, |request, pass| request.header("Waiting-Room-Pass", pass))
    }
}

pub async fn read(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}
