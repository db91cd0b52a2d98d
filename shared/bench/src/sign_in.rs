//! How much a storm of sign-ins slows the polls of those who wait: the two share the processors and nothing else.

use crate::{
    Verdict,
    cli::SignInPlan,
    crowd,
    edge::{Edge, EdgePlan},
    http::{Connection, request},
    report::{median, print, rounded, say},
    scratch::Scratch,
    shop::{ORIGIN_SECRET, Shop},
    wrk::{Measured, Wrk},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use testbed::free_address;
use tokio::{task::JoinSet, time::Instant};

const JOINING: u32 = 64;

/// What the storm was answered.
#[derive(Debug, Default)]
struct Storm {
    looked_at: AtomicU64,
    too_busy: AtomicU64,
    other: AtomicU64,
}

pub async fn measure(plan: &SignInPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("sign-in")?;
    let address = free_address();
    let edge_plan = EdgePlan {
        store: None,
        users_per_minute: 0,
        max_active: 1,
        origin: address,
        health_path: "/livez",
        room: "",
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    let _shop = Shop::start(address, edge.public, 1).await?;
    say(&format!("{} shoppers join ...", plan.shoppers));
    let crowd = crowd::join(&edge, plan.shoppers, JOINING).await?;
    let tickets: Vec<String> = crowd.places.into_iter().map(|place| place.ticket).collect();
    let header = "Waiting-Room-Ticket";
    let wrk = Wrk::new(&scratch, header, &tickets, plan.connections, plan.seconds)?;
    let polls = format!(
        "http://{}/.waiting-room/{}/status",
        edge.public,
        crate::edge::ROOM
    );

    let (storm, mut seconds) = (Arc::new(Storm::default()), 0.0);
    let (mut calm, mut stormy) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        calm.push(wrk.load(&polls).await.context("polls")?);
        let (guessers, began) = (guess(address, plan.guessers, &storm), Instant::now());
        stormy.push(wrk.load(&polls).await.context("polls in a storm")?);
        seconds += began.elapsed().as_secs_f64();
        drop(guessers);
        say(&format!("round {round} of {} is over", plan.rounds));
    }
    print(&result(plan, &calm, &stormy, &storm, seconds))?;
    Ok(Verdict::Passed)
}

/// Many who try passwords, each from another address and for another account: every try is looked at. They end with the
/// set.
fn guess(shop: SocketAddr, guessers: u32, storm: &Arc<Storm>) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    for _ in 0..guessers {
        let storm = Arc::clone(storm);
        tasks.spawn(async move {
            let mut connection = Connection::open(shop).await?;
            loop {
                let status = connection.exchange(&one_try(shop)).await?.status;
                let count = match status {
                    401 => &storm.looked_at,
                    503 => &storm.too_busy,
                    _ => &storm.other,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks
}

fn one_try(shop: SocketAddr) -> Vec<u8> {
    let [b, c, d] = clock::random_bytes::<3>();
    let account = u64::from_be_bytes(clock::random_bytes());
    let body = json!({ "email": format!("{account}@x.example"), "password": "correct horse battery" });
    let from = format!("10.{b}.{c}.{d}");
    let headers = [
        ("Waiting-Room-Edge-Secret", ORIGIN_SECRET),
        ("X-Forwarded-For", from.as_str()),
    ];
    request("POST", shop, "/members/session", &headers, &body.to_string())
}

fn result(
    plan: &SignInPlan,
    calm: &[Measured],
    stormy: &[Measured],
    storm: &Storm,
    seconds: f64,
) -> Vec<(&'static str, Value)> {
    let middle = |runs: &[Measured], figure: fn(&Measured) -> f64| {
        median(&runs.iter().map(figure).collect::<Vec<_>>())
    };
    let (value, reference) = (middle(stormy, Measured::rate), middle(calm, Measured::rate));
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let looked_at = count(&storm.looked_at) as f64 / seconds;
    vec![
        ("bench", json!("sign-in")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("polls/s while others sign in")),
        ("reference", json!(rounded(reference, 0))),
        ("reference_is", json!("polls/s while nobody does")),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", json!(middle(stormy, Measured::p50_ms))),
        ("p99_ms", json!(middle(stormy, Measured::p99_ms))),
        ("reference_p50_ms", json!(middle(calm, Measured::p50_ms))),
        ("reference_p99_ms", json!(middle(calm, Measured::p99_ms))),
        ("passwords_per_second", json!(rounded(looked_at, 1))),
        ("told_busy", json!(count(&storm.too_busy))),
        ("other_answers", json!(count(&storm.other))),
        ("guessers", json!(plan.guessers)),
        ("connections", json!(plan.connections)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ]
}
