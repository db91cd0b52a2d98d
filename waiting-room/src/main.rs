//! The edge: gives every shopper a place in line, admits them at a controlled rate, proxies the admitted.

use clap::Parser;
use process::Exit;
use std::process::ExitCode;
use waiting_room::{
    app,
    settings::{Cli, Settings},
};

// Measured against the system's allocator: docs/decisions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::run("waiting-room", || {
        let settings = Settings::read(Cli::parse())?;
        if settings.check_only {
            eprintln!("the config is valid: {} room(s)", settings.config.rooms.len());
            return Ok(());
        }
        process::install_tracing();
        app::run(settings).map_err(Exit::Failed)
    })
}
