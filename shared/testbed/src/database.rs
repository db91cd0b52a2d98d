//! One PostgreSQL database for each test.

use crate::{Servers, block_on_elsewhere, name};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use std::sync::Once;
use url::Url;

/// Serialises the making of the template between test processes; any number that nobody else uses.
const TEMPLATE_LOCK: i64 = 0x7465_7374_6265_6400;

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
        let server_url = Servers::from_env().database_url;
        let mut server = connect(&server_url).await;
        sweep_once(&mut server).await;
        let template = template(&mut server, &server_url).await;
        let name = name::fresh();
        execute(
            &mut server,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        let url = with_database(&server_url, &name);
        Self {
            name,
            url,
            server_url,
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A few connections to it.
    pub async fn pool(&self) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(5).connect(&self.url).await;
        pool.expect("connect to the fresh database")
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
            if let Ok(mut server) = PgConnection::connect(&self.server_url).await {
                drop_database(&mut server, &self.name).await;
            }
        });
    }
}

/// The name of the migrated template, made first if it is not there.
async fn template(server: &mut PgConnection, server_url: &str) -> String {
    let checksums = MIGRATIONS.iter().flat_map(|migration| migration.checksum.iter());
    // FNV-1a over the migrations' checksums: another set of migrations is another template.
    let hash = checksums.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let template = format!("{}template_{hash:016x}", name::MARK);
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *server)
        .await
        .expect("lock");
    if !exists(server, &template).await {
        make_template(server, server_url, &template).await;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *server)
        .await
        .expect("unlock");
    template
}

/// Migrated under another name first: a template that exists is a template that is whole.
async fn make_template(server: &mut PgConnection, server_url: &str, template: &str) {
    for old in databases(server).await {
        if old.starts_with("testbed_template_") {
            drop_database(server, &old).await;
        }
    }
    let unfinished = name::fresh();
    execute(server, &format!("CREATE DATABASE {unfinished}")).await;
    let mut connection = connect(&with_database(server_url, &unfinished)).await;
    MIGRATIONS
        .run(&mut connection)
        .await
        .expect("migrate the template database");
    connection.close().await.expect("leave the template database");
    execute(
        server,
        &format!("ALTER DATABASE {unfinished} RENAME TO {template}"),
    )
    .await;
}

async fn sweep_once(server: &mut PgConnection) {
    static SWEPT: Once = Once::new();
    let mut first = false;
    SWEPT.call_once(|| first = true);
    if first {
        for old in databases(server)
            .await
            .into_iter()
            .filter(|name| name::is_old(name))
        {
            drop_database(server, &old).await;
        }
    }
}

async fn databases(server: &mut PgConnection) -> Vec<String> {
    let names = sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE 'testbed\\_%'");
    names.fetch_all(server).await.expect("list the databases")
}

async fn exists(server: &mut PgConnection, name: &str) -> bool {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(name);
    found
        .fetch_one(server)
        .await
        .expect("look for the template database")
}

/// Quietly: another process may sweep at the same time.
async fn drop_database(server: &mut PgConnection, name: &str) {
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(server).await;
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .expect("connect to PostgreSQL (is it running? `make up`)")
}

/// The names in these statements come from [`name::fresh`]: letters, digits and underscores.
async fn execute(server: &mut PgConnection, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(server)
        .await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// The address of another database of the same server; the socket folder and the like in the query stay.
fn with_database(server_url: &str, name: &str) -> String {
    let mut url = Url::parse(server_url).expect("DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
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
            assert_eq!(with_database(server, "b"), expected);
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
        let mut server = connect(&two.server_url).await;
        assert!(!exists(&mut server, &name).await);
    }
}
