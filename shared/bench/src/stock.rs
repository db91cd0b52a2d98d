//! How many reads of what is left go through the edge, against nginx answering as many bytes; and how long each takes
//! when very many come at a set rate.

use crate::{
    Verdict,
    cli::StockPlan,
    nginx::Nginx,
    reading::{self, Pace},
    report::{median, print, quantile_ms, rounded, say},
    scratch::Scratch,
    shelves::Shelves,
    shop::PRODUCT,
    wrk::{Measured, THREADS, Wrk},
};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// How long all but one read in a hundred may take.
const P99_MAX_MS: f64 = 20.0;

pub async fn measure(plan: &StockPlan) -> anyhow::Result<Verdict> {
    let scratch = Scratch::new("stock")?;
    let shelves = Shelves::open(&scratch, plan.shoppers).await?;
    let path = format!("/products/{PRODUCT}/stock");
    let bytes = shelves.door.body_bytes(&path).await?;
    let nginx = Nginx::start(&scratch, bytes).await?;

    let wrk = Wrk::new(
        &scratch,
        "Cookie",
        &shelves.door.cookies,
        plan.connections,
        plan.seconds,
    )?;
    let ours = format!("http://{}{path}", shelves.door.edge.public);
    let theirs = format!("http://{}{path}", nginx.address);
    let (mut reads, mut references) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let read = wrk.load(&ours).await?;
        let reference = wrk.load(&theirs).await?;
        say(&format!(
            "round {round} of {}: {:.0} reads/s (p99 {} ms), nginx {:.0}/s",
            plan.rounds,
            read.rate(),
            read.p99_ms(),
            reference.rate()
        ));
        reads.push(read);
        references.push(reference);
    }
    say(&format!(
        "{} reads in {} s, each at its time ...",
        plan.reads, plan.pace_seconds
    ));
    let pace = Pace {
        reads: plan.reads,
        seconds: plan.pace_seconds,
        connections: plan.connections,
    };
    let paced = reading::read(shelves.door.edge.public, shelves.door.requests(&path), pace).await?;
    print(&result(plan, bytes, (&reads, &references), &paced))?;
    let kept_up = paced.len() == u64::from(plan.reads) && quantile_ms(&paced, 0.99) < P99_MAX_MS;
    Ok(if kept_up { Verdict::Passed } else { Verdict::Failed })
}

fn result(
    plan: &StockPlan,
    bytes: usize,
    (reads, references): (&[Measured], &[Measured]),
    paced: &Histogram<u64>,
) -> Vec<(&'static str, Value)> {
    let middle = |runs: &[Measured], figure: fn(&Measured) -> f64| {
        median(&runs.iter().map(figure).collect::<Vec<_>>())
    };
    let (value, reference) = (middle(reads, Measured::rate), middle(references, Measured::rate));
    vec![
        ("bench", json!("stock")),
        ("value", json!(rounded(value, 0))),
        ("unit", json!("reads/s")),
        ("reference", json!(rounded(reference, 0))),
        ("reference_is", json!("nginx return 200")),
        ("ratio", json!(rounded(value / reference, 3))),
        ("p50_ms", json!(middle(reads, Measured::p50_ms))),
        ("p99_ms", json!(middle(reads, Measured::p99_ms))),
        ("reference_p99_ms", json!(middle(references, Measured::p99_ms))),
        ("paced_reads", json!(paced.len())),
        ("paced_seconds", json!(plan.pace_seconds)),
        ("paced_p50_ms", json!(quantile_ms(paced, 0.5))),
        ("paced_p99_ms", json!(quantile_ms(paced, 0.99))),
        ("paced_max_ms", json!(quantile_ms(paced, 1.0))),
        ("body_bytes", json!(bytes)),
        ("passes", json!(plan.shoppers)),
        ("connections", json!(plan.connections)),
        ("wrk_threads", json!(THREADS)),
        ("rounds", json!(plan.rounds)),
        ("seconds", json!(plan.seconds)),
    ]
}
