//! Redis servers of a test's own: one, a master with a replica and sentinels, a cluster. They can be killed, paused,
//! started again, and put back to what they had on disk earlier.

use crate::{Process, eventually, free_address, name};
use ::redis::{Client, Cmd, FromRedisValue, RedisResult, cmd};
use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long servers may take to find each other: generous, because the machine may be compiling.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A server that is silent for this long counts as dead to sentinels and to the other servers of a cluster.
const DEAD_AFTER: Duration = Duration::from_millis(1_000);
/// What the sentinels call the master.
const MASTER: &str = "testbed";
const CONFIG: &str = "redis.conf";

/// A server of a test's own, with a folder of its own. Both are gone when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    folder: Folder,
    is_sentinel: bool,
    process: Option<Process>,
}

/// A master, its replica, and three sentinels that watch them.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

/// Three masters that share the keys, each without a replica.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

/// What a server had on disk.
#[derive(Debug)]
pub struct DiskCopy(Folder);

/// A folder that is removed with this value.
#[derive(Debug)]
struct Folder(PathBuf);

// === impl RedisServer ===

impl RedisServer {
    /// Starts a server that forgets everything when it ends.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start() -> Self {
        Self::with(false, "").await
    }

    /// Starts a server that keeps what it is told in an append-only file, brought to disk once a second.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn durable() -> Self {
        Self::with(false, "appendonly yes\nappendfsync everysec").await
    }

    async fn with(is_sentinel: bool, settings: &str) -> Self {
        let (address, folder) = (free_address(), Folder::fresh());
        let common = format!(
            "port {}\nbind 127.0.0.1\ndir {}",
            address.port(),
            folder.0.display()
        );
        let forget = if is_sentinel { "" } else { "save \"\"" };
        fs::write(folder.0.join(CONFIG), format!("{common}\n{forget}\n{settings}\n"))
            .expect("write a config");
        let mut server = Self {
            address,
            folder,
            is_sentinel,
            process: None,
        };
        server.start_again().await;
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, as programs take it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Starts it (again, after it was killed) on the same port, with what is in its folder, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start_again(&mut self) {
        self.process = None;
        let program = Process::program("redis-server", Path::new("/usr/bin/redis-server"));
        let program = program.arg(self.folder.0.join(CONFIG));
        let program = program.args(self.is_sentinel.then_some("--sentinel"));
        self.process = Some(program.start().await);
        eventually(READY_WITHIN, "a Redis server answers", async || {
            self.ask::<String>(&cmd("PING")).is_ok()
        })
        .await;
    }

    /// Kills it, without a chance to write what it has not written.
    pub fn kill_9(&mut self) {
        self.process = None;
    }

    /// Stops it in its tracks: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the server runs").pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.as_ref().expect("the server runs").resume();
    }

    /// Asks it one thing.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask<T: FromRedisValue>(&self, question: &Cmd) -> RedisResult<T> {
        let client = Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(DEAD_AFTER)?;
        connection.set_read_timeout(Some(DEAD_AFTER))?;
        question.query(&mut connection)
    }

    /// What it has on disk now, to be put back later.
    ///
    /// # Panics
    /// When the files cannot be copied.
    #[must_use]
    pub fn copy_disk(&self) -> DiskCopy {
        let copy = Folder::fresh();
        copy_all(&self.folder.0, &copy.0).expect("copy a server's files");
        DiskCopy(copy)
    }

    /// Kills it and gives it the files of earlier.
    ///
    /// # Panics
    /// When the files cannot be copied.
    pub fn put_back(&mut self, disk: &DiskCopy) {
        self.kill_9();
        fs::remove_dir_all(&self.folder.0).expect("remove a server's files");
        fs::create_dir(&self.folder.0).expect("make its folder again");
        copy_all(&disk.0.0, &self.folder.0).expect("copy a server's files");
    }
}

// === impl RedisSentinels ===

impl RedisSentinels {
    /// Starts all five, and waits until the sentinels know each other and the replica.
    ///
    /// # Panics
    /// When they do not.
    pub async fn start() -> Self {
        let master = RedisServer::start().await;
        let port = master.address.port();
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
        let sentinels = self.sentinels.iter().map(|sentinel| sentinel.address.to_string());
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

// === impl RedisCluster ===

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
        let addresses = started.servers.iter().map(|server| server.address.to_string());
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
            self.servers[0].address, self.servers[1].address
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
            .arg(to.address.port())
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

// === impl Folder ===

impl Folder {
    fn fresh() -> Self {
        let path = std::env::temp_dir().join(name::fresh());
        fs::create_dir(&path).expect("create a folder for a server");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(server: &RedisServer, value: u32) {
        let mut write = cmd("SET");
        server.ask::<()>(write.arg("key").arg(value)).unwrap();
    }

    fn read(server: &RedisServer) -> Option<u32> {
        server.ask(cmd("GET").arg("key")).unwrap()
    }

    #[tokio::test]
    async fn a_server_is_killed_and_put_back() {
        let mut server = RedisServer::durable().await;
        write(&server, 1);
        let disk = server.copy_disk();
        write(&server, 2);
        server.kill_9();
        assert!(server.ask::<()>(&cmd("PING")).is_err());
        server.start_again().await;
        assert_eq!(read(&server), Some(2), "the system keeps what the file was given");
        server.put_back(&disk);
        server.start_again().await;
        assert_eq!(read(&server), Some(1));
        let (folder, copy) = (server.folder.0.clone(), disk.0.0.clone());
        drop((server, disk));
        assert!(!folder.exists() && !copy.exists());
    }

    #[tokio::test]
    async fn sentinels_agree_on_another_master() {
        let mut redis = RedisSentinels::start().await;
        let second = redis.servers()[1].address();
        redis.servers()[0].kill_9();
        eventually(READY_WITHIN, "the replica is the master", async || {
            redis.agree_on(second)
        })
        .await;
        write(&redis.servers()[1], 1);
    }

    #[tokio::test]
    async fn a_cluster_stands_still_without_one_of_its_servers() {
        let mut cluster = RedisCluster::start().await;
        let holder = cluster.holder_of("key");
        write(&cluster.servers()[holder], 1);
        cluster.servers()[holder].kill_9();
        eventually(READY_WITHIN, "the others have noticed", async || {
            !cluster.is_whole()
        })
        .await;
        cluster.servers()[holder].start_again().await;
        eventually(READY_WITHIN, "it is whole again", async || cluster.is_whole()).await;
        assert_eq!(read(&cluster.servers()[holder]), Some(1));
    }
}
