//! How many polls of waiting shoppers an edge answers, against nginx answering as many bytes.

use crate::{
    Verdict,
    cli::PollPlan,
    crowd,
    edge::{Edge, EdgePlan},
    http::Connection,
    nginx::Nginx,
    report::{median, print, rounded, say},
    scratch::Scratch,
    wrk::{Measured, THREADS, Wrk},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// Connections for the joins beforehand.
const JOINING: u32 = 64;

pub async fn measure(plan: &PollPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("poll")?;
    // Nobody is let in: everybody waits and goes on polling.
    let origin = Nginx::start(&scratch, 64).await?;
    let edge_plan = EdgePlan {
        store: None,
        users_per_minute: 0,
        max_active: 1,
        origin: origin.address,
        health_path: "/",
        room: "",
    };
    let edge = Edge::start(&scratch, &edge_plan).await?;
    say(&format!("{} shoppers join ...", plan.shoppers));
    let crowd = crowd::join(&edge, plan.shoppers, JOINING).await?;
    let tickets: Vec<String> = crowd.places.into_iter().map(|place| place.ticket).collect();
    let bytes = body_of_a_poll(&edge, &tickets).await?;
    drop(origin);
    let nginx = Nginx::start(&scratch, bytes).await?;

    let wrk = Wrk::new(
        &scratch,
        "Waiting-Room-Ticket",
        &tickets,
        plan.connections,
        plan.seconds,
    )?;
    let poll_url = format!(
        "http://{}/.waiting-room/{}/status",
        edge.public,
        crate::edge::ROOM
    );
    let nginx_url = format!(
        "http://{}/.waiting-room/{}/status",
        nginx.address,
        crate::edge::ROOM
    );
    let (mut polls, mut references) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let poll = wrk.load(&poll_url).await.context("polls")?;
        let reference = wrk.load(&nginx_url).await.context("nginx")?;
        say(&format!(
            "round {round} of {}: {:.0} polls/s (p99 {} ms), nginx {:.0}/s (p99 {} ms)",
            plan.rounds,
            poll.rate(),
            poll.p99_ms(),
            reference.rate(),
            reference.p99_ms()
        ));
        polls.push(poll);
        references.push(reference);
    }
    print(&result(plan, bytes, &polls, &references))?;
    Ok(Verdict::Passed)
}

/// The length of the body that most polls get; they differ by the digits of the number.
async fn body_of_a_poll(edge: &Edge, tickets: &[String]) -> anyhow::Result<usize> {
    let ticket = tickets.get(tickets.len() / 2).context("nobody joined")?;
    let mut connection = Connection::open(edge.public).await?;
    let answer = connection
        .exchange(&edge.room_request("GET", "/status", Some(ticket)))
        .await?;
    let status: Value = answer.json(&[200])?;
    ensure!(
        status["state"] == "waiting",
        "somebody who should wait does not: {status}"
    );
    Ok(answer.body.len())
}

fn result(
    plan: &PollPlan,
    bytes: usize,
    polls: &[Measured],
    references: &[Measured],
) -> Vec<(&'static str, Value)> {
    let middle = |runs: &[Measured], figure: fn(&Measured) -> f64| {
        median(&runs.iter().map(figure).collect::<Vec<_>>())
    };
    let (value, reference) = (middle(polls, Measured::rate), middle(references, Measured::rate));
    vec![
        ("bench", json!("poll")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("polls/s")),
        ("reference", json!(rounded(reference, 0))),
        ("reference_is", json!("nginx return 200")),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", json!(middle(polls, Measured::p50_ms))),
        ("p99_ms", json!(middle(polls, Measured::p99_ms))),
        ("reference_p50_ms", json!(middle(references, Measured::p50_ms))),
        ("reference_p99_ms", json!(middle(references, Measured::p99_ms))),
        ("body_bytes", json!(bytes)),
        (
            "answer_bytes",
            json!(rounded(middle(polls, Measured::answer_bytes), 0)),
        ),
        (
            "reference_answer_bytes",
            json!(rounded(middle(references, Measured::answer_bytes), 0)),
        ),
        ("tickets", json!(plan.shoppers)),
        ("connections", json!(plan.connections)),
        ("wrk_threads", json!(THREADS)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ]
}
