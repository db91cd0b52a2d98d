//! `simulate`: a drop of millions in virtual time, or many small ones in which anything can happen. Progress goes to
//! standard error; one line of JSON to standard output is the end. Exit code 1 is a broken promise.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that tells its progress and its result"
)]

use clap::{Parser, ValueEnum};
use serde::Serialize;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use waiting_room_simulation::{Report, Scenario, Violation, World};

/// The claims of a minute are so near to the rate, while people wait and nothing disturbs.
const RATE_TOLERANCE: f64 = 0.05;

/// What is simulated.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A drop of as many shoppers as asked for.
    Big,
    /// A small drop with random trouble.
    Small,
    /// A drop without trouble, to measure the rate.
    Steady,
}

/// A drop on the real line, in virtual time.
#[derive(Debug, Parser)]
struct Cli {
    /// What kind of drop.
    #[arg(long, value_enum, default_value = "big")]
    kind: Kind,
    /// How many shoppers, in a big drop.
    #[arg(long, default_value_t = 10_000_000)]
    shoppers: u32,
    /// How many edges, in a big drop.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=200))]
    edges: u8,
    /// Everything is drawn from it: the same seed is the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many runs, with the seeds that follow.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Admissions a minute, in a big drop; else a fifteenth of the shoppers.
    #[arg(long)]
    users_per_minute: Option<u32>,
    /// Polls a second, in a big drop; else a sixtieth of the shoppers.
    #[arg(long)]
    poll_budget: Option<u32>,
    /// How long a call lasts, in a big drop.
    #[arg(long)]
    claim_window_seconds: Option<u64>,
    /// Nothing goes wrong in a big drop.
    #[arg(long)]
    calm: bool,
    /// Tells what is planned: the drop, the shoppers and the trouble.
    #[arg(long)]
    plan: bool,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    report: Report,
    wall_seconds: f64,
    peak_memory_mb: Option<u64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let mut broken = 0;
    for seed in cli.seed..cli.seed.saturating_add(cli.runs.max(1)) {
        match run(&cli, seed) {
            Ok(line) => {
                println!("{}", serde_json::to_string(&line)?);
                broken += u64::from(misses_the_rate(&cli, &line.report));
            }
            Err(violation) => {
                eprintln!("BROKEN: {violation}");
                broken += 1;
            }
        }
    }
    Ok(ExitCode::from(u8::from(broken > 0)))
}

/// In small drops one shopper more or less counts too much.
fn misses_the_rate(cli: &Cli, report: &Report) -> bool {
    let misses =
        !matches!(cli.kind, Kind::Small) && report.rate_error.is_some_and(|error| error > RATE_TOLERANCE);
    if misses {
        let (seed, at) = (report.seed, report.rate_error_at_ms);
        eprintln!("BROKEN: seed {seed}, after {at} ms: the claims of a minute missed the rate");
    }
    misses
}

fn run(cli: &Cli, seed: u64) -> Result<Line, Violation> {
    let scenario = match cli.kind {
        Kind::Big => big(cli, seed),
        Kind::Small => Scenario::small(seed),
        Kind::Steady => Scenario::steady(seed),
    };
    if cli.plan {
        eprintln!("{scenario:#?}");
    }
    let is_big = matches!(cli.kind, Kind::Big);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the program took, nothing in the simulation"
    )]
    let began = Instant::now();
    let report = World::new(scenario).run(|world| {
        if is_big {
            eprintln!("{}", world.progress());
        }
    })?;
    Ok(Line {
        report,
        wall_seconds: began.elapsed().as_secs_f64(),
        peak_memory_mb: peak_memory_mb(),
    })
}

fn big(cli: &Cli, seed: u64) -> Scenario {
    let mut big = Scenario::big(seed, cli.shoppers, usize::from(cli.edges));
    if let Some(users_per_minute) = cli.users_per_minute {
        big.limits.users_per_minute = users_per_minute;
    }
    if let Some(budget) = cli.poll_budget {
        big.pacing.budget_per_second = budget;
    }
    if let Some(seconds) = cli.claim_window_seconds {
        big.claim_window = Duration::from_secs(seconds);
    }
    if cli.calm {
        big.happenings.clear();
    }
    big
}

/// The most memory that this process has had, where the system tells.
fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}
