//! A PostgreSQL server of a test's own, to be killed.

use crate::{
    Process, eventually,
    folder::{Account, Folder},
    free_address, within,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const ACCOUNT: &str = "postgres";
const DATABASE: &str = "shop";
/// Where a distribution puts the programs: a folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// How long it may take to make a server, or to recover one.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a question may take before the server counts as one that does not answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A server with a folder and an empty database of its own. All are gone when this is dropped.
#[derive(Debug)]
pub struct PostgresServer {
    // Dropped in this order: the process before its folder.
    process: Option<Process>,
    account: Account,
    folder: Folder,
    settings: Vec<String>,
    /// Nothing listens on it: it names the socket.
    port: u16,
}

impl PostgresServer {
    /// Starts a server that keeps what it has committed.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start() -> Self {
        Self::start_in(&std::env::temp_dir(), &[]).await
    }

    /// The same with its files in a folder of its own in this one, and with these settings (`name=value`).
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start_in(parent: &Path, settings: &[&str]) -> Self {
        let mut server = Self {
            process: None,
            account: Account::of(ACCOUNT),
            folder: Folder::within(parent),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            port: free_address().port(),
        };
        server.initialise().await;
        server.start_again().await;
        let mut connection = PgConnection::connect(&server.url_of("postgres"))
            .await
            .expect("connect to a fresh server");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}")))
            .execute(&mut connection)
            .await
            .expect("make a database");
        server
    }

    /// The address of its database, as programs take it.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// Some connections to its database, made when they are needed.
    ///
    /// # Panics
    /// Never: the address is one.
    pub fn pool(&self) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(5);
        pool.acquire_timeout(ANSWERS_WITHIN)
            .connect_lazy(&self.url())
            .expect("the address of a server is one")
    }

    /// Kills it with all its backends, without a chance to say goodbye.
    pub async fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_family_9().await;
        }
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
        let up = within(READY_WITHIN, async || {
            // It may end at once: while a backend of the one before is not gone, or while it cannot write.
            if !self.is_running() {
                self.spawn().await;
            }
            self.answers().await.then_some(())
        });
        assert!(up.await.is_some(), "PostgreSQL does not come back");
    }

    /// Whether it answers.
    pub async fn answers(&self) -> bool {
        let asked = tokio::time::timeout(ANSWERS_WITHIN, PgConnection::connect(&self.url_of("postgres")));
        matches!(asked.await, Ok(Ok(_)))
    }

    /// Starts it and waits for nothing.
    ///
    /// # Panics
    /// When there is no such program.
    pub async fn spawn(&mut self) {
        // Nobody works there any more: its children were killed with it.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let socket = self.folder.path().join(format!(".s.PGSQL.{}", self.port));
        for left in [socket.with_extension(format!("{}.lock", self.port)), socket] {
            let _ = fs::remove_file(left);
        }
        let mut settings = vec![
            "listen_addresses=".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={}", self.folder.path().display()),
        ];
        settings.extend(self.settings.iter().cloned());
        let program = self.account.program("postgres", &programs().join("postgres"));
        let program = program.in_folder(self.folder.path()).arg("-D").arg(self.data());
        let program = program.args(settings.iter().flat_map(|setting| ["-c", setting]));
        self.process = Some(program.start().await);
    }

    async fn initialise(&self) {
        self.account.folder(self.folder.path());
        let initdb = self.account.program("initdb", &programs().join("initdb"));
        let initdb = initdb.in_folder(self.folder.path()).arg("-D").arg(self.data());
        let initdb = initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
        ]);
        let mut initdb = initdb.start().await;
        eventually(READY_WITHIN, "the data folder is made", async || {
            !initdb.is_running()
        })
        .await;
        assert!(initdb.ended_well(), "initdb failed: {}", initdb.output());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url_of(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "postgres://postgres@localhost:{}/{database}?host={folder}",
            self.port
        )
    }
}

/// The programs of the newest version there is.
fn programs() -> PathBuf {
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten();
    let version = |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|entry| version(&entry.file_name())).max();
    let newest = newest.expect("PostgreSQL is installed (Debian: apt-get install postgresql)");
    Path::new(PROGRAMS).join(newest.to_string()).join("bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_committed_survives_a_kill() {
        let mut server = PostgresServer::start().await;
        let pool = server.pool();
        sqlx::raw_sql("CREATE TABLE kept (number int); INSERT INTO kept VALUES (1)")
            .execute(&pool)
            .await
            .unwrap();
        server.kill_9().await;
        assert!(!server.answers().await);
        server.start_again().await;
        let kept: i32 = sqlx::query_scalar("SELECT number FROM kept")
            .fetch_one(&server.pool())
            .await
            .unwrap();
        assert_eq!(kept, 1);
        let folder = server.folder.path().to_owned();
        drop(server);
        assert!(!folder.exists());
    }
}
