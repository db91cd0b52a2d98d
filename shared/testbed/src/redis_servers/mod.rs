//! Redis servers of a test's own: one, a master with a replica and sentinels, a cluster. They can be killed, paused,
//! started again, and put back to what they had on disk earlier.

mod cluster;
mod sentinels;
mod server;

pub use cluster::RedisCluster;
pub use sentinels::RedisSentinels;
pub use server::{DiskCopy, RedisServer};

use std::time::Duration;

/// How long servers may take to find each other: generous, because the machine may be compiling.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A server that is silent for this long counts as dead to sentinels and to the other servers of a cluster.
const DEAD_AFTER: Duration = Duration::from_millis(1_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;
    use ::redis::cmd;

    pub(super) fn write(server: &RedisServer, value: u32) {
        let mut write = cmd("SET");
        server.ask::<()>(write.arg("key").arg(value)).unwrap();
    }

    pub(super) fn read(server: &RedisServer) -> Option<u32> {
        server.ask(cmd("GET").arg("key")).unwrap()
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
