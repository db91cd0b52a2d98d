//! What befalls Redis.

use super::{
    Done,
    stage::{Redis, Stage},
};
use anyhow::bail;
use redis::cmd;
use std::time::Duration;
use testbed::within;
use tokio::time::{Instant, sleep};

/// How long it is away when it is killed.
const AWAY: Duration = Duration::from_secs(3);
/// How long it stands still.
const FROZEN: Duration = Duration::from_secs(5);
/// How old the file is that it is started with.
const OLDER: Duration = Duration::from_secs(5);
/// How much of the last writes the replica has not heard.
const UNHEARD: Duration = Duration::from_secs(1);
/// How long the sentinels may take to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(60);

pub async fn kill(stage: &mut Stage) -> anyhow::Result<Done> {
    let server = stage.redis.server();
    server.kill_9();
    sleep(AWAY).await;
    server.start_again().await;
    Ok(Done {
        what: "Redis was killed, and started again after three seconds",
        since: Instant::now(),
    })
}

pub fn flushall(stage: &mut Stage) -> anyhow::Result<Done> {
    stage.redis.server().ask::<()>(&cmd("FLUSHALL"))?;
    Ok(Done {
        what: "Redis was wiped",
        since: Instant::now(),
    })
}

pub async fn older(stage: &mut Stage) -> anyhow::Result<Done> {
    let server = stage.redis.server();
    let disk = server.copy_disk();
    sleep(OLDER).await;
    server.put_back(&disk);
    server.start_again().await;
    Ok(Done {
        what: "Redis was killed, and started with its file of five seconds before",
        since: Instant::now(),
    })
}

pub async fn freeze(stage: &mut Stage) -> anyhow::Result<Done> {
    let server = stage.redis.server();
    server.pause();
    sleep(FROZEN).await;
    server.resume();
    Ok(Done {
        what: "Redis stood still for five seconds",
        since: Instant::now(),
    })
}

pub async fn failover(stage: &mut Stage) -> anyhow::Result<Done> {
    let Redis::Sentinels(sentinels) = &mut stage.redis else {
        bail!("this Redis has no sentinels");
    };
    sentinels.caught_up(1).await;
    sentinels.cut_replication(0).await;
    sleep(UNHEARD).await;
    sentinels.servers()[0].kill_9();
    let second = sentinels.servers()[1].address();
    if within(AGREED_WITHIN, async || sentinels.agree_on(second).then_some(()))
        .await
        .is_none()
    {
        bail!("the sentinels do not agree on another master");
    }
    Ok(Done {
        what: "the master was killed, and its replica, which had not heard the last second, took over",
        since: Instant::now(),
    })
}
