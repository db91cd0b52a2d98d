//! The edge under load: a real process with one room.

use crate::{http, scratch::Scratch};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use testbed::{Process, RedisNamespace, free_address, within};

/// The room of every measurement.
pub const ROOM: &str = "demo";
const BINARY: &str = "waiting-room";
const KEYS: &str = "edge.keys";
/// How long a new line may take until it deals numbers.
const DEALS_WITHIN: Duration = Duration::from_secs(30);

/// What the edge is told.
pub struct EdgePlan<'a> {
    /// Where the line is kept; in the edge's own memory if not said.
    pub redis: Option<&'a RedisNamespace>,
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

/// A running edge.
pub struct Edge {
    _process: Process,
    /// Where shoppers come.
    pub public: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Edge {
    /// Starts one and waits until its line deals numbers.
    pub async fn start(scratch: &Scratch, plan: &EdgePlan<'_>) -> anyhow::Result<Self> {
        let (public, admin) = (free_address(), free_address());
        let token = STANDARD.encode(clock::random_bytes::<24>());
        let mut builder = Process::workspace(BINARY)
            .arg("--config")
            .arg(write_config(scratch, plan)?)
            .env("WAITING_ROOM_LISTEN", public)
            .env("WAITING_ROOM_ADMIN_LISTEN", admin)
            .env("WAITING_ROOM_ADMIN_TOKEN", &token)
            .env("WAITING_ROOM_KEYS_FILE", write_keys(scratch)?.display())
            .env("RUST_LOG", "warn")
            .ready_at(public, &format!("/.waiting-room/{ROOM}"));
        if let Some(redis) = plan.redis {
            builder = builder
                .env("WAITING_ROOM_REDIS_URL", redis.url())
                .env("WAITING_ROOM_NAMESPACE", redis.prefix());
        }
        let edge = Self {
            _process: builder.try_start().await?,
            public,
            admin,
            token,
        };
        edge.deals().await?;
        Ok(edge)
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

    /// A new line stands still at first, in case another edge remembers more of it.
    async fn deals(&self) -> anyhow::Result<()> {
        let deals = async || {
            let room = self.operate("GET", &format!("/rooms/{ROOM}"), "").await.ok()?;
            (room["recovering"] == false).then_some(())
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
