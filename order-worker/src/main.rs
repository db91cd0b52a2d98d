//! The order worker.

use clap::Parser;
use order_worker::{
    app, dead,
    settings::{Command, Settings},
    webhooks,
};
use process::Exit;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    process::run("order-worker", || {
        let settings = Settings::parse();
        let mistakes = settings.mistakes();
        if !mistakes.is_empty() {
            return Err(Exit::Usage(mistakes));
        }
        process::install_tracing();
        let metrics = process::install_metrics()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match settings.command.clone() {
                None => Ok(app::run(settings, metrics).await?),
                Some(Command::Dead(command)) => Ok(dead::run(&app::broker(&settings)?, command).await?),
                Some(Command::Webhooks(command)) => {
                    let missing = || vec![format!("{}: {}", app::WEBHOOK_KEY, app::WEBHOOK_KEY_EXAMPLE)];
                    let master = app::webhook_master()?.ok_or_else(|| Exit::Usage(missing()))?;
                    Ok(webhooks::run(&app::store(&settings)?, &master, command).await?)
                }
            }
        })
    })
}
