//! The edge: gives every shopper a place in line, admits them at a controlled rate, proxies the admitted.

use clap::Parser;
use clock::SystemClock;
use process::Exit;
use std::process::ExitCode;
use waiting_room::{
    app,
    settings::{Cli, Command, Settings},
    verify,
};

// Requests are allocated on one thread and freed on another, all the time: what this allocator is made for
// (measured: docs/decisions/build-profile.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::run("waiting-room", || {
        let mut cli = command_line()?;
        match cli.command.take() {
            Some(Command::Verify(question)) => return verify::run(&question),
            Some(Command::Issue(issue)) => return issue.run(&SystemClock, &mut std::io::stdout().lock()),
            None => {}
        }
        let settings = Settings::read(cli)?;
        if settings.check_only {
            eprintln!("the config is valid: {} room(s)", settings.config.rooms.len());
            return Ok(());
        }
        process::install_tracing();
        app::run(settings).map_err(Exit::Failed)
    })
}

/// The command line; help and version are printed at once, and end the process.
fn command_line() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        Exit::Usage(vec![error.to_string().trim_end().to_owned()])
    })
}
