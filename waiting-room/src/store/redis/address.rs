//! Where Redis is: one server, a master that sentinels name, or a cluster.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use thiserror::Error;

const SENTINEL_PORT: u16 = 26_379;

/// Why an address is none. Nothing of the address is repeated: there is a password in it.
#[derive(Debug, Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error(
        "the address of Redis begins with redis://, rediss://, redis-sentinel:// or redis-cluster://, and nothing else"
    )]
    Scheme,
    /// Sentinels without the name of what they watch.
    #[error("a redis-sentinel:// address ends with the master's name, and maybe a database: …:26379/main/0")]
    MasterName,
    /// A cluster has one database.
    #[error("a redis-cluster:// address ends after its servers: a cluster has one database")]
    ClusterDatabase,
    /// A host, port, user or database that cannot be one.
    #[error("the address of Redis cannot be read")]
    Unreadable(#[source] redis::RedisError),
}

/// Which servers keep the lines.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// One server.
    Server(ConnectionInfo),
    /// Whichever server the sentinels call the master.
    Sentinels(SentinelAddress),
    /// A cluster, by some of its servers.
    Cluster(Vec<ConnectionInfo>),
}

/// Sentinels, and what they watch.
#[derive(Debug, Clone)]
pub(super) struct SentinelAddress {
    /// Every sentinel. They are asked without a user and a password.
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// What they call the master.
    pub(super) name: String,
    /// User, password and database of the master, whichever server that is.
    pub(super) login: RedisConnectionInfo,
}

impl Address {
    /// Reads `redis://…`, `rediss://…`, `redis-sentinel://…/name` or `redis-cluster://…`.
    pub(super) fn read(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(AddressError::Scheme)?;
        match scheme {
            "redis" | "rediss" => Ok(Self::Server(server(text.trim())?)),
            "redis-sentinel" => sentinels(rest).map(Self::Sentinels),
            "redis-cluster" => cluster(rest).map(Self::Cluster),
            _ => Err(AddressError::Scheme),
        }
    }
}

fn sentinels(rest: &str) -> Result<SentinelAddress, AddressError> {
    let (servers, path) = rest.split_once('/').ok_or(AddressError::MasterName)?;
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() || name.contains(['?', '#']) {
        return Err(AddressError::MasterName);
    }
    let (login, hosts) = login_and_hosts(servers);
    let sentinel = |host| {
        let port = if has_port(host) {
            String::new()
        } else {
            format!(":{SENTINEL_PORT}")
        };
        server(&format!("redis://{host}{port}"))
    };
    Ok(SentinelAddress {
        sentinels: hosts.map(sentinel).collect::<Result<_, _>>()?,
        name: name.to_owned(),
        // The host only completes the form; which one it is, the sentinels say.
        login: server(&format!("redis://{login}localhost/{database}"))?
            .redis_settings()
            .clone(),
    })
}

fn cluster(rest: &str) -> Result<Vec<ConnectionInfo>, AddressError> {
    let servers = rest.strip_suffix('/').unwrap_or(rest);
    if servers.contains('/') {
        return Err(AddressError::ClusterDatabase);
    }
    let (login, hosts) = login_and_hosts(servers);
    hosts
        .map(|host| server(&format!("redis://{login}{host}")))
        .collect()
}

/// `user:password@` (or nothing) and the hosts. A password's own `@` and `,` are percent-encoded.
fn login_and_hosts(servers: &str) -> (&str, impl Iterator<Item = &str>) {
    let at = servers.rfind('@').map_or(0, |at| at + 1);
    let (login, hosts) = servers.split_at(at);
    (login, hosts.split(','))
}

fn has_port(host: &str) -> bool {
    // An IPv6 address is in brackets, with colons of its own.
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

fn server(url: &str) -> Result<ConnectionInfo, AddressError> {
    url.into_connection_info().map_err(AddressError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(servers: &[ConnectionInfo]) -> Vec<String> {
        servers.iter().map(|server| server.addr().to_string()).collect()
    }

    #[test]
    fn one_server_is_an_address() {
        for (text, place, database) in [
            ("redis://h", "h:6379", 0),
            ("redis://:secret@h:7/3", "h:7", 3),
            ("rediss://u:p@h:7/0\n", "h:7", 0),
        ] {
            let Address::Server(server) = Address::read(text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!(
                (server.addr().to_string(), server.redis_settings().db()),
                (place.to_owned(), database)
            );
        }
    }

    #[test]
    fn sentinels_are_an_address() {
        let read = |text| match Address::read(text) {
            Ok(Address::Sentinels(read)) => read,
            other => panic!("{text}: {other:?}"),
        };
        let plain = read("redis-sentinel://a,b:7,[::1],[::1]:8/main");
        assert_eq!(places(&plain.sentinels), ["a:26379", "b:7", "::1:26379", "::1:8"]);
        assert_eq!((plain.name.as_str(), plain.login.db()), ("main", 0));
        assert_eq!(plain.login.password(), None);

        let full = read("redis-sentinel://u:p%40,q@a:1,b:2/main/3");
        assert_eq!(places(&full.sentinels), ["a:1", "b:2"]);
        assert_eq!(full.sentinels[0].redis_settings().password(), None);
        assert_eq!(
            (full.login.username(), full.login.password()),
            (Some("u"), Some("p@,q"))
        );
        assert_eq!(full.login.db(), 3);
    }

    #[test]
    fn a_cluster_is_an_address() {
        for text in ["redis-cluster://:p@a:1,b:2", "redis-cluster://:p@a:1,b:2/"] {
            let Ok(Address::Cluster(servers)) = Address::read(text) else {
                panic!("{text}")
            };
            assert_eq!(places(&servers), ["a:1", "b:2"]);
            assert!(
                servers
                    .iter()
                    .all(|server| server.redis_settings().password() == Some("p"))
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_its_password() {
        for text in [
            "",
            "secret",
            "localhost:6379",
            "http://u:secret@h",
            "unix:///secret",
            "redis://u:secret@h:99999",
            "redis://u:secret@h/secret",
            "redis://",
            "redis-sentinel://u:secret@h:1",
            "redis-sentinel://u:secret@h:1/",
            "redis-sentinel://u:secret@h:1/main/secret",
            "redis-sentinel://u:secret@/main",
            "redis-sentinel://u:secret@a:1,,b:2/main",
            "redis-cluster://u:secret@a:1,b:x",
            "redis-cluster://u:secret@a:1,b:2/3",
            "redis-cluster://",
        ] {
            let error = Address::read(text).expect_err(text);
            let debugged = format!("{error:?}");
            let told = format!("{debugged} {:#}", anyhow::Error::from(error));
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
