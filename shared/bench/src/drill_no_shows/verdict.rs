//! What the drill has shown.

use super::{
    EDGES, Story,
    minutes::Minute,
    tally::Tally,
    watch::{Sample, exceeded},
};
use crate::{
    Verdict,
    cli::NoShowsPlan,
    report::{print, rounded},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const RATE_ERROR_MAX: f64 = 0.05;
const RATE_CHANGE_MAX: Duration = Duration::from_secs(1);
/// How the minutes were judged, for whoever reads the figures.
const RATE_ERROR_OVER: &str = "whole minutes after the first sixty seconds, without the one in which max_active \
                               was lowered; a minute in which the rate was changed is held against the mean of both";

/// Prints the figures; passed if the rate was met, nobody was in too many, and the change was quick.
pub fn judge(
    plan: &NoShowsPlan,
    story: &Story,
    tally: &Tally,
    samples: &[Sample],
) -> anyhow::Result<Verdict> {
    let timeline = &story.timeline;
    let open: Vec<Sample> = samples
        .iter()
        .filter(|sample| sample.at >= timeline.began)
        .copied()
        .collect();
    let minutes = timeline.minutes(&tally.claims(), samples);
    let worst = minutes.iter().filter(|minute| minute.counts).map(Minute::error);
    let rate_error = worst.fold(0.0, f64::max);
    let exceeded = exceeded(samples);
    let least_waiting = open.iter().map(|sample| sample.waiting).min().unwrap_or_default();
    let mut fields = vec![
        ("bench", json!("drill-no-shows")),
        ("edges", json!(EDGES)),
        ("no_shows_percent", json!(plan.no_shows_percent)),
        ("minute_seconds", json!(plan.minute_seconds)),
        (
            "minutes",
            json!(minutes.iter().map(Minute::told).collect::<Vec<_>>()),
        ),
        ("rate_error", json!(rounded(rate_error, 4))),
        ("rate_error_over", json!(RATE_ERROR_OVER)),
        ("max_active_exceeded", json!(exceeded.sessions)),
        ("reserved_exceeded", json!(exceeded.reserved)),
        (
            "rate_change_seconds",
            json!(rounded(story.rate_change.as_secs_f64(), 3)),
        ),
        ("max_active", json!(plan.max_active())),
        ("max_active_lowered_to", json!(story.lowered_to)),
        ("fell_to_it_after_seconds", fell(story, &open)),
        ("least_waiting", json!(least_waiting)),
    ];
    fields.extend(line_figures(story, samples));
    fields.extend(shopper_figures(tally));
    fields.extend(sample_figures(samples));
    print(&fields)?;
    let sound = least_waiting > 0 && tally.broken.load(Relaxed) == 0;
    let promised =
        rate_error <= RATE_ERROR_MAX && exceeded.sessions == 0 && story.rate_change <= RATE_CHANGE_MAX;
    Ok(if sound && promised {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

/// How long after `max_active` was lowered no more were in or called; nothing if they never were so few.
fn fell(story: &Story, samples: &[Sample]) -> Value {
    let (lowered, raised) = story.timeline.lowered;
    let mut meanwhile = samples
        .iter()
        .filter(|sample| sample.at > lowered && sample.at < raised);
    let few = meanwhile.find(|sample| sample.reserved <= u64::from(story.lowered_to));
    json!(few.map(|sample| rounded((sample.at - lowered).as_secs_f64(), 1)))
}

fn line_figures(story: &Story, samples: &[Sample]) -> Vec<(&'static str, Value)> {
    let last = samples.last();
    vec![
        ("calls", json!(last.map(|sample| sample.called))),
        ("claims", json!(last.map(|sample| sample.claimed))),
        (
            "turnout",
            json!(rounded(story.room["turnout"].as_f64().unwrap_or(f64::NAN), 3)),
        ),
        (
            "most_active",
            json!(samples.iter().map(|sample| sample.active).max()),
        ),
        (
            "most_reserved",
            json!(samples.iter().map(|sample| sample.reserved).max()),
        ),
    ]
}

fn shopper_figures(tally: &Tally) -> Vec<(&'static str, Value)> {
    let count = |counter: &AtomicU64| json!(counter.load(Relaxed));
    vec![
        ("shoppers", count(&tally.joined)),
        ("claims_answered", json!(tally.claims().len())),
        ("no_shows", count(&tally.no_shows)),
        ("missed", count(&tally.missed)),
        ("visits", count(&tally.visits)),
        ("left", count(&tally.left)),
        ("polls", count(&tally.polls)),
        ("edge_switches", count(&tally.switches)),
        ("put_off", count(&tally.refused)),
        ("broken_shoppers", count(&tally.broken)),
    ]
}

fn sample_figures(samples: &[Sample]) -> Vec<(&'static str, Value)> {
    let gaps = samples.windows(2).map(|pair| pair[1].at - pair[0].at);
    let longest = gaps.max().unwrap_or_default();
    vec![
        ("samples", json!(samples.len())),
        ("longest_gap_seconds", json!(rounded(longest.as_secs_f64(), 3))),
    ]
}
