//! Drills: something breaks while a hundred thousand stand in line, and nobody may lose by it. Redis is killed, wiped,
//! put back to what it was, frozen, or fails over; edges are killed, frozen, or have the wrong time; the origin is
//! down, slow, or talks nonsense. Meanwhile people poll, join, come in and shop, and intruders try to get through.

mod balancer;
mod doings;
mod edges;
mod intruders;
mod ledger;
mod origin;
mod people;
mod record;
mod redis;
mod shop;
mod stage;
mod verdict;

use crate::{Verdict, cli::DrillPlan, report::say};
use clap::ValueEnum;
use people::People;
use stage::Stage;
use std::{sync::Arc, time::Duration};
use testbed::within;
use tokio::time::{Instant, sleep};

/// How long the shop may take to fill before something breaks.
const FULL_WITHIN: Duration = Duration::from_secs(60);
/// How long somebody may take to come in afterwards; ten seconds are allowed, and what it took is told.
const ADMITTED_WITHIN: Duration = Duration::from_secs(60);
/// How long it goes on after that.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Redis is killed, and started again after some seconds.
    RedisKill,
    /// Redis is wiped.
    RedisFlushall,
    /// Redis is started with a file of some seconds ago.
    RedisOlder,
    /// Redis stands still for five seconds.
    RedisFreeze,
    /// The master is killed, and its replica has not heard the last second.
    RedisFailover,
    /// The edge that decides is killed.
    EdgeKill,
    /// All edges are killed, and started again.
    EdgesKill,
    /// An edge whose clock is an hour fast has to decide alone.
    EdgeClock,
    /// The edge that decides stands still for longer than its lease, and wakes.
    EdgePause,
    /// The origin is down, slow, flapping, and talks nonsense, in turn.
    Origin,
}

/// What was done, and since when it could have gone on.
pub struct Done {
    /// In a few words.
    pub what: &'static str,
    /// From when on somebody should come in.
    pub since: Instant,
}

impl Drill {
    /// As it is called at the command line.
    fn name(self) -> String {
        let name = self.to_possible_value();
        format!(
            "drill-{}",
            name.as_ref().map(|name| name.get_name()).unwrap_or_default()
        )
    }

    async fn happen(self, stage: &mut Stage) -> anyhow::Result<Done> {
        match self {
            Self::RedisKill => redis::kill(stage).await,
            Self::RedisFlushall => redis::flushall(stage),
            Self::RedisOlder => redis::older(stage).await,
            Self::RedisFreeze => redis::freeze(stage).await,
            Self::RedisFailover => redis::failover(stage).await,
            Self::EdgeKill => edges::kill_one(stage).await,
            Self::EdgesKill => edges::kill_all(stage).await,
            Self::EdgeClock => edges::wrong_clock(stage).await,
            Self::EdgePause => edges::pause(stage).await,
            Self::Origin => origin::misbehave(stage).await,
        }
    }
}

pub async fn measure(plan: &DrillPlan) -> anyhow::Result<Verdict> {
    let mut stage = Stage::set(plan).await?;
    let people = stage.people().await?;
    let done = tokio::select! {
        done = tell(plan, &mut stage, &people) => done?,
        never = Arc::clone(&people).live() => return never.map(|()| Verdict::Failed),
    };
    // Nobody asks any more while everybody's place is looked at.
    people.audit(&stage.edges).await?;
    verdict::judge(plan, &done, &stage, &people)
}

/// From a full shop to some seconds after it has gone on.
async fn tell(plan: &DrillPlan, stage: &mut Stage, people: &People) -> anyhow::Result<Done> {
    stage.open_doors().await?;
    let full = async || (people.ledger.alive() * 100 >= u64::from(plan.max_active) * 98).then_some(());
    anyhow::ensure!(
        within(FULL_WITHIN, full).await.is_some(),
        "the shop does not fill: {}",
        people.ledger.progress()
    );
    say(&format!("the shop is full: {}", people.ledger.progress()));
    let done = plan.drill.happen(stage).await?;
    say(&format!("{}: {}", done.what, people.ledger.progress()));
    let admitted = within(ADMITTED_WITHIN, async || people.ledger.admitted_after(done.since)).await;
    say(&format!(
        "admitted after {admitted:?}: {}",
        people.ledger.progress()
    ));
    sleep(AFTERWARDS).await;
    for edge in &stage.edges {
        edge.deals().await?;
    }
    Ok(done)
}
