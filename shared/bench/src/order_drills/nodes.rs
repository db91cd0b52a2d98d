//! A cluster of three RabbitMQ nodes loses one after the other.

use super::{
    audit, seed_of,
    shoppers::Shoppers,
    stage::Stage,
    verdict::{Story, judge},
};
use crate::{
    Verdict,
    cli::NodesPlan,
    report::{rounded, say},
};
use serde_json::json;
use std::time::Duration;
use testbed::{PostgresServer, RabbitServers, within};
use tokio::time::{Instant, sleep};

const NODES: usize = 3;
const DISK_FREE_LIMIT: &str = "50MB";
/// How long everybody orders in peace before, between and after.
const CALM: Duration = Duration::from_secs(4);
/// How long a node is away after somebody could order again.
const AWAY: Duration = Duration::from_secs(4);
/// Within this somebody must be able to order while a node is away.
const ON_WITHIN: Duration = Duration::from_secs(30);

pub async fn measure(plan: &NodesPlan) -> anyhow::Result<Verdict> {
    let seed = seed_of(&plan.orderers);
    say(&format!(
        "seed {seed}: starting PostgreSQL and {NODES} nodes of RabbitMQ ..."
    ));
    let servers = tokio::join!(
        PostgresServer::start(),
        RabbitServers::start(NODES, DISK_FREE_LIMIT)
    );
    let mut stage = Stage::set(&plan.orderers, servers.0, servers.1).await?;
    let shoppers = Shoppers::come(&plan.orderers, seed, &stage).await?;
    let mut longest = Some(Duration::ZERO);
    for turn in 0..plan.kills {
        sleep(CALM).await;
        let without = lose_one(&mut stage, &shoppers, turn as usize % NODES).await;
        longest = longest
            .zip(without)
            .map(|(longest, without)| longest.max(without));
    }
    sleep(CALM).await;
    let ledger = shoppers.go_home().await?;
    let (findings, counts) = audit::audit(&stage, &ledger).await?;
    let longest = longest.map(|longest| rounded(longest.as_secs_f64(), 2));
    let story = Story {
        name: "drill-broker-nodes",
        kills: u64::from(plan.kills),
        more: vec![
            ("nodes", json!(NODES)),
            ("seconds_without_orders", json!(longest)),
            ("seed", json!(seed)),
        ],
        is_well: longest.is_some(),
    };
    judge(story, &ledger, &findings, &counts)
}

/// Kills a node, and starts it again some seconds after somebody could order without it. Answers how long nobody could.
async fn lose_one(stage: &mut Stage, shoppers: &Shoppers, number: usize) -> Option<Duration> {
    let node = &mut stage.rabbit.nodes()[number];
    node.kill_9().await;
    let since = Instant::now();
    let on = within(ON_WITHIN, async || shoppers.ledger.decided_after(since)).await;
    say(&format!(
        "node {number} was killed; the next order that was begun after that was held after {on:.1?}"
    ));
    if on.is_none() {
        say(&stage.catalog.last_words());
        say(&stage.worker.last_words());
    }
    sleep(AWAY).await;
    let node = &mut stage.rabbit.nodes()[number];
    node.start_again().await;
    say(&format!(
        "node {number} is back; {} orders were taken so far",
        shoppers.ledger.count()
    ));
    on
}
