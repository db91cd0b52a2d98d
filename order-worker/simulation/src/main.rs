//! `simulate-orders`: orders in virtual time, with trouble. One line of JSON to standard output is the end. Exit code 1
//! is a broken promise.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that tells its result"
)]

use clap::Parser;
use order_simulation::{Report, World};
use serde::Serialize;
use std::process::ExitCode;

/// Orders, payments, returns and crashes on the real order domain, beside a naive ledger.
#[derive(Debug, Parser)]
struct Cli {
    /// Everything is drawn from it: the same seed is the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many runs, with the seeds that follow.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// So many things happen in each, before everything comes to rest.
    #[arg(long, default_value_t = 400)]
    steps: u32,
}

/// All runs together.
#[derive(Debug, Default, Serialize)]
struct Line {
    first_seed: u64,
    runs: u64,
    broken: u64,
    steps: u64,
    orders: usize,
    refused: usize,
    captured: usize,
    refunds: usize,
    restocked: usize,
    crashes: u64,
    reports_lost: u64,
    dead_letters: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let mut line = Line {
        first_seed: cli.seed,
        ..Line::default()
    };
    for seed in cli.seed..cli.seed.saturating_add(cli.runs) {
        line.runs += 1;
        match World::new(seed).run(cli.steps) {
            Ok(report) => line.add(&report),
            Err(violation) => {
                eprintln!("BROKEN: {violation}");
                line.broken += 1;
            }
        }
    }
    println!("{}", serde_json::to_string(&line)?);
    Ok(ExitCode::from(u8::from(line.broken > 0)))
}

impl Line {
    fn add(&mut self, report: &Report) {
        self.steps += u64::from(report.steps);
        self.orders += report.orders;
        self.refused += report.refused;
        self.captured += report.captured;
        self.refunds += report.refunds;
        self.restocked += report.restocked;
        self.crashes += u64::from(report.crashes);
        self.reports_lost += u64::from(report.reports_lost);
        self.dead_letters += u64::from(report.dead_letters);
    }
}
