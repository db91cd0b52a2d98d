//! How a process ends: one line that says what to do, and an exit code that scripts can tell apart.

use std::process::ExitCode;

/// The exit code for a mistake in the settings or the command line (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Why a process ends before its work is done.
#[derive(Debug)]
pub enum Exit {
    /// The settings are wrong: each line says one mistake and what to do.
    Usage(Vec<String>),
    /// It failed while running.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Exit {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs a process's work and turns its end into an exit code, saying on standard error what went wrong.
pub fn run(name: &str, work: impl FnOnce() -> Result<(), Exit>) -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Usage(mistakes)) => {
            for mistake in mistakes {
                eprintln!("{name}: {mistake}");
            }
            ExitCode::from(EXIT_USAGE)
        }
        Err(Exit::Failed(error)) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
