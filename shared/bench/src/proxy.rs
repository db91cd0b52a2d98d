//! How many requests with a pass go through the edge to what stands behind it, against nginx in front of the same.

use crate::{
    Verdict,
    cli::ProxyPlan,
    cpu::Spent,
    crowd,
    edge::{Edge, EdgePlan, ROOM},
    http::{self, Connection},
    nginx::Nginx,
    report::{median, print, rounded, say},
    scratch::Scratch,
    wrk::{Measured, THREADS, Wrk},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

/// Connections that let the shoppers in.
const CLAIMING: u32 = 16;
/// Of the page behind both.
const BODY_BYTES: usize = 100;

pub async fn measure(plan: &ProxyPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("proxy")?;
    let upstream = Nginx::start(&scratch, BODY_BYTES).await?;
    let nginx = Nginx::in_front_of(&scratch, upstream.address).await?;
    let edge_plan = EdgePlan {
        store: None,
        users_per_minute: 1_000_000,
        max_active: 1_000_000,
        origin: upstream.address,
        health_path: "/",
        room: "",
    };
    let edge = Arc::new(Edge::start(&scratch, &edge_plan).await?);
    let crowd = crowd::join(&edge, plan.shoppers, CLAIMING).await?;
    let passes = crowd::admit(&edge, crowd.places, CLAIMING).await?;
    let cookies: Vec<String> = passes
        .iter()
        .map(|pass| format!("waiting-room-pass-{ROOM}={pass}"))
        .collect();
    goes_through(&edge, cookies.first().context("nobody was let in")?).await?;

    let wrk = Wrk::new(&scratch, "Cookie", &cookies, plan.connections, plan.seconds)?;
    let edge_url = format!("http://{}/", edge.public);
    let nginx_url = format!("http://{}/", nginx.address);
    let (mut ours, mut references) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let run = Run::of(&wrk, &edge_url, edge.id()?, upstream.id()).await?;
        let reference = Run::of(&wrk, &nginx_url, nginx.id(), upstream.id()).await?;
        say(&format!(
            "round {round} of {}: {:.0}/s ({:.1} us CPU each), nginx {:.0}/s ({:.1} us)",
            plan.rounds,
            run.measured.rate(),
            run.user_us() + run.system_us(),
            reference.measured.rate(),
            reference.user_us() + reference.system_us(),
        ));
        ours.push(run);
        references.push(reference);
    }
    print(&result(plan, &ours, &references))?;
    Ok(Verdict::Passed)
}

/// What is measured is the upstream's page, asked for with a pass, and nothing else.
async fn goes_through(edge: &Edge, cookie: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(edge.public).await?;
    let asked = http::request("GET", edge.public, "/", &[("Cookie", cookie)], "");
    let answer = connection.exchange(&asked).await?;
    ensure!(
        answer.status == 200 && answer.body.len() == BODY_BYTES,
        "a request with a pass was answered {} {}",
        answer.status,
        answer.text()
    );
    let without = http::request("GET", edge.public, "/", &[], "");
    let answer = connection.exchange(&without).await?;
    ensure!(
        answer.status == 429,
        "without a pass one is answered {}",
        answer.status
    );
    Ok(())
}

/// One load, and what it cost whom.
struct Run {
    measured: Measured,
    proxy: Spent,
    upstream: Spent,
}

impl Run {
    async fn of(wrk: &Wrk, url: &str, proxy: u32, upstream: u32) -> anyhow::Result<Self> {
        let before = (Spent::by_group(proxy)?, Spent::by_group(upstream)?);
        let measured = wrk.load(url).await?;
        Ok(Self {
            measured,
            proxy: Spent::by_group(proxy)? - before.0,
            upstream: Spent::by_group(upstream)? - before.1,
        })
    }

    fn user_us(&self) -> f64 {
        self.each_us(self.proxy.user)
    }

    fn system_us(&self) -> f64 {
        self.each_us(self.proxy.system)
    }

    fn upstream_us(&self) -> f64 {
        self.each_us(self.upstream.total())
    }

    #[expect(clippy::cast_precision_loss, reason = "requests of some seconds")]
    fn each_us(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.measured.requests() as f64
    }
}

fn result(plan: &ProxyPlan, ours: &[Run], references: &[Run]) -> Vec<(&'static str, Value)> {
    let middle = |runs: &[Run], figure: fn(&Run) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
    let told = |runs: &[Run], figure| json!(rounded(middle(runs, figure), 2));
    let rate: fn(&Run) -> f64 = |run| run.measured.rate();
    let (value, reference) = (middle(ours, rate), middle(references, rate));
    let p50: fn(&Run) -> f64 = |run| run.measured.p50_ms();
    let p99: fn(&Run) -> f64 = |run| run.measured.p99_ms();
    vec![
        ("bench", json!("proxy")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("requests/s")),
        ("reference", json!(rounded(reference, 0))),
        ("reference_is", json!("nginx proxy_pass with keepalive")),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", told(ours, p50)),
        ("p99_ms", told(ours, p99)),
        ("reference_p50_ms", told(references, p50)),
        ("reference_p99_ms", told(references, p99)),
        ("user_us_per_request", told(ours, Run::user_us)),
        ("system_us_per_request", told(ours, Run::system_us)),
        ("reference_user_us_per_request", told(references, Run::user_us)),
        (
            "reference_system_us_per_request",
            told(references, Run::system_us),
        ),
        ("upstream_us_per_request", told(ours, Run::upstream_us)),
        (
            "reference_upstream_us_per_request",
            told(references, Run::upstream_us),
        ),
        ("passes", json!(plan.shoppers)),
        ("connections", json!(plan.connections)),
        ("wrk_threads", json!(THREADS)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ]
}
