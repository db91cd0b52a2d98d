//! RabbitMQ nodes of a test's own, one or a cluster, to be killed.

use crate::{
    Process,
    folder::{Account, Folder},
    free_address, name, within,
};
use lapin::{Connection, ConnectionProperties};
use std::{
    fmt::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

const ACCOUNT: &str = "rabbitmq";
/// The broker's user, password and virtual host.
const LOGIN: &str = "shop";
/// The scripts that neither switch users nor drop the environment, unlike those in `/usr/sbin`.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// How long a node may take to boot.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long a connection may take to be made before the node counts as one that does not answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Nodes that know each other, with an Erlang port mapper of their own. All are gone when this is dropped.
#[derive(Debug)]
pub struct RabbitServers {
    // Dropped in this order.
    nodes: Vec<RabbitNode>,
    _mapper: Process,
    _folder: Folder,
}

/// A node, running or killed.
#[derive(Debug)]
pub struct RabbitNode {
    process: Option<Process>,
    account: Account,
    address: SocketAddr,
    /// Its own folder, in that of all.
    folder: PathBuf,
    home: PathBuf,
    name: String,
    mapper_port: u16,
    distribution_port: u16,
}

impl RabbitServers {
    /// Starts so many nodes as one cluster, each of which refuses to take messages when less than `disk_free_limit` (as
    /// RabbitMQ writes it) is free.
    ///
    /// # Panics
    /// When they do not answer.
    pub async fn start(count: usize, disk_free_limit: &str) -> Self {
        Self::start_in(&std::env::temp_dir(), count, disk_free_limit).await
    }

    /// The same with their files in a folder of their own in this one.
    ///
    /// # Panics
    /// When they do not answer.
    pub async fn start_in(parent: &Path, count: usize, disk_free_limit: &str) -> Self {
        let (account, folder) = (Account::of(ACCOUNT), Folder::within(parent));
        account.folder(folder.path());
        let home = folder.path().join("home");
        account.folder(&home);
        // What lets one Erlang node talk to another.
        account.file(&home.join(".erlang.cookie"), &name::fresh(), 0o400);
        let mapper_port = free_address().port();
        let mapper = account.program("epmd", Path::new("/usr/bin/epmd"));
        let mapper = mapper.in_folder(&home).args(["-address", "127.0.0.1", "-port"]);
        let mapper = mapper.arg(mapper_port.to_string()).start().await;
        let node = |number: usize| RabbitNode {
            process: None,
            account: account.clone(),
            address: free_address(),
            folder: folder.path().join(format!("node{number}")),
            home: home.clone(),
            name: format!("node{number}@localhost"),
            mapper_port,
            distribution_port: free_address().port(),
        };
        let mut nodes: Vec<RabbitNode> = (0..count).map(node).collect();
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        for node in &mut nodes {
            node.configure(&names, disk_free_limit);
            // One after the other: each finds the first, and joins it.
            node.start_again().await;
        }
        Self {
            nodes,
            _mapper: mapper,
            _folder: folder,
        }
    }

    /// The addresses of all nodes, as programs take them.
    pub fn url(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(RabbitNode::url).collect();
        urls.join(",")
    }

    /// The nodes.
    pub fn nodes(&mut self) -> &mut [RabbitNode] {
        &mut self.nodes
    }
}

impl RabbitNode {
    /// Its address, as programs take it.
    pub fn url(&self) -> String {
        format!("amqp://{LOGIN}:{LOGIN}@{}/{LOGIN}", self.address)
    }

    /// Kills it, without a chance to say goodbye.
    pub async fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_family_9().await;
        }
    }

    /// What it wrote since it was started.
    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// Whether it runs: one that could not write may have ended by itself.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Starts it (again, after it was killed) with what is in its folder, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start_again(&mut self) {
        self.kill_9().await;
        self.spawn().await;
        let up = within(READY_WITHIN, async || match self.answers().await {
            true => Some(true),
            false => (!self.is_running()).then_some(false),
        });
        let up = up.await;
        let output = self.process.as_ref().map(Process::output).unwrap_or_default();
        assert_eq!(up, Some(true), "RabbitMQ does not answer: {output}");
    }

    /// Whether it takes connections.
    pub async fn answers(&self) -> bool {
        let url = self.url();
        let asked = timeout(
            ANSWERS_WITHIN,
            Connection::connect(&url, ConnectionProperties::default()),
        );
        matches!(asked.await, Ok(Ok(_)))
    }

    fn configure(&self, names: &[String], disk_free_limit: &str) {
        self.account.folder(&self.folder);
        let mut config = format!(
            "listeners.tcp.1 = {}\ndefault_user = {LOGIN}\ndefault_pass = {LOGIN}\ndefault_vhost = {LOGIN}\n\
             disk_free_limit.absolute = {disk_free_limit}\nvm_memory_high_watermark.absolute = 1GB\n\
             raft.wal_max_size_bytes = 16777216\nlog.console = true\nlog.console.level = warning\nlog.file = false\n",
            self.address
        );
        if names.len() > 1 {
            config.push_str("cluster_formation.peer_discovery_backend = classic_config\n");
            for (number, name) in names.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    config,
                    "cluster_formation.classic_config.nodes.{} = {name}",
                    number + 1
                );
            }
        }
        let file = |name: &str, content: &str| self.account.file(&self.folder.join(name), content, 0o600);
        file("rabbitmq.conf", &config);
        file("enabled_plugins", "[].\n");
    }

    /// Starts it and waits for nothing.
    ///
    /// # Panics
    /// When there is no such program.
    pub async fn spawn(&mut self) {
        let folder = self.folder.display();
        let variables = [
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
            "LANG=C.UTF-8".to_owned(),
            format!("HOME={}", self.home.display()),
            format!("ERL_EPMD_PORT={}", self.mapper_port),
            "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
            format!("ERL_CRASH_DUMP={folder}/erl_crash.dump"),
            "RABBITMQ_CONF_ENV_FILE=/dev/null".to_owned(),
            format!("RABBITMQ_CONFIG_FILE={folder}/rabbitmq.conf"),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={folder}/enabled_plugins"),
            format!("RABBITMQ_NODENAME={}", self.name),
            format!("RABBITMQ_MNESIA_BASE={folder}"),
            format!("RABBITMQ_LOG_BASE={folder}"),
            "RABBITMQ_LOGS=-".to_owned(),
            format!("RABBITMQ_PID_FILE={folder}/pid"),
            format!("RABBITMQ_DIST_PORT={}", self.distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
            // The script then becomes the broker instead of watching over it.
            "RUNNING_UNDER_SYSTEMD=true".to_owned(),
        ];
        let program = self.account.program("rabbitmq", Path::new("/usr/bin/env"));
        let program = program
            .in_folder(&self.folder)
            .arg("-i")
            .args(variables)
            .arg(PROGRAM);
        self.process = Some(program.start().await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_is_killed_and_comes_back() {
        let mut servers = RabbitServers::start(1, "50MB").await;
        let node = &mut servers.nodes()[0];
        node.kill_9().await;
        assert!(!node.answers().await);
        node.start_again().await;
        assert!(node.answers().await);
    }
}
