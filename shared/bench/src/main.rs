//! The benchmarks and the drop-day drill.
//!
//! Each starts real processes on free ports of loopback, with a database, a Redis prefix and a broker prefix of its
//! own, loads them for a bounded time, tells its progress on standard error and ends in one line of JSON on standard
//! output. Whatever it started is gone afterwards, also after an error or Ctrl-C.

mod books;
mod catalog;
mod cli;
mod cpu;
mod crowd;
mod draw;
mod drill_autopilot;
mod drill_no_shows;
mod drills;
mod drop_day;
mod edge;
mod expiry;
mod http;
mod idle;
mod join;
mod k6;
mod memory;
mod million;
mod nginx;
mod order_drills;
mod ordering;
mod orders;
mod origin;
mod past;
mod pgbench;
mod poll;
mod pool;
mod proxy;
mod reading;
mod report;
mod scratch;
mod shelves;
mod shop;
mod sign_in;
mod spending;
mod stock;
mod wrk;

use clap::Parser;
use cli::{Cli, Measurement};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let measurement = Cli::parse().measurement;
    // A namespace is given to a process that has one thread yet.
    let mounts = match measurement {
        Measurement::DrillDiskFull(_) => order_drills::own_mounts(),
        _ => Ok(()),
    };
    match mounts.and_then(|()| run(measurement)) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether what was measured is as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
}

#[tokio::main]
async fn run(measurement: Measurement) -> anyhow::Result<Verdict> {
    let mut terminate = signal(SignalKind::terminate())?;
    // Losing the race drops the measurement, and with it everything that it started.
    tokio::select! {
        verdict = measure(measurement) => verdict,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("asked to stop"),
    }
}

async fn measure(measurement: Measurement) -> anyhow::Result<Verdict> {
    match measurement {
        Measurement::Poll(plan) => poll::measure(&plan).await,
        Measurement::Proxy(plan) => proxy::measure(&plan).await,
        Measurement::Idle(plan) => idle::measure(&plan).await,
        Measurement::Listen(plan) => idle::listen(&plan).await,
        Measurement::Join(plan) => join::measure(&plan).await,
        Measurement::Million(plan) => million::measure(&plan).await,
        Measurement::Draw(plan) => draw::measure(&plan).await,
        Measurement::Stock(plan) => stock::measure(&plan).await,
        Measurement::Catalog(plan) => catalog::measure(&plan).await,
        Measurement::SignIn(plan) => sign_in::measure(&plan).await,
        Measurement::Orders(plan) => orders::measure(&plan).await,
        Measurement::Expiry(plan) => expiry::measure(&plan).await,
        Measurement::DropDay(plan) => drop_day::measure(&plan).await,
        Measurement::DrillAutopilot(plan) => drill_autopilot::measure(&plan).await,
        Measurement::Drill(plan) => drills::measure(&plan).await,
        Measurement::DrillKills(plan) => order_drills::kills(&plan).await,
        Measurement::DrillBrokerNodes(plan) => order_drills::broker_nodes(&plan).await,
        Measurement::DrillDiskFull(plan) => order_drills::disk_full(&plan).await,
        Measurement::DrillNoShows(plan) => drill_no_shows::measure(&plan).await,
    }
}
