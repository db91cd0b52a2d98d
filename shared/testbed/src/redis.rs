//! One key prefix in Redis for each test.

use crate::{Servers, name};
use ::redis::{Client, Connection, cmd};
use anyhow::Context;
use std::sync::Once;

/// A prefix that no other test uses; the keys under it are removed with this value.
#[derive(Debug)]
pub struct RedisNamespace {
    url: String,
    prefix: String,
}

impl RedisNamespace {
    /// Finds Redis and chooses a prefix.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub fn fresh() -> Self {
        Self::try_fresh().expect("choose a prefix for this test")
    }

    /// The same, for programs that clean up before they fail.
    pub fn try_fresh() -> anyhow::Result<Self> {
        let url = Servers::find()?.redis_url;
        sweep_once(&url).context("sweep Redis (is it running? `make up`)")?;
        Ok(Self {
            url,
            prefix: name::fresh(),
        })
    }

    /// The address of Redis.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How every key of the test begins: letters, digits and underscores.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The keys under the prefix as they are now.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub fn keys(&self) -> Vec<String> {
        let mut connection = connect(&self.url).expect("connect to Redis (is it running? `make up`)");
        scan(&mut connection, &self.prefix).expect("list the keys")
    }

    /// Removes every key under the prefix, as a server that lost its memory would.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub fn wipe(&self) {
        remove(&self.url, &self.prefix).expect("remove the keys");
    }
}

impl Drop for RedisNamespace {
    fn drop(&mut self) {
        // Quietly: a panic here would hide the one that failed the test, and the sweep comes later anyway.
        let _ = remove(&self.url, &self.prefix);
    }
}

fn connect(url: &str) -> ::redis::RedisResult<Connection> {
    Client::open(url)?.get_connection()
}

fn remove(url: &str, prefix: &str) -> ::redis::RedisResult<()> {
    let mut connection = connect(url)?;
    let keys = scan(&mut connection, prefix)?;
    unlink(&mut connection, &keys)
}

fn scan(connection: &mut Connection, prefix: &str) -> ::redis::RedisResult<Vec<String>> {
    // A leading brace or namespace of the program under test stays possible: the prefix may stand anywhere near.
    let keys = cmd("SCAN")
        .cursor_arg(0)
        .arg("MATCH")
        .arg(format!("*{prefix}*"))
        .arg("COUNT")
        .arg(1000)
        .clone();
    keys.iter::<String>(connection)?.collect()
}

fn unlink(connection: &mut Connection, keys: &[String]) -> ::redis::RedisResult<()> {
    for some in keys.chunks(1000) {
        cmd("UNLINK").arg(some).exec(connection)?;
    }
    Ok(())
}

fn sweep_once(url: &str) -> ::redis::RedisResult<()> {
    static SWEPT: Once = Once::new();
    let mut first = false;
    SWEPT.call_once(|| first = true);
    if !first {
        return Ok(());
    }
    let mut connection = connect(url)?;
    let mut keys = scan(&mut connection, name::MARK)?;
    keys.retain(|key| key.find(name::MARK).is_some_and(|at| name::is_old(&key[at..])));
    unlink(&mut connection, &keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_seen_and_removed_under_their_own_prefix_only() {
        let (one, two) = (RedisNamespace::fresh(), RedisNamespace::fresh());
        let mut connection = connect(one.url()).unwrap();
        for key in [
            format!("{}:a", one.prefix()),
            format!("{{{}}}:b", one.prefix()),
            format!("{}:a", two.prefix()),
        ] {
            cmd("SET").arg(key).arg(1).exec(&mut connection).unwrap();
        }
        assert_eq!(one.keys().len(), 2);
        drop(one);
        assert_eq!(two.keys().len(), 1);
        two.wipe();
        assert!(two.keys().is_empty());
    }
}
