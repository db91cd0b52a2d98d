//! Very many listeners on three edges, and how soon the last of them knows what an operator says. No process may have
//! as many connections: each edge has a third of them, and so has each of three processes that listen.

use super::{JOINING, client};
use crate::{
    Verdict,
    cli::{IdlePlan, ListenPlan},
    crowd,
    edge::{Edge, EdgePlan, ROOM, Store},
    origin::Origin,
    report::{histogram, quantile_ms, rounded, say},
    scratch::Scratch,
};
use anyhow::{Context, ensure};
use clock::{Clock, SystemClock};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};
use testbed::RedisServer;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

const EDGES: usize = 3;
/// Connections that an edge may have beside its listeners.
const SPARE: usize = 1_000;
/// What the operator says.
const MARK: &str = "Size 42 is gone.";
/// How long all of them may take to begin, and to be told.
const LISTENING_WITHIN: Duration = Duration::from_secs(180);
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// What a process that listens says first.
const LISTENING: &str = "listening";

/// How soon who was told.
pub struct Told {
    listeners: u32,
    after: Histogram<u64>,
}

impl Told {
    pub fn all(&self) -> bool {
        self.after.len() == u64::from(self.listeners)
    }

    pub fn figures(&self) -> Vec<(&'static str, Value)> {
        let seconds = |quantile| json!(rounded(quantile_ms(&self.after, quantile) / 1000.0, 3));
        vec![
            ("edges", json!(EDGES)),
            ("listeners", json!(self.listeners)),
            ("told", json!(self.after.len())),
            ("told_within_seconds", seconds(1.0)),
            ("told_p50_seconds", seconds(0.5)),
            ("told_p99_seconds", seconds(0.99)),
        ]
    }
}

/// Lets them listen, says something, and waits until everybody has heard it.
pub async fn measure(plan: &IdlePlan, origin: &Origin) -> anyhow::Result<Told> {
    let scratch = Scratch::new("idle-told")?;
    let redis = RedisServer::start().await;
    // An edge would leave a quarter of its open files for other things; here there is nothing else.
    let room_for_all = format!(
        "[edge.clients]\nconnections_max = {}\n",
        plan.listeners as usize / EDGES + SPARE
    );
    let edge_plan = EdgePlan {
        store: Some(Store {
            url: redis.url(),
            prefix: "idle".to_owned(),
        }),
        users_per_minute: 0,
        max_active: 1,
        origin: origin.address,
        health_path: "/",
        room: &room_for_all,
    };
    let mut edges = Vec::new();
    for _ in 0..EDGES {
        edges.push(Edge::start(&scratch, &edge_plan).await?);
    }
    let first = edges.first().context("there is no edge")?;
    let crowd = crowd::join(first, plan.listeners, JOINING).await?;
    let tickets: Vec<String> = crowd.places.into_iter().map(|place| place.ticket).collect();
    let mut audience = Vec::new();
    for (index, share) in tickets.chunks(tickets.len().div_ceil(EDGES).max(1)).enumerate() {
        let edge = edges.get(index).context("a share without an edge")?;
        let file = scratch.write(&format!("tickets-{index}"), share.join("\n"))?;
        audience.push(Process::start(edge.public, index * share.len(), &file)?);
    }
    for process in &mut audience {
        let said = process.line(LISTENING_WITHIN).await?;
        ensure!(said == LISTENING, "a process that listens said {said}");
    }
    say(&format!("{} listen on {EDGES} edges", plan.listeners));
    let (began, message) = (SystemClock.unix_ms(), json!({ "text": MARK }));
    let path = format!("/rooms/{ROOM}/message");
    first.operate("PUT", &path, &message.to_string()).await?;
    let mut after = histogram()?;
    for process in &mut audience {
        let moments: Vec<u64> = serde_json::from_str(&process.line(TOLD_WITHIN).await?)?;
        for moment in moments {
            after.saturating_record(moment.saturating_sub(began) * 1_000);
        }
    }
    Ok(Told {
        listeners: plan.listeners,
        after,
    })
}

/// A process of this program that listens for many.
struct Process {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(edge: SocketAddr, first: usize, tickets: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("listen").arg(edge.to_string()).arg(tickets);
        command.arg("--first").arg(first.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("start a process that listens")?;
        let stdout = child.stdout.take().context("it has no output")?;
        Ok(Self {
            _child: child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    async fn line(&mut self, within: Duration) -> anyhow::Result<String> {
        let line = timeout(within, self.lines.next_line()).await;
        let line = line.context("a process that listens is silent")??;
        line.context("a process that listens has ended")
    }
}

/// What such a process does: it listens with each of the tickets, and prints when which listener was told.
pub async fn listen(plan: &ListenPlan) -> anyhow::Result<Verdict> {
    let tickets = std::fs::read_to_string(&plan.tickets).context("read the tickets")?;
    let asks = tickets.lines().map(|ticket| {
        let header = [("Waiting-Room-Ticket", ticket)];
        let path = format!("/.waiting-room/{ROOM}/events");
        crate::http::request("GET", plan.edge, &path, &header, "")
    });
    let listeners = client::listeners(plan.edge, plan.first, asks.collect()).await?;
    let mut listening = JoinSet::new();
    for mut listener in listeners {
        listening.spawn(async move {
            while !listener.event().await?.contains(MARK) {}
            anyhow::Ok((SystemClock.unix_ms(), listener))
        });
    }
    crate::report::line(LISTENING)?;
    // Those who know stay, as people do.
    let (mut moments, mut staying) = (Vec::new(), Vec::new());
    while let Some(told) = listening.join_next().await {
        let (moment, listener) = told??;
        moments.push(moment);
        staying.push(listener);
    }
    crate::report::line(&serde_json::to_string(&moments)?)?;
    Ok(Verdict::Passed)
}
