//! The command line and the environment: where the config is, and the secrets that never stand in it.

use crate::{
    config::{Config, Document, Mistakes},
    edge::Succession,
    issue::Issue,
    keys::KeyRing,
    operator::AdminTokens,
    pages::Pages,
};
use clap::{Parser, Subcommand};
use process::{Exit, read_secret};
use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf};
use waiting_room_domain::Limits;

/// A waiting room in front of a web site.
///
/// With --origin alone it needs no config and no services: one room in front of the whole site, kept in memory.
/// Secrets come from the environment, or from files that NAME_FILE variables point to:
/// WAITING_ROOM_ADMIN_TOKEN or WAITING_ROOM_ADMIN_TOKENS opens the operator API, WAITING_ROOM_KEYS is the key ring,
/// WAITING_ROOM_REDIS_URL is the store that several edges share,
/// WAITING_ROOM_ORIGIN_SECRET is shown to the origins, so that they know the edge.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about,
    verbatim_doc_comment,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// Something else than standing in front of a site.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The config file.
    #[arg(long, env = "WAITING_ROOM_CONFIG", conflicts_with = "origin")]
    config: Option<PathBuf>,
    /// The site to stand in front of, such as http://127.0.0.1:3000.
    #[arg(long, required_unless_present = "config")]
    origin: Option<String>,
    /// With --origin: how many are let in each minute.
    #[arg(long, default_value_t = 300, requires = "origin")]
    users_per_minute: u32,
    /// With --origin: how many are in at once.
    #[arg(long, default_value_t = 500, requires = "origin")]
    max_active: u32,
    /// Where shoppers come in, instead of what the config says.
    #[arg(long, env = "WAITING_ROOM_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where the operator API and the metrics are; opened only if a token is set.
    #[arg(long, env = "WAITING_ROOM_ADMIN_LISTEN", default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// Begins every key in Redis, so that several lines of edges can share a server.
    #[arg(long, env = "WAITING_ROOM_NAMESPACE", default_value = "waiting-room:")]
    namespace: String,
    /// Where an edge asks the one before it to hand over its listening sockets. In a folder that only its user can enter.
    #[arg(long, env = "WAITING_ROOM_UPGRADE_SOCKET")]
    upgrade_socket: Option<PathBuf>,
    /// Take over from the edge that runs at the upgrade socket, if there is one, without refusing a connection.
    #[arg(long, requires = "upgrade_socket")]
    take_over: bool,
    /// Check the config, say what is wrong with it, and end.
    #[arg(long)]
    check: bool,
}

/// What the program does instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the public log of a room's draws.
    Verify(crate::verify::Verify),
    /// Makes what operators hand out.
    #[command(flatten)]
    Issue(Issue),
}

/// Everything the edge needs to start.
#[derive(Debug)]
pub struct Settings {
    /// The rooms and what is behind them.
    pub config: Config,
    /// The same as it was written.
    pub document: Document,
    /// What shoppers see.
    pub pages: Pages,
    /// Where the operator API listens.
    pub admin_listen: SocketAddr,
    /// What opens it; without any it stays shut.
    pub admin_tokens: AdminTokens,
    /// What signs tickets and passes.
    pub keys: KeyRing,
    /// The Redis server and the beginning of every key; memory if there is none.
    pub redis: Option<(SecretString, String)>,
    /// What is shown to the origins.
    pub origin_secret: Option<SecretString>,
    /// How it follows upon another edge.
    pub succession: Succession,
    /// Only the config was to be checked.
    pub check_only: bool,
}

impl Settings {
    /// Reads everything.
    ///
    /// # Errors
    /// Every mistake at once, or a secret that cannot be read.
    pub fn read(cli: Cli) -> Result<Self, Exit> {
        let (mut config, document) = config(&cli).map_err(|mistakes| Exit::Usage(mistakes.lines()))?;
        if let Some(listen) = cli.listen {
            config.listen = listen;
        }
        let pages = Pages::of(&config).map_err(|mistakes| Exit::Usage(mistakes.lines()))?;
        let redis = read_secret("WAITING_ROOM_REDIS_URL")?;
        let keys = read_secret("WAITING_ROOM_KEYS")?;
        if redis.is_some() && keys.is_none() {
            let mistake =
                "WAITING_ROOM_KEYS_FILE is needed with Redis: edges that share a line share their keys";
            return Err(Exit::Usage(vec![mistake.to_owned()]));
        }
        Ok(Self {
            config,
            document,
            pages,
            admin_listen: cli.admin_listen,
            admin_tokens: AdminTokens::from_environment()?,
            keys: keys.map_or_else(KeyRing::ephemeral, |text| KeyRing::read(&text))?,
            redis: redis.map(|url| (url, cli.namespace)),
            origin_secret: read_secret("WAITING_ROOM_ORIGIN_SECRET")?,
            succession: Succession {
                socket: cli.upgrade_socket,
                take_over: cli.take_over,
            },
            check_only: cli.check,
        })
    }
}

fn config(cli: &Cli) -> Result<(Config, Document), Mistakes> {
    match (&cli.config, &cli.origin) {
        (Some(file), _) => {
            let document = Document::from_file(file)?;
            let config = Config::from_toml_in(&document.text, &document.folder)?;
            Ok((config, document))
        }
        (None, Some(origin)) => {
            let limits = Limits::new(cli.users_per_minute, cli.max_active);
            let limits = limits.map_err(|error| Mistakes::one(error.to_string()))?;
            let config = Config::in_front_of(origin, limits)?;
            Ok((config, Document::in_front_of(origin, limits)))
        }
        (None, None) => Err(Mistakes::one("either --config or --origin is needed".to_owned())),
    }
}
