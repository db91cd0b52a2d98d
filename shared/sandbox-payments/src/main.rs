//! The sandbox payment provider: see the library.

use process::{Exit, Shutdown};
use sandbox_payments::{App, Settings, Trouble, router};
use std::{process::ExitCode, time::Duration};
use tracing::info;

/// Requests here are short; webhooks that were not delivered yet are lost anyway.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    process::run("sandbox-payments", || {
        let settings = Settings::from_env().map_err(Exit::Usage)?;
        let trouble = Trouble::from_env().map_err(Exit::Usage)?;
        process::install_tracing();
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(serve(settings, trouble))?)
    })
}

async fn serve(settings: Settings, trouble: Trouble) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(settings.listen).await?;
    info!(address = %settings.listen, "the sandbox payment provider listens");
    let shutdown = Shutdown::new(GRACE);
    let stop = shutdown.token();
    let app = App::with_trouble(settings, trouble)?;
    shutdown.spawn("http", async move {
        axum::serve(listener, router(app))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?;
        Ok(())
    });
    shutdown.wait().await
}
