//! A master with a replica, and sentinels that watch them.

use super::{DEAD_AFTER, READY_WITHIN, RedisServer};
use crate::eventually;
use ::redis::cmd;
use std::{collections::HashMap, net::SocketAddr};

/// What the sentinels call the master.
const MASTER: &str = "testbed";

/// A master, its replica, and three sentinels that watch them.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts all five, and waits until the sentinels know each other and the replica.
    ///
    /// # Panics
    /// When they do not.
    pub async fn start() -> Self {
        let master = RedisServer::start().await;
        let port = master.address().port();
        let replica = RedisServer::with(false, &format!("replicaof 127.0.0.1 {port}")).await;
        for server in [&master, &replica] {
            let mut faster = cmd("CONFIG");
            faster.arg("SET").arg("repl-diskless-sync-delay").arg(0);
            server.ask::<()>(&faster).expect("let no copy wait for another");
        }
        let watch = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {port} 2\nsentinel down-after-milliseconds {MASTER} {}\n\
             sentinel failover-timeout {MASTER} 5000",
            DEAD_AFTER.as_millis()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(RedisServer::with(true, &watch).await);
        }
        let started = Self {
            servers: [master, replica],
            sentinels,
        };
        eventually(
            READY_WITHIN,
            "the sentinels know each other and the replica",
            async || started.sentinels.iter().all(sees_everybody),
        )
        .await;
        started
    }

    /// The address that programs take: the sentinels, and what they call the master.
    pub fn url(&self) -> String {
        let sentinels = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.address().to_string());
        format!(
            "redis-sentinel://{}/{MASTER}",
            sentinels.collect::<Vec<_>>().join(",")
        )
    }

    /// The server that was started as the master, and the one that was started as its replica.
    pub fn servers(&mut self) -> &mut [RedisServer; 2] {
        &mut self.servers
    }

    /// Keeps what `master` (0 or 1) is told from now on from the other server, which stays a replica of it.
    ///
    /// # Panics
    /// When the servers refuse.
    pub async fn cut_replication(&self, master: usize) {
        let (master, replica) = (&self.servers[master], &self.servers[1 - master]);
        // A replica that reads on would find the last writes in its socket after the master's death: it is sent away
        // by the master instead, and cannot come back under this name.
        let mut stranger = cmd("CONFIG");
        stranger
            .arg("SET")
            .arg(&["masteruser", "stranger", "masterauth", "stranger"]);
        replica.ask::<()>(&stranger).expect("make the replica a stranger");
        let mut away = cmd("CLIENT");
        master
            .ask::<u64>(away.arg("KILL").arg("TYPE").arg("replica"))
            .expect("send the replica away");
        eventually(READY_WITHIN, "the replica is cut off", async || {
            let told = replica.ask::<String>(cmd("INFO").arg("replication"));
            told.is_ok_and(|told| told.contains("master_link_status:down"))
        })
        .await;
    }

    /// Lets a server that was [cut off](Self::cut_replication) be a replica again.
    ///
    /// # Panics
    /// When it refuses.
    pub fn heal_replication(&self, replica: usize) {
        let mut itself = cmd("CONFIG");
        itself.arg("SET").arg(&["masteruser", "", "masterauth", ""]);
        self.servers[replica]
            .ask::<()>(&itself)
            .expect("make it itself again");
    }

    /// Makes a server (0 or 1) deaf to the sentinels, who take it for dead, while it answers everybody else.
    ///
    /// # Panics
    /// When it refuses.
    pub fn hide_from_sentinels(&self, server: usize) {
        let mut deaf = cmd("ACL");
        deaf.arg("SETUSER")
            .arg(&["default", "-ping", "-slaveof", "-replicaof"]);
        self.servers[server]
            .ask::<()>(&deaf)
            .expect("take a server's ears");
    }

    /// Waits until `replica` (0 or 1) follows the other server and has all that it was told.
    ///
    /// # Panics
    /// When it does not.
    pub async fn caught_up(&self, replica: usize) {
        let (master, replica) = (&self.servers[1 - replica], &self.servers[replica]);
        let info = |server: &RedisServer| {
            server
                .ask::<String>(cmd("INFO").arg("replication"))
                .unwrap_or_default()
        };
        let field = |told: &str, name: &str| {
            let mut lines = told.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
        };
        eventually(READY_WITHIN, "the replica has caught up", async || {
            let (master, replica) = (info(master), info(replica));
            let written = field(&master, "master_repl_offset");
            field(&replica, "master_link_status").as_deref() == Some("up")
                && written.is_some()
                && field(&replica, "slave_repl_offset") == written
        })
        .await;
    }

    /// Whether all sentinels call the server at `address` the master.
    pub fn agree_on(&self, address: SocketAddr) -> bool {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(MASTER);
        self.sentinels.iter().all(|sentinel| {
            let named = sentinel.ask::<(String, u16)>(&question);
            named.is_ok_and(|(_, port)| port == address.port())
        })
    }
}

/// Whether a sentinel knows the other two, and the replica, which has a copy of everything.
fn sees_everybody(sentinel: &RedisServer) -> bool {
    let question = |about: &str| {
        let mut question = cmd("SENTINEL");
        question.arg(about).arg(MASTER);
        question
    };
    let has = |told: &HashMap<String, String>, name: &str, value: &str| {
        told.get(name).is_some_and(|is| is == value)
    };
    let master = sentinel.ask::<HashMap<String, String>>(&question("MASTER"));
    let replicas = sentinel.ask::<Vec<HashMap<String, String>>>(&question("REPLICAS"));
    master.is_ok_and(|master| has(&master, "num-other-sentinels", "2"))
        && replicas.is_ok_and(|all| all.len() == 1 && has(&all[0], "master-link-status", "ok"))
}
