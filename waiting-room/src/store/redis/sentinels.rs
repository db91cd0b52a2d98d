//! Asking sentinels which server is the master.

use super::address::SentinelAddress;
use futures::future::join_all;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult,
    Role, aio::MultiplexedConnection,
};
use std::{collections::HashMap, time::Duration};

/// A sentinel that takes longer is not waited for: the others know as well.
const SENTINEL_ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// Where a server is.
pub(super) type Place = (String, u16);

/// Which server is the master now.
///
/// Every sentinel is asked, and who knows of the latest failover is believed: one that has not heard of it yet
/// would send us back to the server that was replaced.
pub(super) async fn master(address: &SentinelAddress) -> RedisResult<Place> {
    let answers = join_all(
        address
            .sentinels
            .iter()
            .map(|sentinel| ask(sentinel, &address.name)),
    )
    .await;
    let mut failure = None;
    let mut latest = None;
    for answer in answers {
        match answer {
            Ok(master) => latest = latest.max(Some(master)),
            Err(error) => failure = Some(error),
        }
    }
    let Some(master) = latest else {
        return Err(failure.unwrap_or_else(|| nobody("there is no sentinel to ask")));
    };
    if !master.well {
        return Err(nobody("the sentinels know of no master that is well"));
    }
    Ok((master.host, master.port))
}

/// A connection to the server at `place`, if it says itself that it is a master.
pub(super) async fn connect(
    address: &SentinelAddress,
    place: Place,
    config: &AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let server = place
        .into_connection_info()?
        .set_redis_settings(address.login.clone());
    let mut connection = Client::open(server)?
        .get_multiplexed_async_connection_with_config(config)
        .await?;
    match redis::cmd("ROLE").query_async(&mut connection).await? {
        Role::Primary { .. } => Ok(connection),
        _ => Err(nobody("the server that the sentinels name is no master yet")),
    }
}

/// What a sentinel says about a master. The later failover is the greater; of the same, who says that it is well.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    epoch: u64,
    well: bool,
    host: String,
    port: u16,
}

async fn ask(sentinel: &ConnectionInfo, name: &str) -> RedisResult<Named> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SENTINEL_ANSWERS_WITHIN))
        .set_response_timeout(Some(SENTINEL_ANSWERS_WITHIN));
    let mut connection = Client::open(sentinel.clone())?
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("MASTER").arg(name);
    let answer: HashMap<String, String> = question.query_async(&mut connection).await?;
    named(&answer).ok_or_else(|| nobody("a sentinel's answer makes no sense"))
}

fn named(answer: &HashMap<String, String>) -> Option<Named> {
    let flags = answer.get("flags")?;
    Some(Named {
        epoch: answer.get("config-epoch")?.parse().ok()?,
        well: !flags.contains("_down"),
        host: answer.get("ip")?.clone(),
        port: answer.get("port")?.parse().ok()?,
    })
}

fn nobody(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Io, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(epoch: &str, flags: &str, port: &str) -> HashMap<String, String> {
        let fields = [
            ("config-epoch", epoch),
            ("flags", flags),
            ("ip", "::1"),
            ("port", port),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn the_latest_failover_counts_then_who_sees_it_well() {
        let old = named(&answer("9", "master", "1")).unwrap();
        let down = named(&answer("10", "s_down,o_down,master", "2")).unwrap();
        let well = named(&answer("10", "master", "2")).unwrap();
        assert!(old < down && down < well);
        assert!(old.well && !down.well && well.well);
        assert_eq!(named(&answer("x", "master", "1")), None);
        assert_eq!(named(&HashMap::new()), None);
    }
}
