//! The drill of those who never come: three edges on one Redis, people always waiting, and of those who are called most
//! go away without a word. The claims must meet the rate all the same, never may more be in than `max_active`, and what
//! an operator says to one edge must hold at all of them within a second.

mod minutes;
mod shoppers;
mod tally;
mod verdict;
mod watch;

use crate::{
    Verdict,
    cli::NoShowsPlan,
    edge::{Edge, EdgePlan, ROOM, Store},
    http::Connection,
    origin::Origin,
    report::say,
    scratch::Scratch,
};
use anyhow::{Context, ensure};
use minutes::Timeline;
use serde_json::{Value, json};
use shoppers::Crowd;
use std::{sync::Arc, time::Duration};
use testbed::{RedisNamespace, within};
use tokio::time::{Instant, sleep_until};
use watch::Watch;

const EDGES: usize = 3;
/// How long it may take until everybody stands in line.
const IN_LINE_WITHIN: Duration = Duration::from_secs(120);
/// How long an edge is looked at until it shows another rate.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// The minute that begins with another rate, and the one in which `max_active` is lowered for its first half.
const RATE_CHANGES_AT: u32 = 3;
const LOWERED_AT: u32 = 4;
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What the operator did, and how long the slowest edge took to show the new rate.
struct Story {
    timeline: Timeline,
    rate_change: Duration,
    lowered_to: u32,
    /// What the first edge said at the end.
    room: Value,
}

pub async fn measure(plan: &NoShowsPlan) -> anyhow::Result<Verdict> {
    let plan = plan.in_effect();
    ensure!(
        plan.minutes > LOWERED_AT,
        "the drill has at least {} minutes",
        LOWERED_AT + 1
    );
    ensure!(plan.no_shows_percent < 100, "somebody must come");
    let scratch = Scratch::new("drill-no-shows")?;
    let redis = RedisNamespace::try_fresh()?;
    let origin = Origin::start().await?;
    say("starting three edges ...");
    let edges = start_edges(&plan, &scratch, &redis, &origin).await?;
    edges[0]
        .operate("POST", &format!("/rooms/{ROOM}/pause"), "")
        .await?;
    let session = Duration::from_secs(plan.session_seconds);
    let (crowd, called) = Crowd::at(&edges, plan.no_shows_percent, session);
    let watch = Watch::at(&redis, plan.max_active()).await?;
    let mut samples = Vec::new();
    let story = tokio::select! {
        story = tell(&plan, &edges, &crowd) => story?,
        ended = Arc::clone(&crowd).keep_coming(plan.shoppers, called) => return ended.map(|()| Verdict::Failed),
        ended = watch.sample(&crowd.tally, &mut samples) => return ended.map(|()| Verdict::Failed),
    };
    verdict::judge(&plan, &story, &crowd.tally, &samples)
}

async fn start_edges(
    plan: &NoShowsPlan,
    scratch: &Scratch,
    redis: &RedisNamespace,
    origin: &Origin,
) -> anyhow::Result<Vec<Arc<Edge>>> {
    // Sessions end as soon as their passes say, so that they can be counted from outside.
    let room = format!(
        "claim_window_seconds = {}\nsession = {{ length_seconds = {}, sliding = false }}\n",
        plan.claim_window_seconds, plan.session_seconds
    );
    let edge_plan = EdgePlan {
        store: Some(Store::of(redis)),
        users_per_minute: plan.users_per_minute,
        max_active: plan.max_active(),
        origin: origin.address,
        health_path: "/",
        room: &room,
    };
    let mut edges = Vec::new();
    for _ in 0..EDGES {
        edges.push(Arc::new(Edge::start(scratch, &edge_plan).await?));
    }
    Ok(edges)
}

