//! An edge to test: the program, an origin that tells what it was asked, and shoppers.

use axum::{Json, Router, extract::Request, http::HeaderMap, response::IntoResponse};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use testbed::{Process, ProcessBuilder, eventually, free_address};
use tokio::net::TcpListener;

pub const SOON: Duration = Duration::from_secs(15);
pub const TOKEN: &str = "the-operators-token";

/// A running edge.
pub struct Edge {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub process: Process,
    http: Client,
}

impl Edge {
    /// An edge in front of `origin` with one room, `default`, kept in memory.
    pub async fn in_front_of(origin: SocketAddr, users_per_minute: u32, max_active: u32) -> Self {
        let arguments = [
            "--origin".to_owned(),
            format!("http://{origin}"),
            "--users-per-minute".to_owned(),
            users_per_minute.to_string(),
            "--max-active".to_owned(),
            max_active.to_string(),
        ];
        Self::start(program().args(arguments)).await
    }

    /// An edge with this config.
    pub async fn with_config(config: &ConfigFile) -> Self {
        Self::start(program().arg("--config").arg(config.path())).await
    }

    /// An edge with these arguments.
    pub async fn start(program: ProcessBuilder) -> Self {
        let (address, admin) = (free_address(), free_address());
        let process = program
            .env("WAITING_ROOM_LISTEN", address)
            .env("WAITING_ROOM_ADMIN_LISTEN", admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", TOKEN)
            .env("LOG_FORMAT", "text")
            .ready_at(admin, "/readyz")
            .start()
            .await;
        let edge = Self {
            address,
            admin,
            process,
            http: client(),
        };
        // The operators' listener is up a moment before the shoppers'.
        eventually(SOON, "the edge listens", async || {
            edge.get("/.waiting-room/none").send().await.is_ok()
        })
        .await;
        edge
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    /// What everybody can read there.
    pub async fn read(&self, path: &str) -> Value {
        self.get(path).send().await.unwrap().json().await.unwrap()
    }

    /// A browser's first look, without cookies.
    pub async fn visit(&self, path: &str) -> Response {
        self.get(path).header("Accept", "text/html").send().await.unwrap()
    }

    /// Joins by API and answers the ticket and the place.
    pub async fn join(&self, room: &str) -> (String, Value) {
        let answer = self
            .post(&format!("/.waiting-room/{room}/join"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let place: Value = answer.json().await.unwrap();
        (place["ticket"].as_str().unwrap().to_owned(), place)
    }

    pub async fn status(&self, room: &str, ticket: &str) -> Value {
        let poll = self
            .get(&format!("/.waiting-room/{room}/status"))
            .header("Waiting-Room-Ticket", ticket);
        let answer = poll.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// Claims once the turn has come, and answers the pass.
    pub async fn claim(&self, room: &str, ticket: &str) -> String {
        let called = async || self.status(room, ticket).await["state"] == "called";
        eventually(SOON, "the ticket is called", called).await;
        let claim = self
            .post(&format!("/.waiting-room/{room}/claim"))
            .header("Waiting-Room-Ticket", ticket);
        let answer = claim.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()["pass"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Asks the origin for its echo with a pass.
    pub async fn with_pass(&self, path: &str, pass: &str) -> Response {
        self.get(path)
            .header("Waiting-Room-Pass", pass)
            .send()
            .await
            .unwrap()
    }

    pub fn operate(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.admin))
            .bearer_auth(TOKEN)
    }

    /// What it measures, as Prometheus reads it.
    pub async fn metrics(&self) -> String {
        let answer = self.operate(Method::GET, "/metrics").send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// One line of it: `name` with its labels, if it has any.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.metrics().await;
        let mut values = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next().map(|value| value.parse().unwrap())
    }

    pub async fn numbers(&self, room: &str) -> Value {
        self.operate(Method::GET, &format!("/rooms/{room}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

/// The program, without arguments.
pub fn program() -> ProcessBuilder {
    Process::program("waiting-room", Path::new(env!("CARGO_BIN_EXE_waiting-room")))
}

/// A client that keeps no cookies and follows nothing.
pub fn client() -> Client {
    process::install_tls();
    Client::builder()
        .redirect(Policy::none())
        .timeout(SOON)
        .build()
        .unwrap()
}

/// An origin that answers what it was asked; `/end` ends the session, `/slow` takes its time.
pub async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve_origin(listener);
    address
}

pub fn serve_origin(listener: TcpListener) {
    let router = Router::new()
        .route(
            "/end",
            axum::routing::get(async || ([("Waiting-Room-Session", "end")], "goodbye")),
        )
        .fallback(echo);
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn echo(request: Request) -> impl IntoResponse {
    let text = |headers: &HeaderMap| -> Value {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or("?"))));
        Value::Object(pairs.collect())
    };
    Json(json!({ "origin": true, "path": request.uri().to_string(), "headers": text(request.headers()) }))
}

/// A config file that is removed with this value.
pub struct ConfigFile(PathBuf);

impl ConfigFile {
    pub fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("waiting-room-{}-{count}.toml", std::process::id()));
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
