//! The edge under load: a real process with one room.

use crate::{http, scratch::Scratch, shop::READY_PATH};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use testbed::{Process, ProcessBuilder, RedisNamespace, free_address, within};

/// The room of every measurement.
pub const ROOM: &str = "demo";
const BINARY: &str = "waiting-room";
const KEYS: &str = "edge.keys";
/// How long a new line may take until it deals numbers.
const DEALS_WITHIN: Duration = Duration::from_secs(30);

/// What the edge is told.
pub struct EdgePlan<'a> {
    /// Where the line is kept; in the edge's own memory if not said.
    pub store: Option<Store>,
    /// How many are let in a minute.
    pub users_per_minute: u32,
    /// How many are in at once.
    pub max_active: u32,
    /// What stands behind it.
    pub origin: SocketAddr,
    /// The path at which the origin says that it is well.
    pub health_path: &'a str,
    /// More of the room's table.
    pub room: &'a str,
}

impl EdgePlan<'_> {
    /// Lets everybody in at once to the shop at `origin`: for what comes after the line.
    pub fn of_shop(redis: &RedisNamespace, origin: SocketAddr) -> Self {
        Self {
            store: Some(Store::of(redis)),
            users_per_minute: 1_000_000,
            max_active: 1_000_000,
            origin,
            health_path: READY_PATH,
            room: "",
        }
    }
}

/// A Redis, and how the keys of a run begin.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its address, as programs take it.
    pub url: String,
    /// How every key begins.
    pub prefix: String,
}

impl Store {
    /// The Redis that all measurements share.
    pub fn of(redis: &RedisNamespace) -> Self {
        Self {
            url: redis.url().to_owned(),
            prefix: redis.prefix().to_owned(),
        }
    }
}

/// An edge: a process that runs, or one that was killed and can be started again.
pub struct Edge {
    process: Mutex<Option<Process>>,
    settings: Settings,
    /// Where shoppers come.
    pub public: SocketAddr,
    admin: SocketAddr,
    token: String,
}

/// What it takes to start the process once more.
struct Settings {
    config: PathBuf,
    keys: PathBuf,
    store: Option<Store>,
    environment: Vec<(String, String)>,
}

impl Edge {
    /// Starts one and waits until its line deals numbers.
    pub async fn start(scratch: &Scratch, plan: &EdgePlan<'_>) -> anyhow::Result<Self> {
        Self::start_in(scratch, plan, &[]).await
    }

    /// The same, with more in the environment of the process.
    pub async fn start_in(
        scratch: &Scratch,
        plan: &EdgePlan<'_>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let edge = Self {
            process: Mutex::default(),
            settings: Settings {
                config: write_config(scratch, plan)?,
                keys: write_keys(scratch)?,
                store: plan.store.clone(),
                environment: environment.iter().map(owned).collect(),
            },
            public: free_address(),
            admin: free_address(),
            token: STANDARD.encode(clock::random_bytes::<24>()),
        };
        edge.start_again().await?;
        edge.deals().await?;
        Ok(edge)
    }

    /// Starts the process, at the same addresses as before, and waits until it answers.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let process = self.builder().try_start().await?;
        *self.process() = Some(process);
        Ok(())
    }

    /// Kills the process, without a chance to say goodbye.
    pub fn kill_9(&self) {
        *self.process() = None;
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn pause(&self, paused: bool) {
        if let Some(process) = &*self.process() {
            if paused { process.pause() } else { process.resume() }
        }
    }

    /// What it wrote so far; nothing when it does not run.
    pub fn output(&self) -> String {
        self.process().as_ref().map(Process::output).unwrap_or_default()
    }

    /// The id of the process.
    pub fn id(&self) -> anyhow::Result<u32> {
        let process = self.process();
        Ok(process.as_ref().context("the edge does not run")?.id())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn builder(&self) -> ProcessBuilder {
        let settings = &self.settings;
        let mut builder = Process::workspace(BINARY)
            .arg("--config")
            .arg(&settings.config)
            .env("WAITING_ROOM_LISTEN", self.public)
            .env("WAITING_ROOM_ADMIN_LISTEN", self.admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", &self.token)
            .env("WAITING_ROOM_KEYS_FILE", settings.keys.display())
            .env("RUST_LOG", "warn")
            .ready_at(self.public, &format!("/.waiting-room/{ROOM}"));
        if let Some(store) = &settings.store {
            builder = builder
                .env("WAITING_ROOM_REDIS_URL", &store.url)
                .env("WAITING_ROOM_NAMESPACE", &store.prefix);
        }
        for (name, value) in &settings.environment {
            builder = builder.env(name, value);
        }
        builder
    }

    /// The bytes of a request to the room.
    pub fn room_request(&self, method: &str, path: &str, ticket: Option<&str>) -> Vec<u8> {
        let path = format!("/.waiting-room/{ROOM}{path}");
        let headers = ticket.map(|ticket| ("Waiting-Room-Ticket", ticket));
        http::request(method, self.public, &path, headers.as_slice(), "")
    }

    /// Asks the operators' API.
    pub async fn operate(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let bearer = format!("Bearer {}", self.token);
        let request = http::request(method, self.admin, path, &[("Authorization", &bearer)], body);
        let mut connection = http::Connection::open(self.admin).await?;
        let answer = connection.exchange(&request).await?;
        match answer.status {
            204 => Ok(Value::Null),
            _ => answer.json(&[200]).with_context(|| format!("{method} {path}")),
        }
    }

    /// Waits until the line deals numbers: a new one stands still at first, in case another edge remembers more of it.
    pub async fn deals(&self) -> anyhow::Result<()> {
        let deals = async || {
            let room = self.operate("GET", &format!("/rooms/{ROOM}"), "").await.ok()?;
            (room["recovering"] == false && room["store_silent"] == false).then_some(())
        };
        within(DEALS_WITHIN, deals)
            .await
            .context("the line deals no numbers")
    }
}

fn write_config(scratch: &Scratch, plan: &EdgePlan<'_>) -> anyhow::Result<PathBuf> {
    let text = format!(
        r#"[[origin]]
name = "shop"
addresses = ["http://{}"]
health_path = "{}"

[[room]]
id = "{ROOM}"
users_per_minute = {}
max_active = {}
{}"#,
        plan.origin, plan.health_path, plan.users_per_minute, plan.max_active, plan.room
    );
    scratch.write("waiting-room.toml", text)
}

/// Edges that share a folder share their keys.
fn write_keys(scratch: &Scratch) -> anyhow::Result<PathBuf> {
    let written = scratch.path().join(KEYS);
    if written.is_file() {
        return Ok(written);
    }
    let key = STANDARD.encode(clock::random_bytes::<32>());
    scratch.write(KEYS, format!("1 {key}\n"))
}
