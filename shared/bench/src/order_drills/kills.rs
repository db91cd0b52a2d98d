//! Kills at random moments, a hundred in all.

use super::{
    audit,
    program::Victim,
    seed_of,
    shoppers::Shoppers,
    stage::Stage,
    verdict::{Story, judge},
};
use crate::{Verdict, cli::KillsPlan, report::say};
use anyhow::Context;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::json;
use std::time::Duration;
use testbed::{PostgresServer, RabbitServers};
use tokio::time::{Instant, sleep, sleep_until};

/// Who is killed.
const VICTIMS: [&str; 4] = ["order-worker", "catalog-api", "rabbitmq", "postgresql"];
/// How long everybody orders in peace before and after.
const CALM: Duration = Duration::from_secs(2);
const DISK_FREE_LIMIT: &str = "50MB";

/// The moments at which one of them is killed.
#[derive(Debug, Clone)]
struct Fate {
    name: &'static str,
    kills: u32,
    window: Duration,
    began: Instant,
    rng: Xoshiro256PlusPlus,
}

pub async fn measure(plan: &KillsPlan) -> anyhow::Result<Verdict> {
    let seed = seed_of(&plan.orderers);
    say(&format!("seed {seed}: starting PostgreSQL and RabbitMQ ..."));
    let servers = tokio::join!(PostgresServer::start(), RabbitServers::start(1, DISK_FREE_LIMIT));
    let mut stage = Stage::set(&plan.orderers, servers.0, servers.1).await?;
    let shoppers = Shoppers::come(&plan.orderers, seed, &stage).await?;
    sleep(CALM).await;
    let began = Instant::now();
    let kills = kill_all(plan, seed, &mut stage).await?;
    let took = began.elapsed();
    say(&format!(
        "{} orders were taken; everybody goes home",
        shoppers.ledger.count()
    ));
    sleep(CALM).await;
    let ledger = shoppers.go_home().await?;
    let (findings, counts) = audit::audit(&stage, &ledger).await?;
    let of = |name: &str, index: usize| (name.to_owned(), json!(kills[index]));
    let by_name: serde_json::Map<_, _> = (0..).zip(VICTIMS).map(|(index, name)| of(name, index)).collect();
    let story = Story {
        name: "drill-kills",
        kills: kills.iter().map(|kills| u64::from(*kills)).sum(),
        more: vec![
            ("killed", json!(by_name)),
            ("seconds", json!(took.as_secs())),
            ("seed", json!(seed)),
        ],
        is_well: true,
    };
    judge(story, &ledger, &findings, &counts)
}

/// Each of the four has a fate of its own, so that one is killed while another comes back.
async fn kill_all(plan: &KillsPlan, seed: u64, stage: &mut Stage) -> anyhow::Result<[u32; 4]> {
    let began = Instant::now();
    let fate = |index: usize| {
        let share = u32::try_from(index).unwrap_or_default();
        Fate {
            name: VICTIMS[index],
            kills: (plan.kills + 3 - share) / 4,
            window: Duration::from_secs(u64::from(plan.window_seconds)),
            began,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(u64::from(share) << 32)),
        }
    };
    let node = stage.rabbit.nodes().first_mut().context("there is no RabbitMQ")?;
    let (worker, catalog) = (&mut stage.worker, &mut stage.catalog);
    let kills = tokio::try_join!(
        fate(0).befall(worker),
        fate(1).befall(catalog),
        fate(2).befall(node),
        fate(3).befall(&mut stage.postgres),
    )?;
    Ok(kills.into())
}

impl Fate {
    /// Kills it once in every window, at any moment of its first half, and starts it again at once. On a machine that is so
    /// busy that this takes longer than the window, it still has a while to work before the next kill. Answers how often.
    async fn befall(mut self, victim: &mut impl Victim) -> anyhow::Result<u32> {
        let mut back_at = self.began;
        for turn in 0..self.kills {
            let into = self.window.mul_f64(self.rng.random_range(0.0..0.5));
            let planned = self.began + self.window * turn + into;
            sleep_until(planned.max(back_at + self.window / 3)).await;
            victim.kill_9().await;
            let at = self.began.elapsed();
            victim.start_again().await?;
            back_at = Instant::now();
            say(&format!(
                "{:5.1} s: {} was killed for the {}. time, and is back after {:.1?}",
                at.as_secs_f64(),
                self.name,
                turn + 1,
                self.began.elapsed() - at
            ));
        }
        Ok(self.kills)
    }
}