/// Everything that the operator does, from the first in line to the end.
async fn tell(plan: &NoShowsPlan, edges: &[Arc<Edge>], crowd: &Crowd) -> anyhow::Result<Story> {
    let operator = edges.first().context("there is no edge")?;
    everybody_in_line(plan, operator).await?;
    operator
        .operate("POST", &format!("/rooms/{ROOM}/resume"), "")
        .await?;
    let began = Instant::now();
    let minute = Duration::from_secs(plan.minute_seconds);
    say("the doors are open");
    pass_time(operator, crowd, began + minute * RATE_CHANGES_AT).await?;
    let changed = Instant::now();
    let rate_change = change_rate(edges, plan.then_users_per_minute).await?;
    say(&format!("every edge shows the new rate after {rate_change:?}"));
    let lowered_to = (plan.max_active() / 2).max(1);
    pass_time(operator, crowd, began + minute * LOWERED_AT).await?;
    let lowered = Instant::now();
    set_limits(operator, &json!({ "max_active": lowered_to })).await?;
    pass_time(operator, crowd, began + minute * LOWERED_AT + minute / 2).await?;
    set_limits(operator, &json!({ "max_active": plan.max_active() })).await?;
    let timeline = Timeline {
        began,
        minute,
        minutes: plan.minutes,
        rates: vec![
            (began, plan.users_per_minute),
            (changed, plan.then_users_per_minute),
        ],
        lowered: (lowered, Instant::now()),
    };
    pass_time(operator, crowd, timeline.ends()).await?;
    Ok(Story {
        timeline,
        rate_change,
        lowered_to,
        room: ask(operator).await?,
    })
}

async fn ask(edge: &Edge) -> anyhow::Result<Value> {
    edge.operate("GET", &format!("/rooms/{ROOM}"), "").await
}

async fn everybody_in_line(plan: &NoShowsPlan, edge: &Edge) -> anyhow::Result<()> {
    let all = async || {
        let waiting = ask(edge).await.ok()?["waiting"].as_u64()?;
        (waiting >= u64::from(plan.shoppers)).then_some(())
    };
    within(IN_LINE_WITHIN, all)
        .await
        .context("not everybody stands in line")
}

/// Says how it goes until then.
async fn pass_time(edge: &Edge, crowd: &Crowd, until: Instant) -> anyhow::Result<()> {
    while Instant::now() < until {
        sleep_until(until.min(Instant::now() + TOLD_EVERY)).await;
        let room = ask(edge).await?;
        say(&format!(
            "{} wait, {} called, {} in of {} (by the shoppers {}), turnout {}",
            room["waiting"],
            room["called"],
            room["active_sessions"],
            room["max_active"],
            crowd.tally.alive(),
            room["turnout"]
        ));
    }
    Ok(())
}

async fn set_limits(edge: &Edge, limits: &Value) -> anyhow::Result<()> {
    say(&format!("limits: {limits}"));
    let path = format!("/rooms/{ROOM}/limits");
    edge.operate("PATCH", &path, &limits.to_string())
        .await
        .map(|_| ())
}

/// Tells the first edge another rate; answers how long it took, from asking on, until the last edge showed it.
async fn change_rate(edges: &[Arc<Edge>], rate: u32) -> anyhow::Result<Duration> {
    let [first, second, third] = edges else {
        anyhow::bail!("the drill has {EDGES} edges");
    };
    let asked = Instant::now();
    let limits = json!({ "users_per_minute": rate });
    let ((), first, second, third) = tokio::try_join!(
        set_limits(first, &limits),
        shown(first, rate, asked),
        shown(second, rate, asked),
        shown(third, rate, asked),
    )?;
    Ok(first.max(second).max(third))
}

/// How long it took until operators and the public see the rate at this edge.
async fn shown(edge: &Edge, rate: u32, asked: Instant) -> anyhow::Result<Duration> {
    let mut public = Connection::open(edge.public).await?;
    let snapshot = edge.room_request("GET", "", None);
    let shows = async || {
        let told: Value = public.exchange(&snapshot).await.ok()?.json(&[200]).ok()?;
        let operators = ask(edge).await.ok()?;
        let both = [told, operators];
        both.iter()
            .all(|room| room["users_per_minute"] == rate)
            .then(|| asked.elapsed())
    };
    within(SHOWN_WITHIN, shows)
        .await
        .context("an edge does not show the new rate")
}
