//! Where the servers are.

use anyhow::Context;
use std::path::{Path, PathBuf};
use url::Url;

const NOT_RUNNING: &str = "no servers to test against: run `make up`, which starts private ones and writes \
                           .local/stack.env (or set DATABASE_URL, REDIS_URL and AMQP_URL)";

/// The addresses of the servers that the tests share.
#[derive(Debug, Clone)]
pub struct Servers {
    /// PostgreSQL; its role may create databases.
    pub database_url: String,
    /// Redis.
    pub redis_url: String,
    /// RabbitMQ.
    pub amqp_url: String,
}

impl Servers {
    /// The servers named by `DATABASE_URL`, `REDIS_URL` and `AMQP_URL`; what the environment does not name is read
    /// from the `.local/stack.env` of the checkout.
    ///
    /// # Panics
    /// Says how to start them when nothing names them.
    pub fn from_env() -> Self {
        Self::find().expect("find the servers")
    }

    /// The same, for programs that clean up before they fail.
    pub fn find() -> anyhow::Result<Self> {
        let file = stack_env()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        let get = |name: &str| {
            let value = std::env::var(name).ok().or_else(|| assignment(&file, name));
            value.context(NOT_RUNNING)
        };
        Ok(Self {
            database_url: get("DATABASE_URL")?,
            redis_url: get("REDIS_URL")?,
            amqp_url: get("AMQP_URL")?,
        })
    }
}

/// The checkout's `.local/stack.env`, looked for upwards from the package under test, then from here.
fn stack_env() -> Option<PathBuf> {
    let under_test = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let starts = under_test
        .into_iter()
        .chain([PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
    starts
        .into_iter()
        .find_map(|start| upwards(&start, ".local/stack.env"))
}

fn upwards(start: &Path, name: &str) -> Option<PathBuf> {
    start
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The value of `NAME=value` in a file of such lines, without quotes around it.
fn assignment(file: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        line.trim()
            .strip_prefix("export ")
            .unwrap_or(line)
            .strip_prefix(name)?
            .strip_prefix('=')
            .map(str::to_owned)
    };
    file.lines()
        .find_map(value)
        .map(|text| text.trim_matches(['"', '\'']).to_owned())
}

/// `host:port` of an address, for a wire to lead to.
pub(crate) fn authority(url: &str) -> String {
    let url = Url::parse(url).expect("the address of a server is a URL");
    let default_port = match url.scheme() {
        "amqp" => 5672,
        "redis" => 6379,
        _ => 5432,
    };
    format!(
        "{}:{}",
        url.host_str()
            .filter(|host| !host.is_empty())
            .unwrap_or("127.0.0.1"),
        url.port().unwrap_or(default_port)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_found_by_its_whole_name() {
        let file = "# comment\nXREDIS_URL=no\nREDIS_URL='redis://h:1/0?a=b'\nexport AMQP_URL=amqp://h\n";
        assert_eq!(
            assignment(file, "REDIS_URL").as_deref(),
            Some("redis://h:1/0?a=b")
        );
        assert_eq!(assignment(file, "AMQP_URL").as_deref(), Some("amqp://h"));
        assert_eq!(assignment(file, "DATABASE_URL"), None);
    }

    #[test]
    fn an_authority_has_a_port() {
        assert_eq!(authority("redis://:secret@127.0.0.1:17379/0"), "127.0.0.1:17379");
        assert_eq!(authority("amqp://u:p@localhost/vhost"), "localhost:5672");
        assert_eq!(authority("postgres:///db?host=%2Frun%2Fpg"), "127.0.0.1:5432");
    }
}
