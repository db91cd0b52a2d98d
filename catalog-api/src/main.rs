//! The shop behind the gate.

use catalog_api::{Promotion, Resealing, Settings, promote, reseal, seed, serve, settings};
use clap::{Parser, Subcommand};
use process::{Exit, Shutdown};
use std::{process::ExitCode, time::Duration};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longer than the longest wait that a shopper may ask for.
const GRACE: Duration = Duration::from_secs(35);

const _: () = assert!(GRACE.as_secs() > catalog_domain::limits::WAIT_MAX.as_secs());

/// Products, stock and orders behind the waiting room. Settings come from the environment.
#[derive(Debug, Parser)]
#[command(name = "catalog-api", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves shoppers until it is told to stop (the default).
    Serve,
    /// Brings the database schema up to date.
    Migrate,
    /// Puts a demo product with its stock into the database, unless it is there.
    SeedDemo(seed::DemoProduct),
    /// Members, from the command line.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Seals all personal data anew under the first key of PERSONAL_DATA_KEYS, while the shop runs; may be stopped and run
    /// again.
    Reseal(Resealing),
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    /// Gives a member a role; the first admin is made that way.
    Promote(Promotion),
}

fn main() -> ExitCode {
    process::run("catalog-api", || {
        let arguments = Arguments::try_parse().or_else(usage)?;
        process::install_tracing();
        let runtime = tokio::runtime::Runtime::new()?;
        match arguments.command.unwrap_or(Command::Serve) {
            Command::Serve => {
                let settings = Settings::from_env().map_err(Exit::Usage)?;
                Ok(runtime.block_on(serve(settings, Shutdown::new(GRACE)))?)
            }
            Command::Migrate => Ok(runtime.block_on(seed::migrate(&settings::database_url()?))?),
            Command::Member(MemberCommand::Promote(promotion)) => {
                let keys = settings::personal_keys()?.into();
                Ok(runtime.block_on(promote(&settings::database_url()?, &keys, &promotion))?)
            }
            Command::Reseal(resealing) => {
                let keys = settings::personal_keys()?.into();
                Ok(runtime.block_on(reseal(&settings::database_url()?, &keys, &resealing))?)
            }
            Command::SeedDemo(product) => {
                Ok(runtime.block_on(seed::demo(&settings::database_url()?, &product))?)
            }
        }
    })
}

/// Help and version end well; a mistake ends with the exit code for mistakes.
fn usage(error: clap::Error) -> Result<Arguments, Exit> {
    if error.use_stderr() {
        return Err(Exit::Usage(vec![error.to_string()]));
    }
    error.exit()
}
