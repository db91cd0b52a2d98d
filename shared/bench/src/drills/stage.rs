//! What a drill takes place on: a Redis of its own, two or three edges, an origin, and a long line.

use super::{
    Drill,
    people::{Pace, People},
    shop::{HEALTH, Shop},
};
use crate::{
    cli::DrillPlan,
    crowd,
    edge::{Edge, EdgePlan, ROOM, Store},
    report::say,
    scratch::Scratch,
};
use anyhow::Context;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use testbed::{RedisSentinels, RedisServer};

/// Connections that the crowd joins over.
const JOINING: u32 = 64;
/// What is told of the edges' work besides warnings: who holds the lease.
const LOG: &str = "warn,waiting_room::rooms::follower=info";
const LEASE: &str = "the lease changed hands";
const LEADS: &str = "\"leading\":true";
/// Where a distribution puts what gives a program another time of day.
const LIBRARIES: &str = "/usr/lib";
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// Everything that runs.
pub struct Stage {
    // Dropped in this order: the edges before what they need.
    /// The edges; of the clock's drill the first has another time.
    pub edges: Vec<Arc<Edge>>,
    /// What stands behind them.
    pub shop: Shop,
    /// Where the line is.
    pub redis: Redis,
    plan: DrillPlan,
    _scratch: Scratch,
}

/// A server, or one with a replica.
pub enum Redis {
    Server(RedisServer),
    Sentinels(RedisSentinels),
}

impl Redis {
    /// The server that is killed, wiped or frozen.
    pub fn server(&mut self) -> &mut RedisServer {
        match self {
            Self::Server(server) => server,
            Self::Sentinels(sentinels) => &mut sentinels.servers()[0],
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Server(server) => server.url(),
            Self::Sentinels(sentinels) => sentinels.url(),
        }
    }
}

impl Stage {
    /// Starts everything; the doors are shut.
    pub async fn set(plan: &DrillPlan) -> anyhow::Result<Self> {
        let scratch = Scratch::new("drill")?;
        let redis = match plan.drill {
            Drill::RedisFailover => Redis::Sentinels(RedisSentinels::start().await),
            _ => Redis::Server(RedisServer::durable().await),
        };
        let shop = Shop::open().await?;
        // Sessions end as soon as their passes say, so that they can be counted from outside.
        let room = format!(
            "method = \"fifo\"\nclaim_window_seconds = 120\nsession = {{ length_seconds = {}, sliding = false }}\n",
            plan.session_seconds
        );
        let edge_plan = EdgePlan {
            store: Some(Store {
                url: redis.url(),
                prefix: "drill".to_owned(),
            }),
            users_per_minute: plan.users_per_minute,
            max_active: plan.max_active,
            origin: shop.address,
            health_path: HEALTH,
            room: &room,
        };
        say(&format!(
            "{}: starting {} edges ...",
            plan.drill.name(),
            edges_of(plan.drill)
        ));
        let mut edges = Vec::new();
        for index in 0..edges_of(plan.drill) {
            let mut environment = vec![("RUST_LOG", LOG.to_owned())];
            if index == 0 && plan.drill == Drill::EdgeClock {
                environment.extend(an_hour_fast()?);
            }
            let environment: Vec<(&str, &str)> = environment
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            edges.push(Arc::new(
                Edge::start_in(&scratch, &edge_plan, &environment).await?,
            ));
        }
        Ok(Self {
            edges,
            shop,
            redis,
            plan: plan.clone(),
            _scratch: scratch,
        })
    }

    /// Everybody joins while the doors are shut.
    pub async fn people(&self) -> anyhow::Result<Arc<People>> {
        let plan = &self.plan;
        let edge = self.edges.first().context("there is no edge")?;
        edge.operate("POST", &format!("/rooms/{ROOM}/pause"), "").await?;
        let crowd = crowd::join(edge, plan.shoppers, JOINING).await?;
        say(&format!("{} joined in {:.1} s", plan.shoppers, crowd.seconds));
        let pace = Pace {
            polls: plan.polls_per_second,
            joins: plan.joins_per_second,
            visits: plan.visits_per_second,
            intrusions: plan.intrusions_per_second,
        };
        // As many as can come in while a drill lasts; and somebody is left to be watched.
        let front = plan.front.min(plan.shoppers / 2) as usize;
        Ok(People::new(
            &self.edges,
            crowd.places,
            front,
            plan.sample as usize,
            pace,
        ))
    }

    /// From now on people are called.
    pub async fn open_doors(&self) -> anyhow::Result<()> {
        let edge = self.edges.first().context("there is no edge")?;
        edge.operate("POST", &format!("/rooms/{ROOM}/resume"), "").await?;
        Ok(())
    }

    /// The edge that decides: the one that was the last to say so, and has not said otherwise.
    pub fn deciding(&self) -> Option<&Arc<Edge>> {
        self.edges.iter().find(|edge| {
            let output = edge.output();
            let last = output.lines().rfind(|line| line.contains(LEASE));
            last.is_some_and(|line| line.contains(LEADS))
        })
    }
}

/// A line's edges: two where Redis is what breaks.
pub fn edges_of(drill: Drill) -> usize {
    match drill {
        Drill::RedisKill
        | Drill::RedisFlushall
        | Drill::RedisOlder
        | Drill::RedisFreeze
        | Drill::RedisFailover => 2,
        _ => 3,
    }
}

/// What makes a program believe that it is an hour later than it is.
fn an_hour_fast() -> anyhow::Result<Vec<(&'static str, String)>> {
    let library = faketime(Path::new(LIBRARIES))
        .context("there is no libfaketime (Debian: apt-get install libfaketime)")?;
    Ok(vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", "+1h".to_owned()),
        // Only the time of day is wrong: nobody waits for an hour.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}

/// In the folder itself, or in the one of the machine's kind.
fn faketime(libraries: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(libraries)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let mut candidates = folders
        .chain([libraries.to_owned()])
        .map(|folder| folder.join(FAKETIME));
    candidates.find(|library| library.is_file())
}
