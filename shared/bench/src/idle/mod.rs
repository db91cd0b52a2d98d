//! What it costs an edge to keep people: memory for a connection that is idle after a poll, for one that is idle after
//! a request to the shop, and for a listener to events; and how soon very many listeners are told of a change.

mod client;
mod footprint;
mod told;

pub use told::listen;

use crate::{
    Verdict,
    cli::IdlePlan,
    crowd::{self, Place},
    edge::{Edge, EdgePlan},
    http,
    origin::Origin,
    report::{print, rounded, say},
    scratch::Scratch,
};
use anyhow::ensure;
use client::Held;
use footprint::Footprint;
use serde_json::{Value, json};
use std::sync::Arc;

/// Connections for joins and claims beforehand.
const JOINING: u32 = 64;
/// A pass is for one person: so many connections share one.
const CONNECTIONS_A_PASS: u32 = 10;

pub async fn measure(plan: &IdlePlan) -> anyhow::Result<Verdict> {
    let origin = Origin::start().await?;
    let polled = after_polls(plan, &origin).await?;
    let proxied = after_requests(plan, &origin).await?;
    let listening = listeners(plan, &origin).await?;
    let told = told::measure(plan, &origin).await?;
    let mut fields = vec![
        ("bench", json!("idle")),
        ("connections", json!(plan.connections)),
        ("kib_per_idle_connection", polled.rss()),
        ("kib_per_idle_connection_after_proxy", proxied.rss()),
        ("kib_per_listener", listening.rss()),
        ("pss_kib_per_idle_connection", polled.pss()),
        ("pss_kib_per_idle_connection_after_proxy", proxied.pss()),
        ("pss_kib_per_listener", listening.pss()),
        ("edge_rss_mib_before", polled.before()),
    ];
    fields.extend(told.figures());
    print(&fields)?;
    Ok(if told.all() {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// What so many connections added to an edge.
struct Added {
    before: Footprint,
    after: Footprint,
    connections: u32,
}

impl Added {
    fn rss(&self) -> Value {
        self.each(self.after.rss_kib, self.before.rss_kib)
    }

    fn pss(&self) -> Value {
        self.each(self.after.pss_kib, self.before.pss_kib)
    }

    fn before(&self) -> Value {
        json!(rounded(self.before.rss_kib / 1024.0, 1))
    }

    fn each(&self, after: f64, before: f64) -> Value {
        json!(rounded((after - before) / f64::from(self.connections), 2))
    }
}

/// Everybody has asked once where they stand.
async fn after_polls(plan: &IdlePlan, origin: &Origin) -> anyhow::Result<Added> {
    let (edge, places) = waiting(plan, origin, "idle-polls").await?;
    let poll = |index: usize| {
        let ticket = places.get(index).map(|place| place.ticket.as_str());
        edge.room_request("GET", "/status", ticket)
    };
    added(plan, &edge, "polled", poll).await
}

/// Everybody has seen a page of the shop.
async fn after_requests(plan: &IdlePlan, origin: &Origin) -> anyhow::Result<Added> {
    let scratch = Scratch::new("idle-requests")?;
    let edge = Arc::new(Edge::start(&scratch, &edge_plan(origin, 1_000_000)).await?);
    let shoppers = plan.connections.div_ceil(CONNECTIONS_A_PASS);
    let crowd = crowd::join(&edge, shoppers, JOINING).await?;
    let passes = crowd::admit(&edge, crowd.places, JOINING).await?;
    let visit = |index: usize| {
        let pass = passes.get(index / CONNECTIONS_A_PASS as usize);
        let header = pass.map(|pass| ("Waiting-Room-Pass", pass.as_str()));
        http::request("GET", edge.public, "/", header.as_slice(), "")
    };
    added(plan, &edge, "were in the shop", visit).await
}

/// Everybody listens, and has been told once.
async fn listeners(plan: &IdlePlan, origin: &Origin) -> anyhow::Result<Added> {
    let (edge, places) = waiting(plan, origin, "idle-listeners").await?;
    let before = Footprint::settled(edge.id()?).await?;
    let asks = places
        .iter()
        .map(|place| edge.room_request("GET", "/events", Some(&place.ticket)));
    let listeners = client::listeners(edge.public, 0, asks.collect()).await?;
    let after = Footprint::settled(edge.id()?).await?;
    let open = listeners.iter().filter(|listener| listener.is_open()).count();
    ensure!(open == places.len(), "{open} of {} still listen", places.len());
    say(&format!(
        "{open} listen: {} KiB before, {} after",
        before.rss_kib, after.rss_kib
    ));
    Ok(Added {
        before,
        after,
        connections: plan.connections,
    })
}

/// An edge where as many wait as connections are asked for.
async fn waiting(plan: &IdlePlan, origin: &Origin, what: &str) -> anyhow::Result<(Edge, Vec<Place>)> {
    let scratch = Scratch::new(what)?;
    let edge = Edge::start(&scratch, &edge_plan(origin, 0)).await?;
    let crowd = crowd::join(&edge, plan.connections, JOINING).await?;
    Ok((edge, crowd.places))
}

async fn added(
    plan: &IdlePlan,
    edge: &Edge,
    what: &str,
    request: impl Fn(usize) -> Vec<u8>,
) -> anyhow::Result<Added> {
    let before = Footprint::settled(edge.id()?).await?;
    let asks = (0..plan.connections as usize).map(request).collect();
    let held = Held::open(edge.public, asks).await?;
    let after = Footprint::settled(edge.id()?).await?;
    let open = held.open_ones();
    ensure!(
        open == plan.connections as usize,
        "{open} of {} connections are still open",
        plan.connections
    );
    say(&format!(
        "{open} {what}: {} KiB before, {} after",
        before.rss_kib, after.rss_kib
    ));
    Ok(Added {
        before,
        after,
        connections: plan.connections,
    })
}

fn edge_plan(origin: &Origin, users_per_minute: u32) -> EdgePlan<'static> {
    EdgePlan {
        store: None,
        users_per_minute,
        max_active: 1_000_000,
        origin: origin.address,
        health_path: "/",
        room: "",
    }
}
