//! A cluster of three servers.

use super::{DEAD_AFTER, READY_WITHIN, RedisServer};
use crate::{eventually, free_address};
use ::redis::cmd;
use std::process::Command;

/// Three masters that share the keys, each without a replica.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three servers, makes them a cluster, and waits until all agree that it is one.
    ///
    /// # Panics
    /// When they do not.
    pub async fn start() -> Self {
        let dead_after = DEAD_AFTER.as_millis();
        let mut servers = Vec::new();
        for _ in 0..3 {
            let peers = free_address().port();
            let settings = format!(
                "cluster-enabled yes\ncluster-port {peers}\ncluster-node-timeout {dead_after}\n\
                 appendonly yes\nappendfsync everysec"
            );
            servers.push(RedisServer::with(false, &settings).await);
        }
        let started = Self { servers };
        let addresses = started.servers.iter().map(|server| server.address().to_string());
        let mut create = Command::new("/usr/bin/redis-cli");
        create
            .args(["--cluster", "create"])
            .args(addresses)
            .arg("--cluster-yes");
        let created = create.output().expect("run redis-cli");
        assert!(
            created.status.success(),
            "{}",
            String::from_utf8_lossy(&created.stdout)
        );
        eventually(READY_WITHIN, "the cluster is whole", async || started.is_whole()).await;
        started
    }

    /// The address that programs take: two of the servers, which tell of the third.
    pub fn url(&self) -> String {
        format!(
            "redis-cluster://{},{}",
            self.servers[0].address(),
            self.servers[1].address()
        )
    }

    /// Whether every server says that every key is served.
    pub fn is_whole(&self) -> bool {
        let mut question = cmd("CLUSTER");
        question.arg("INFO");
        self.servers.iter().all(|server| {
            let told = server.ask::<String>(&question);
            told.is_ok_and(|told| told.contains("cluster_state:ok") && told.contains("cluster_known_nodes:3"))
        })
    }

    /// Its servers.
    pub fn servers(&mut self) -> &mut [RedisServer] {
        &mut self.servers
    }

    /// Moves the slot of `key`, with all its keys, to another server while programs go on.
    ///
    /// # Panics
    /// When the servers refuse.
    pub fn move_slot_of(&self, key: &str, to: usize) {
        let (from, to) = (&self.servers[self.holder_of(key)], &self.servers[to]);
        let mut hash = cmd("CLUSTER");
        let slot: u16 = from.ask(hash.arg("KEYSLOT").arg(key)).expect("know the slot");
        let name = |server: &RedisServer| {
            server
                .ask::<String>(cmd("CLUSTER").arg("MYID"))
                .expect("a server has a name")
        };
        let (from_name, to_name) = (name(from), name(to));
        let set = |server: &RedisServer, state: &str, other: &str| {
            let mut set = cmd("CLUSTER");
            set.arg("SETSLOT").arg(slot).arg(state).arg(other);
            server.ask::<()>(&set).expect("set the slot");
        };
        set(to, "IMPORTING", &from_name);
        set(from, "MIGRATING", &to_name);
        let mut list = cmd("CLUSTER");
        list.arg("GETKEYSINSLOT").arg(slot).arg(1_000);
        let keys: Vec<String> = from.ask(&list).expect("list the slot's keys");
        let mut migrate = cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(to.address().port())
            .arg("")
            .arg(0)
            .arg(5_000)
            .arg("KEYS")
            .arg(keys);
        from.ask::<()>(&migrate).expect("move the keys");
        for server in [to, from].into_iter().chain(&self.servers) {
            set(server, "NODE", &to_name);
        }
    }

    /// Which of the servers holds `key`.
    ///
    /// # Panics
    /// When none says so.
    pub fn holder_of(&self, key: &str) -> usize {
        let mut question = cmd("EXISTS");
        question.arg(key);
        let holds = |server: &RedisServer| server.ask::<bool>(&question).is_ok();
        self.servers
            .iter()
            .position(holds)
            .expect("a server holds the key")
    }
}
