//! One PostgreSQL database for each test.

use crate::{Servers, block_on_elsewhere, name};
use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use std::sync::Once;
use url::Url;

/// Serialises the making of the template between test processes; any number that nobody else uses.
const TEMPLATE_LOCK: i64 = 0x7465_7374_6265_6400;
/// How often a copy is tried.
const COPIES_TRIED: usize = 10;
/// How the names of templates begin; [`name::is_old`] does not take them for leftovers.
const TEMPLATES: &str = "testbed_template_";

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../database/migrations");

/// A database of its own with every migration applied; it is dropped with this value.
///
/// Databases are copied from a template that is migrated once, which takes some tens of milliseconds.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    server_url: String,
}

impl Database {
    /// Makes a database.
    ///
    /// # Panics
    /// When PostgreSQL does not answer.
    pub async fn fresh() -> Self {
        Self::try_fresh().await.expect("make a database for this test")
    }

    /// The same, for programs that clean up before they fail.
    pub async fn try_fresh() -> anyhow::Result<Self> {
        let server_url = Servers::find()?.database_url;
        let mut server = connect(&server_url).await?;
        sweep_once(&mut server).await?;
        let name = copy_of_template(&mut server, &server_url).await?;
        let url = with_database(&server_url, &name)?;
        Ok(Self {
            name,
            url,
            server_url,
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A few connections to it.
    ///
    /// # Panics
    /// When PostgreSQL does not answer.
    pub async fn pool(&self) -> PgPool {
        self.try_pool()
            .await
            .expect("connect to the database of this test")
    }

    /// The same, for programs that clean up before they fail.
    pub async fn try_pool(&self) -> anyhow::Result<PgPool> {
        let pool = PgPoolOptions::new().max_connections(5).connect(&self.url).await;
        pool.context("connect to the fresh database")
    }

    /// Drops it now.
    pub async fn close(self) {
        // Dropping does the work.
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        block_on_elsewhere(async {
            // Not `expect`: a panic here would hide the one that failed the test, and the sweep comes later anyway.
            if let Ok(mut server) = connect(&self.server_url).await {
                drop_database(&mut server, &self.name).await;
            }
        });
    }
}

/// A fresh copy. Tests of another checkout, with other migrations, replace the template by theirs: then it is made again.
async fn copy_of_template(server: &mut PgConnection, server_url: &str) -> anyhow::Result<String> {
    let mut tries = 0;
    loop {
        let template = template(server, server_url).await?;
        let name = name::fresh();
        let copied = execute(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        tries += 1;
        match copied {
            Ok(()) => return Ok(name),
            Err(error) if tries == COPIES_TRIED => return Err(error),
            Err(_) => {}
        }
    }
}

/// The name of the migrated template, made first if it is not there.
async fn template(server: &mut PgConnection, server_url: &str) -> anyhow::Result<String> {
    let checksums = MIGRATIONS.iter().flat_map(|migration| migration.checksum.iter());
    // FNV-1a over the migrations' checksums: another set of migrations is another template.
    let hash = checksums.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let template = format!("{TEMPLATES}{hash:016x}");
    // The lock goes with the connection if anything fails.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *server)
        .await?;
    if !exists(server, &template).await? {
        make_template(server, server_url, &template).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *server)
        .await?;
    Ok(template)
}

/// Migrated under another name first: a template that exists is a template that is whole.
async fn make_template(server: &mut PgConnection, server_url: &str, template: &str) -> anyhow::Result<()> {
    for old in databases(server).await? {
        if old.starts_with(TEMPLATES) {
            drop_database(server, &old).await;
        }
    }
    let unfinished = name::fresh();
    execute(server, &format!("CREATE DATABASE {unfinished}")).await?;
    let mut connection = connect(&with_database(server_url, &unfinished)?).await?;
    MIGRATIONS
        .run(&mut connection)
        .await
        .context("migrate the template database")?;
    connection.close().await?;
    execute(
        server,
        &format!("ALTER DATABASE {unfinished} RENAME TO {template}"),
    )
    .await
}

async fn sweep_once(server: &mut PgConnection) -> anyhow::Result<()> {
    static SWEPT: Once = Once::new();
    let mut first = false;
    SWEPT.call_once(|| first = true);
    if first {
        for old in databases(server)
            .await?
            .into_iter()
            .filter(|name| name::is_old(name))
        {
            drop_database(server, &old).await;
        }
    }
    Ok(())
}

async fn databases(server: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let names = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE 'testbed\\_%'");
    names.fetch_all(server).await.context("list the databases")
}

async fn exists(server: &mut PgConnection, name: &str) -> anyhow::Result<bool> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    found.fetch_one(server).await.context("look for a database")
}

/// Quietly: another process may sweep at the same time.
async fn drop_database(server: &mut PgConnection, name: &str) {
    let _ = execute(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
}

async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    let connection = PgConnection::connect(url).await;
    connection.context("connect to PostgreSQL (is it running? `make up`)")
}

/// The names in these statements come from this module: letters, digits and underscores.
async fn execute(server: &mut PgConnection, statement: &str) -> anyhow::Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(server)
        .await;
    done.map(drop).with_context(|| statement.to_owned())
}

/// The address of another database of the same server; the socket folder and the like in the query stay.
fn with_database(server_url: &str, name: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(server_url).context("DATABASE_URL is a URL")?;
    url.set_path(name);
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_in_the_address_changes() {
        for (server, expected) in [
            (
                "postgres://u:p@localhost:1/a?host=%2Frun%2Fpg",
                "postgres://u:p@localhost:1/b?host=%2Frun%2Fpg",
            ),
            (
                "postgres:///a?host=/run/pg&port=1&user=u",
                "postgres:///b?host=/run/pg&port=1&user=u",
            ),
        ] {
            assert_eq!(with_database(server, "b").unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn each_database_is_migrated_alone_and_gone_afterwards() {
        let (one, two) = (Database::fresh().await, Database::fresh().await);
        let pool = one.pool().await;
        let insert = "INSERT INTO products (id, name, price_minor, currency) VALUES ('p', 'P', 1, 'EUR')";
        sqlx::query(insert).execute(&pool).await.unwrap();
        let count = "SELECT count(*) FROM products";
        let there: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        let here: i64 = sqlx::query_scalar(count)
            .fetch_one(&two.pool().await)
            .await
            .unwrap();
        assert_eq!((there, here), (1, 0));

        let name = one.name.clone();
        one.close().await;
        let mut server = connect(&two.server_url).await.unwrap();
        assert!(!exists(&mut server, &name).await.unwrap());
    }
}
